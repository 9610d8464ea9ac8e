#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A memory provider comes to and goes from one receive queue of igb while the
# other carries traffic, and stays with its queue through whatever happens to
# the interface. The provider is upstream's device memory TCP or io_uring.
# lab: kernel=upstream
# lab: timeout=300
. "$(dirname "$0")/lib.sh"

need_netif
need_programs ethtool iou-zcrx ncdevmem socat
[ "$(basename "$(readlink -f "/sys/class/net/$NETIF/device/driver")")" = igb ] ||
	skip_all "$NETIF is not driven by igb"
[ -c /dev/udmabuf ] || skip_all "there is no /dev/udmabuf"

BYTES=$((7 * 4096 * 16))
mtu=$(cat "/sys/class/net/$NETIF/mtu")
device=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")

carrier() {
	wait_for 20 grep -q 1 "/sys/class/net/$NETIF/carrier"
}

# The IPv6 address goes when the interface goes down.
addresses() {
	ip addr add "$LOCAL_V4/24" dev "$NETIF" 2>/dev/null
	ip addr add "$LOCAL_V6/64" dev "$NETIF" nodad 2>/dev/null
	carrier
}

pings() {
	ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null && ping -q -c 2 -W 5 "$REMOTE_V6" >/dev/null
}

refused() {
	local what=$1 out
	shift
	out=$("$@" 2>&1) && return 1
	grep -qF "$what" <<<"$out"
}

# hold PORT: a provider on queue 1, in $holder, that waits for a stream
hold() {
	ncdevmem -l -f "$NETIF" -s :: -p "$1" -v 7 -t 1 -q 1 -n >/dev/null 2>"/tmp/hold.$1" &
	holder=$!
	wait_for 10 grep -q Waiting "/tmp/hold.$1" || { ktap_say "$(cat "/tmp/hold.$1")"; return 1; }
}

let_go() {
	kill "$holder" 2>/dev/null
	wait "$holder" 2>/dev/null
}

# flows 0|1: the queue that hashed flows go to
flows() {
	ethtool -X "$NETIF" start "$1" equal 1
}

# receives PORT: the holder's queue takes a stream into its memory, all of it
receives() {
	flows 1
	remote "yes \$'\\001\\002\\003\\004\\005\\006' | head -c $BYTES | socat -u -b 28672 - TCP4:$LOCAL_V4:$1" || return 1
	wait "$holder" || { ktap_say "$(tail -2 "/tmp/hold.$1")"; return 1; }
	flows 0
	[ "$(sed -n 's/^total_received=//p' "/tmp/hold.$1" | tail -1)" = "$BYTES" ]
}

# bind_once QUEUE: a provider comes and goes
bind_once() {
	iou-zcrx -s -p 9900 -i "$NETIF" -q "$1" -d
}

queue_packets() {
	ethtool -S "$NETIF" | sed -n "s/^ *rx_queue_${1}_packets: //p"
}

ktap_plan 25
undo ethtool -G "$NETIF" tcp-data-split off
undo ethtool -L "$NETIF" combined 2
undo ethtool -X "$NETIF" default

ethtool -G "$NETIF" tcp-data-split on hds-thresh 0 && carrier && flows 0 && pings
ktap_ok "split on, flows on queue 0" $?

job=$(remote -b "ping -q -i 0.02 -c 400 $LOCAL_V4")
result=0
for _ in $(seq 50); do
	bind_once 1 || result=1
done
ktap_ok "a provider comes to queue 1 and goes, 50 times" $result
out=$(remote -w "$job")
grep -q " 0% packet loss" <<<"$out"
result=$?
[ $result -eq 0 ] || ktap_say "$out"
ktap_ok "queue 0 has not lost a packet" $result

job=$(remote -b "ping -q -i 0.05 -c 100 $LOCAL_V4")
result=0
for _ in $(seq 10); do
	bind_once 0 || result=1
done
ktap_ok "and to queue 0, in use, 10 times" $result
remote -w "$job" >/dev/null
pings
ktap_ok "which then still works" $?

hold 5401 && receives 5401
ktap_ok "a provider on queue 1 receives" $?

hold 5402
refused "already memory provider bound" ncdevmem -l -f "$NETIF" -s :: -p 5403 -t 1 -q 1 -n
ktap_ok "a second one is refused" $?
refused "can't disable tcp-data-split while device has memory provider" ethtool -G "$NETIF" tcp-data-split off
ktap_ok "turning the split off is refused" $?
refused "too low for existing memory provider" ethtool -L "$NETIF" combined 1
ktap_ok "taking the queue away is refused" $?
refused "Invalid argument" ethtool --set-priv-flags "$NETIF" legacy-rx on
ktap_ok "legacy-rx is refused" $?
ethtool -G "$NETIF" rx 512 && carrier && pings
ktap_ok "another ring size" $?
ip link set "$NETIF" mtu 1500 && carrier && ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null && ip link set "$NETIF" mtu "$mtu" && carrier
ktap_ok "another MTU" $?
# The core wants one queue more to be left than the provider needs.
ethtool -L "$NETIF" combined 4 && carrier && flows 0 && ethtool -L "$NETIF" combined 3 && carrier && flows 0 && pings
ktap_ok "more channels, and fewer" $?
ip link set "$NETIF" down && ip link set "$NETIF" up && addresses && pings
ktap_ok "down and up" $?
ethtool -r "$NETIF" && carrier && pings
ktap_ok "a reset" $?
ethtool -t "$NETIF" offline >/dev/null && addresses && pings
ktap_ok "the self-test" $?
ping -q -c 1 -W 5 "$REMOTE_V4" >/dev/null
receives 5402
ktap_ok "after all that the provider receives" $?
ethtool -G "$NETIF" rx 256 && carrier

ip link set "$NETIF" down
hold 5404
ktap_ok "a provider comes while the interface is down" $?
ip link set "$NETIF" up && addresses && receives 5404
ktap_ok "and receives when it is up" $?
hold 5405 && ip link set "$NETIF" down && let_go && true
ip link set "$NETIF" up && addresses && pings && flows 1 && pings && flows 0
ktap_ok "one that goes while it is down leaves a working queue" $?

before=$(queue_packets 1)
flows 1 && pings && flows 0 && [ "$(queue_packets 1)" -gt "$before" ]
ktap_ok "queue 1 counts its packets" $?

if ! grep -qw bpf_prog_put /proc/kallsyms; then
	ktap_skip "XDP is refused with a provider" "the kernel has no BPF"
elif ! command -v xdp_attach >/dev/null; then
	ktap_skip "XDP is refused with a provider" "there is no program that attaches XDP"
else
	hold 5406
	refused "busy" xdp_attach "$NETIF"
	ktap_ok "XDP is refused with a provider" $?
	let_go
fi

hold 5407
driver() {
	echo "$device" >"/sys/bus/pci/drivers/igb/$1"
}
driver unbind
ktap_ok "the driver is taken off with a provider on its queue" $?
let_go
driver bind
wait_for 10 test -e "/sys/class/net/$NETIF" && ip link set "$NETIF" mtu "$mtu" up && addresses && pings
ktap_ok "and put on again" $?
ethtool -G "$NETIF" tcp-data-split on && carrier && flows 0 && pings && hold 5408 && receives 5408 && pings
ktap_ok "after which a provider receives" $?
ktap_end

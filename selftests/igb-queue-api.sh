#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A memory provider comes to and goes from one receive queue of igb while the
# other carries traffic, and stays with its queue through whatever happens to
# the interface. The provider is upstream's device memory TCP or io_uring.
# lab: also=upstream
# lab: modules=queue_fault
# lab: timeout=450
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netif v6
need_remote socat

MODULES=${GATE_MODULES:-$(dirname "$0")}/queue_fault
need_programs ethtool iou-zcrx ncdevmem queues socat xdp_attach xsk
[ "$(basename "$(readlink -f "/sys/class/net/$NETIF/device/driver")")" = igb ] ||
	skip_all "$NETIF is not driven by igb"
[ -c /dev/udmabuf ] || skip_all "there is no /dev/udmabuf"

BYTES=$((7 * 4096 * 16))
mtu=$(cat "/sys/class/net/$NETIF/mtu")
device=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")

carrier() {
	wait_for 20 grep -q 1 "/sys/class/net/$NETIF/carrier"
}

# The IPv6 address goes when the interface goes down, both with the driver.
addresses() {
	addresses=$kept_addresses
	addresses_back
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
	ncdevmem -l -f "$NETIF" -s :: -p "$1" -v 7 -t 1 -q 1 -n >/dev/null 2>"$tmp/hold.$1" &
	holder=$!
	wait_for 30 grep -q Waiting "$tmp/hold.$1" || { ktap_say "$(cat "$tmp/hold.$1")"; return 1; }
}

let_go() {
	kill "$holder" 2>/dev/null
	wait "$holder" 2>/dev/null
}

# flows 0|1: the queue that hashed flows go to
flows() {
	ethtool -X "$NETIF" start "$1" equal 1
}

# one that is to be refused
provider=(timeout $((20 * slower)) ncdevmem -l -f "$NETIF" -s :: -p 5403 -t 1 -q 1 -n)

# receives PORT: the holder's queue takes a stream into its memory, all of it
receives() {
	flows 1
	remote "yes \$'\\001\\002\\003\\004\\005\\006' | head -c $BYTES | socat -u -b 28672 - TCP4:$LOCAL_V4:$1" || return 1
	wait "$holder" || { ktap_say "$(tail -2 "$tmp/hold.$1")"; return 1; }
	flows 0
	[ "$(sed -n 's/^total_received=//p' "$tmp/hold.$1" | tail -1)" = "$BYTES" ]
}

# bind_once QUEUE: a provider comes and goes
bind_once() {
	iou-zcrx -s -p 9900 -i "$NETIF" -q "$1" -d
}

queue_packets() {
	ethtool -S "$NETIF" | sed -n "s/^ *rx_queue_${1}_packets: //p"
}

ktap_plan 46
keep_settings

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
refused "already memory provider bound" "${provider[@]}"
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
self_test && addresses && pings
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

# Which NAPI serves which queue, and whose memory is on it, as the netdev family tells it.
# linked PROVIDER: each queue has a NAPI of this interface, shared with none of its kind; queue 1 has that provider
linked() {
	local out channels kind napis others=1 result=0
	[ "$1" != - ] || others=0
	channels=$(ethtool -l "$NETIF" | sed -n 's/^Combined:[[:space:]]*//p' | tail -1)
	out=$(queues "$NETIF")
	for kind in rx tx; do
		napis=$(sed -nE "s/^$kind [0-9]+ ([0-9]+) .*/\1/p" <<<"$out" | sort -u | wc -l)
		[ "$napis" = "$channels" ] || result=1
	done
	[ "$(sed -n 's/^rx 1 [^ ]* //p' <<<"$out")" = "$1" ] || result=1
	[ "$(grep -cv ' -$' <<<"$out")" -eq $others ] || result=1
	[ $result -eq 0 ] || ktap_say "$channels channels, $out"
	return $result
}
linked -
ktap_ok "each queue names its NAPI" $?
hold 5409
linked dmabuf
ktap_ok "a queue with device memory says so" $?
ethtool -L "$NETIF" combined 4 && carrier && linked dmabuf
ktap_ok "and after a change of the channels" $?
let_go
iou-zcrx -s -p 9901 -i "$NETIF" -q 1 >/dev/null 2>&1 &
holder=$!
wait_for 5 linked io_uring
linked io_uring
ktap_ok "a queue with io_uring's memory says so" $?
let_go
wait_for 5 linked -
linked -
ktap_ok "and that it has gone" $?

# XDP and AF_XDP do not go with a provider, nor with split headers; each says so.
# Programs for frags pass the stack's own check of the split, generic ones never see the driver.
xdp_cases=17
if ! grep -qw bpf_prog_put /proc/kallsyms; then
	for _ in $(seq $xdp_cases); do ktap_skip "XDP, AF_XDP and a provider" "the kernel has no BPF"; done
else
	ip link set "$NETIF" mtu 1500 && carrier
	hold 5406
	refused "busy" xdp_attach "$NETIF" && refused "busy" xdp_attach -f "$NETIF"
	ktap_ok "with a provider: XDP is refused" $?
	refused "busy" xdp_attach -f -g "$NETIF"
	ktap_ok "with a provider: generic XDP is refused" $?
	refused "busy" xsk "$NETIF" 1
	ktap_ok "with a provider: AF_XDP is refused" $?
	let_go

	xdp_attach -f -g "$NETIF" true
	ktap_ok "without one: generic XDP" $?
	refused "XDP program attached" xdp_attach -f -g "$NETIF" "${provider[@]}"
	ktap_ok "with XDP: a provider is refused" $?
	refused "already in use by AF_XDP" xsk -c "$NETIF" 1 "${provider[@]}"
	ktap_ok "with AF_XDP: a provider is refused" $?
	refused "busy" xdp_attach -f "$NETIF" && refused "busy" xsk "$NETIF" 1
	ktap_ok "with split headers: XDP and AF_XDP are refused" $?

	ethtool -G "$NETIF" tcp-data-split off && carrier
	xdp_attach "$NETIF" sh -c "ping -q -c 2 -w $((20 * slower)) $REMOTE_V4 >/dev/null"
	ktap_ok "without split headers: XDP" $?
	# The driver stops and starts the queue for each.
	come_and_go() {
		# shellcheck disable=SC2016 # expanded there
		env FLOOD="ping -q -i 0.01 -c 20 -w $((20 * slower)) $REMOTE_V4" NETIF="$NETIF" \
			xdp_attach "$NETIF" sh -c 'for i in 1 2 3; do xsk "$NETIF" 1 $FLOOD && $FLOOD || exit; done'
	}
	flows 1
	job=$(remote -b "ping -q -i 0.01 -c 30000 $LOCAL_V4")
	ktap_run "with XDP: AF_XDP comes and goes under traffic" come_and_go
	stuck=/sys/kernel/livepatch/queue_stuck
	# Kernel threads, which let go of an AF_XDP pool, change over when their stacks can be relied on, as with ORC; else by force.
	changed_over() {
		wait_for 10 eval '! grep -qs 1 $stuck/transition' && return
		echo 1 >$stuck/force && forced=1
		wait_for 10 eval '! grep -qs 1 $stuck/transition'
	}
	# What was forced stays loaded.
	let_stop() {
		echo 0 >$stuck/enabled && changed_over
		wait_for 30 eval '[ ! -e $stuck ]' && { [ -n "${forced:-}" ] || rmmod queue_stuck; }
	}
	undo eval "[ ! -e $stuck ] || let_stop"
	if insmod "$MODULES/queue_stuck.ko" 2>"$tmp/insmod"; then
		changed_over
		dmesg -C
		ktap_run "a queue that does not stop: AF_XDP comes and goes" come_and_go
		resets=$(dmesg | grep -c "queue 1 does not stop, resetting the device")
		ktap_ok "each time the device is reset ($resets)" $((resets != 6))
		let_stop
		ktap_ok "the queue can be stopped again" $?
	else
		for _ in 1 2 3; do ktap_skip "a queue that does not stop" "the module does not load: $(cat "$tmp/insmod")"; done
	fi
	remote -k "$job" >/dev/null
	flows 0
	refused "detach the program first" xdp_attach -f "$NETIF" ethtool -G "$NETIF" tcp-data-split on
	ktap_ok "with XDP: split headers are refused" $?
	refused "close its sockets first" xsk "$NETIF" 1 ethtool -G "$NETIF" tcp-data-split on
	ktap_ok "with AF_XDP: split headers are refused" $?
	refused "tcp-data-split is disabled" xsk "$NETIF" 1 "${provider[@]}"
	ktap_ok "with AF_XDP and without split headers: a provider is refused" $?
	flows 1
	job=$(remote -b "ping -q -i 0.1 -c 200 $LOCAL_V4")
	ktap_run "without split headers: AF_XDP receives, zero-copy" xsk -n 20 "$NETIF" 1
	remote -k "$job" >/dev/null
	flows 0

	ip link set "$NETIF" mtu "$mtu" && ethtool -G "$NETIF" tcp-data-split on && carrier && pings && hold 5410 && receives 5410
	ktap_ok "after all that a provider receives" $?
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

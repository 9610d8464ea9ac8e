#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel's own test of device memory TCP, unmodified, over igb, with a
# udmabuf: its checks of what is refused, a stream in, a stream out. Flows are
# steered by the RSS table (-n: it leaves the interface as it is).
# lab: also=upstream
# lab: timeout=240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need queue v6
need_remote socat

need_programs ethtool ncdevmem socat
[ -c /dev/udmabuf ] || skip_all "there is no /dev/udmabuf"

BYTES=$((7 * 4096 * 64))

carrier() {
	wait_for 20 grep -q 1 "/sys/class/net/$NETIF/carrier"
}

brackets() {
	case $1 in *:*) echo "TCP6:[$1]" ;; *) echo "TCP4:$1" ;; esac
}

# in_once ADDRESS PORT: what arrives is the pattern, all of it, in device memory
in_once() {
	local receiver
	rm -f "$tmp/in"
	ncdevmem -l -f "$NETIF" -s "$1" -p "$2" -v 7 -t 1 -q 1 -n >/dev/null 2>"$tmp/in" &
	receiver=$!
	wait_for 10 grep -q Waiting "$tmp/in" || return 1
	remote "yes \$'\\001\\002\\003\\004\\005\\006' | head -c $BYTES | socat -u -b 28672 - $(brackets "$1"):$2" || return 1
	wait $receiver || { ktap_say "$(tail -3 "$tmp/in")"; return 1; }
	[ "$(sed -n 's/^total_received=//p' "$tmp/in" | tail -1)" = "$BYTES" ]
}

# in_stream ADDRESS PORT: on a slow or busy machine the window closes, and the sender sends what still fits: a packet that is
# too small for the NIC to split, which the program takes for one of another queue
in_stream() {
	local attempts=$((slower + 2)) port=$2
	until in_once "$1" "$port"; do
		((--attempts)) || return 1
		port=$((port + 10))
	done
}

# out_stream ADDRESS PORT: what is sent from device memory is what the other side gets
out_stream() {
	local listener sink
	case $1 in *:*) listener=TCP6-LISTEN:$2 ;; *) listener=TCP4-LISTEN:$2 ;; esac
	sink=$(remote -b "socat -u $listener - | sha1sum")
	wait_for 10 remote "ss -Hltn sport = :$2 | grep -q ."
	ncdevmem -f "$NETIF" -s "$1" -p "$2" -t 1 -q 1 -n <"$tmp/data" >/dev/null 2>"$tmp/out" ||
		{ ktap_say "$(tail -3 "$tmp/out")"; remote -k "$sink" >/dev/null; return 1; }
	[ "$(remote -w "$sink")" = "$(sha1sum <"$tmp/data")" ]
}

ktap_plan 9
keep_settings
[ "$(split)" = off ] || ethtool -G "$NETIF" tcp-data-split off

ncdevmem -f "$NETIF" >"$tmp/self" 2>&1
ktap_ok "its own checks: no queues, split off, bound twice, queue taken away" $?
carrier

split_on && ethtool -X "$NETIF" start 1 equal 1 && carrier
ktap_ok "queue 1 splits headers and receives all flows" $?
ping -q -c 1 -W 5 "$REMOTE_V4" >/dev/null
ping -q -c 1 -W 5 "$REMOTE_V6" >/dev/null

in_stream "$LOCAL_V6" 5201
ktap_ok "in, IPv6" $?
in_stream "$LOCAL_V4" 5202
ktap_ok "in, IPv4" $?
if [ "$(cat /proc/sys/vm/nr_hugepages 2>/dev/null)" ]; then
	undo sh -c "echo $(cat /proc/sys/vm/nr_hugepages) >/proc/sys/vm/nr_hugepages"
	[ "$(cat /proc/sys/vm/nr_hugepages)" -ge 64 ] || echo 64 >/proc/sys/vm/nr_hugepages
	ncdevmem -f "$NETIF" -b 16384 >"$tmp/self" 2>&1
	ktap_ok "its own checks with buffers of 16 KiB" $?
	ethtool -G "$NETIF" tcp-data-split on && ethtool -X "$NETIF" start 1 equal 1 && carrier
else
	ktap_skip "its own checks with buffers of 16 KiB" "the kernel has no huge pages"
fi

# the program sends a line at a time, and waits until it has arrived: 256 bytes on average
head -c $((2000000 / slower)) /dev/urandom >"$tmp/data"
out_stream "$REMOTE_V6" 5203
ktap_ok "out, IPv6" $?
out_stream "$REMOTE_V4" 5204
ktap_ok "out, IPv4" $?

ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null && ping -q -c 2 -W 5 "$REMOTE_V6" >/dev/null
ktap_ok "ordinary traffic afterwards" $?
ethtool -X "$NETIF" default && ethtool -G "$NETIF" tcp-data-split off && carrier &&
	ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null
ktap_ok "ordinary traffic with the split off again" $?
ktap_end

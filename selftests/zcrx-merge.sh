#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One completion tells of an extent, one refill entry returns it: the stream is exactly what the completions say, in memory
# that is used again and again, with full and with short packets, loss, and packets out of order.
# lab: kernel=netgpu
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue vram
need_programs flood lossy

BYTES=$((96 << 20))
MIB=$((BYTES >> 20))
AREA=$((16 << 20))

# sent NAME COMMAND...: the receiver of this name gets all of a stream, and every byte is where a completion says
sent() {
	local name=$1
	shift
	remote "$@" >"$tmp/sender" 2>&1 || {
		sed 's/^/# /' "$tmp/sender" "$tmp/$name"
		kill "$receiver" 2>/dev/null
		wait "$receiver"
		echo "# the receiver: status $?"
		return 1
	}
	wait "$receiver" && [ "$(said "$name" received)" = "$bytes" ] && [ "$(said "$name" correct)" = 1 ] && [ "$(said "$name" error)" = 0 ]
}

# stream NAME PORT ARG...: to zcrx_recv
stream() {
	local name=$1 port=$2
	shift 2
	bytes=$BYTES
	receive "$name" -p "$port" -m "${memory:-vfio:$VRAM_PCI}" -s $AREA -r "$@" && sent "$name" pattern_send "$LOCAL_V4" "$port" $BYTES
}

# few NAME NUMBER: no more completions for each MiB
few() {
	local all
	all=$(said "$1" completions)
	echo "# $((all / MIB)) completions and $(($(said "$1" pieces) / MIB)) pieces per MiB"
	[ -n "$all" ] && [ "$all" -le $(($2 * MIB)) ]
}

# all but what the network device takes for itself
held_most() {
	local held
	held=$(sed -n 's/^held //p' "$tmp/flushed" | tail -n 1)
	[ "${held:-0}" -gt $((AREA * 3 / 4)) ]
}

ktap_plan 31
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

stream full 9101 -M
ktap_ok "packets that fill their buffers, through the memory $((BYTES / AREA)) times" $?
few full 64
ktap_ok "one completion for many" $?
stream each 9102
ktap_ok "the same for who has not asked for extents" $?
bytes=$BYTES
receive flushed -p 9103 -m "vfio:$VRAM_PCI" -s $AREA -r -M -H "$tmp/hold" -F
ktap_ok "a receiver keeps what comes" $?
: >"$tmp/hold"
number=$(remote -b pattern_send "$LOCAL_V4" 9103 $BYTES)
wait_for 30 held_most
held=$?
rm -f "$tmp/hold"
[ $held = 0 ] && remote -w "$number" >/dev/null && wait "$receiver" && [ "$(said flushed received)" = $BYTES ] && [ "$(said flushed correct)" = 1 ]
ktap_ok "all of the memory, returned at once and flushed, is there again" $?
memory=heap stream host 9104 -M
ktap_ok "host memory behind a region" $?
stream lies 9106 -M -X && [ "$(said lies lies)" -gt 20 ]
ktap_ok "entries that return too much, nothing, or the same again do no harm" $?
stream greed 9111 -M -XX -b && [ "$(said greed lies)" -gt 20 ]
ktap_ok "nor, but to who writes them, do those that return all of the memory" $?
stream imported 9112 -M -e
ktap_ok "a queue that the ring has twice" $?
[ "$(said imported mixed)" = EINVAL ]
ktap_ok "which it cannot have without asking for the same: EINVAL" $?

# Packets of two flows take turns in the memory.
bytes=$((2 * BYTES))
receive both -p 9113 -m "vfio:$VRAM_PCI" -s $AREA -r -M -C 2
other=$(remote -b pattern_send "$LOCAL_V4" 9113 $BYTES)
sent both pattern_send "$LOCAL_V4" 9113 $BYTES
ktap_ok "two flows on one queue" $?
remote -w "$other" >/dev/null 2>&1
few both 256	# of twice as much
ktap_ok "at most half as many completions as packets" $?

# What has come on another queue takes no buffer for each packet, where there is room in the last one.
# The device takes 64 buffers for itself.
ethtool -G "$NETIF" rx 64 && wait_for_carrier
rmem=$(sysctl -n net.ipv4.tcp_rmem)
undo sysctl -qw net.ipv4.tcp_rmem="$rmem"
sysctl -qw net.ipv4.tcp_rmem="4096 $((1 << 20)) $((4 << 20))"
ethtool -X "$NETIF" start 0 equal 1
: >"$tmp/hold"
: >"$tmp/delay"
receive strays -p 9114 -m heap -s $((80 << 16)) -r -M -L 65536 -D "$tmp/delay" -H "$tmp/hold" -E
number=$(remote -b pattern_send "$LOCAL_V4" 9114 $BYTES)
wait_for 30 flows 9114 $((400 << 10))
rm "$tmp/delay"
wait "$receiver"
took=$(said strays received)
[ "$(said strays error)" = ENOMEM ] && [ "$(said strays correct)" = 1 ] && [ "${took:-0}" -gt $((256 << 10)) ]
ktap_ok "large buffers are filled with payload that is copied: 16 of 64 KiB take $took bytes" $?
remote -w "$number" >/dev/null 2>&1
rm "$tmp/hold"
sysctl -qw net.ipv4.tcp_rmem="$rmem"
ethtool -G "$NETIF" rx 256 && wait_for_carrier
ethtool -X "$NETIF" start 1 equal 1

# A segment may be so short now that the device does not split it. Such bytes are copied, and not into every memory.
memory=heap
bytes=$((24 << 20))
receive lost -p 9107 -m heap -s $AREA -r -M -n $bytes && sent lost lossy -d 97 tap0 10.77.0.9 4148 pattern_send -w $((60 * slower)) "$LOCAL_V4" 9107 $bytes
ktap_ok "a stream of which packets were lost" $?
frames=$(sed -n 's/^lossy: \([0-9]*\) .*/\1/p' "$tmp/sender")
[ "${frames:-0}" -gt $((bytes / 4096)) ]
ktap_ok "and were sent again: $frames frames for $((bytes / 4096))" $?
receive mixed -p 9108 -m heap -s $AREA -r -M -n $bytes && sent mixed lossy -d 89 -o 7 tap0 10.77.0.9 4148 pattern_send -w $((60 * slower)) "$LOCAL_V4" 9108 $bytes
ktap_ok "a stream of which packets came out of order" $?

both_mtu 1500
ktap_ok "packets of 1500 bytes" $?
stream short 9109 -M
ktap_ok "packets that leave a gap, two in each buffer" $?
few short 240
ktap_ok "one completion for many" $?
[ "$(said short stride)" = 2048 ]
ktap_ok "half a buffer apart" $?
bytes=$((24 << 20))
receive short-mixed -p 9110 -m heap -s $AREA -r -M -n $bytes && sent short-mixed lossy -d 89 -o 7 tap0 10.77.0.9 1500 pattern_send -w $((60 * slower)) "$LOCAL_V4" 9110 $bytes
ktap_ok "with loss and out of order" $?
# Of these a buffer of 4 KiB has one.
both_mtu 3000
ktap_ok "packets of 3000 bytes" $?
stream one 9115 -M
ktap_ok "packets that leave a gap in each buffer" $?
few one 128
ktap_ok "one completion for many" $?
[ "$(said one stride)" = 4096 ]
ktap_ok "as far apart as buffers are" $?
receive large -p 9105 -m heap -s $AREA -r -M -L 16384 && sent large pattern_send "$LOCAL_V4" 9105 $BYTES
ktap_ok "buffers of 16 KiB, of which packets leave a part" $?
few large 64
ktap_ok "pieces at equal distances are one completion" $?
[ "$(said large stride)" = 4096 ]
ktap_ok "four of them in a buffer" $?
both_mtu 4148

nothing_left
ktap_ok "no region and no page pool is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

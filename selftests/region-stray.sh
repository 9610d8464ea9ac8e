#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Payload that arrives in host memory is copied into the region, in order and counted by cause; where the exporter does
# not let the CPU at its memory, the receive says so.
# lab: kernel=netgpu
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram

BYTES=$((8 << 20))
LONG=$((384 << 20))

# stream NAME PORT MEMORY [ARG of pattern_send...]: $BYTES into a region
stream() {
	local name=$1 port=$2 memory=$3
	shift 3
	receive "$name" -p "$port" -m "$memory" -s $((16 << 20)) -r -n "$BYTES" &&
		remote pattern_send "$@" "$LOCAL_V4" "$port" "$BYTES" && wait "$receiver"
}

# complete NAME: all of it arrived, and is right
complete() {
	[ "$(said "$1" received)" = "$BYTES" ] && [ "$(said "$1" correct)" = 1 ] && [ "$(said "$1" error)" = 0 ]
}

# ticks: how often the receiver has been interrupted
ticks() {
	sed -n 's/^signals //p' "$tmp/signals" | tail -n 1
}

# interrupted N: at least so often
interrupted() {
	[ "$(ticks)" -ge "$1" ]
}

# given_up N: so often has a copy been waited for in vain
given_up() {
	grep -q "^timeouts $1\$" "$tmp/busy-long"
}

ended() {
	! kill -0 "$receiver" 2>/dev/null
}

ktap_plan 31
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

port=9000
for memory in udmabuf heap; do
	port=$((port + 10))
	stream plain $((port + 1)) $memory
	complete plain
	ktap_ok "$memory: a stream of large packets is complete" $?
	[ "$(said plain page)" = 0 ] && [ "$(said plain other_queue)" = 0 ] && [ "$(said plain refused)" = 0 ]
	ktap_ok "$memory: of which nothing was on another queue or unsplit" $?

	BYTES=$((64 << 10)) stream small $((port + 2)) $memory -c 32
	copied=$(said small header)
	BYTES=$((64 << 10)) complete small
	ktap_ok "$memory: a stream of 32-byte packets is complete" $?
	[ "${copied:-0}" -gt 0 ]
	ktap_ok "$memory: $copied of its bytes lay with the headers" $?

	ethtool -X "$NETIF" start 0 equal 1
	stream other $((port + 3)) $memory
	copied=$(said other other_queue)
	complete other
	ktap_ok "$memory: a stream on another queue is complete" $?
	[ "$copied" = $BYTES ]
	ktap_ok "$memory: all of it was copied, from another queue ($copied)" $?

	receive steered -p $((port + 4)) -m $memory -s $((16 << 20)) -r -n $LONG
	sender=$(remote -b pattern_send "$LOCAL_V4" $((port + 4)) $LONG)
	wait_for 20 flows $((port + 4)) 1
	ethtool -X "$NETIF" start 1 equal 1
	wait "$receiver"
	remote -w "$sender" >/dev/null
	copied=$(said steered other_queue)
	BYTES=$LONG complete steered
	ktap_ok "$memory: a stream that is steered to the queue mid-way is complete" $?
	[ "${copied:-0}" -gt 0 ] && [ "${copied:-0}" -lt $LONG ]
	ktap_ok "$memory: a part of it was copied ($copied)" $?
done

# Some packets do not fill their buffer.
held_most() {
	local held
	held=$(sed -n 's/^held //p' "$tmp/small" | tail -n 1)
	[ "${held:-0}" -gt $((3 << 19)) ]
}

# Twice as many buffers as the network device takes for itself. All go through the hands of the user, on the queue of the region;
# then all payload comes on another one.
for how in "" -F; do
	port=$((port + 10))
	ethtool -X "$NETIF" start 1 equal 1
	touch "$tmp/hold"
	# shellcheck disable=SC2086
	receive small -p $port -m heap -s $((2 << 20)) -r -H "$tmp/hold" $how -n $BYTES
	sender=$(remote -b pattern_send "$LOCAL_V4" $port $BYTES)
	wait_for 30 held_most
	ktap_ok "a small region: its user holds nearly all of it (${how:-by the ring})" $?
	ethtool -X "$NETIF" start 0 equal 1
	rm "$tmp/hold"
	wait "$receiver"
	remote -w "$sender" >/dev/null
	complete small
	ktap_ok "given back, it is received into from another queue (${how:-by the ring})" $?
done

# All that is received is copied, and there is a buffer for it only if the refill ring has one. It says that it is full of them.
receive junk -p 9051 -m heap -s $((4 << 20)) -r -J
sender=$(remote -b pattern_send "$LOCAL_V4" 9051 $BYTES)
wait_for 30 ended
ktap_ok "a refill ring that stays overfull does not keep a receive busy" $?
[ "$(said junk error)" = ENOMEM ]
ktap_ok "which ends with ENOMEM" $?
remote -w "$sender" >/dev/null 2>&1

# As long as something else uses the memory, its exporter makes a copy wait, for 100 ms or until a signal.
touch "$tmp/busy"
receive signals -p 9052 -m heap -s $((16 << 20)) -r -f "$tmp/busy" -g 20 -n $BYTES
sender=$(remote -b pattern_send "$LOCAL_V4" 9052 $BYTES)
wait_for 30 flows 9052 50000 && count=$(ticks) && wait_for 30 interrupted $((${count:-0} + 30))
ktap_ok "the memory is in use: signals are handled while a copy waits" $?
rm "$tmp/busy"
wait "$receiver"
remote -w "$sender" >/dev/null
complete signals
status=$?
[ $status -eq 0 ] || sed 's/^/# /' "$tmp/signals"
ktap_ok "and do not end the receive, which is complete ($(ticks) of them)" $status

touch "$tmp/busy"
receive busy-long -p 9053 -m heap -s $((16 << 20)) -r -f "$tmp/busy" -n $BYTES
sender=$(remote -b pattern_send "$LOCAL_V4" 9053 $BYTES)
wait_for 30 given_up 3
ktap_ok "it stays in use: each receive ends with ETIMEDOUT" $?
rm "$tmp/busy"
wait "$receiver"
remote -w "$sender" >/dev/null
complete busy-long
status=$?
[ $status -eq 0 ] || sed 's/^/# /' "$tmp/busy-long"
ktap_ok "and the data stays in the socket: a later one is complete" $status

ethtool -X "$NETIF" start 0 equal 1
stream vfio 9041 "vfio:$VRAM_PCI" >/dev/null 2>&1
refused=$(said vfio refused)
[ "$(said vfio error)" = EOPNOTSUPP ] && [ "$(said vfio received)" = 0 ]
ktap_ok "vfio: an exporter without vmap: the receive ends with EOPNOTSUPP" $?
[ "${refused:-0}" -gt 0 ]
ktap_ok "vfio: the refused bytes are counted ($refused)" $?
nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

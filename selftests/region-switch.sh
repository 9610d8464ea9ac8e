#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A queue gets a memory provider, and loses it, in the middle of streams that are received by plain recv(): what was in
# host memory arrives, and what was not is an error, also when GRO holds packets across the switch.
# lab: kernel=netgpu
# lab: timeout=240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram
need_programs pattern_recv

ROUNDS=12
RATE=60000			# two packets, which GRO merges, each 50 ms
flush=/sys/class/net/$NETIF/gro_flush_timeout
defer=/sys/class/net/$NETIF/napi_defer_hard_irqs

# GRO holds packets until the next poll in another tick, or so many nanoseconds.
gro_holds() { # NANOSECONDS POLLS
	echo "$1" >"$flush"
	echo "$2" >"$defer"
}

# The port's stream runs, into host memory; its receiver is $plain.
start_plain() { # PORT ARG...
	local port=$1
	shift
	rm -f "$tmp/plain"
	timeout $((60 * slower)) pattern_recv "$port" >"$tmp/plain" 2>&1 &
	plain=$!
	wait_for 20 grep -q '^listening' "$tmp/plain" &&
	sender=$(remote -b pattern_send "$@" "$LOCAL_V4" "$port" $((1 << 30))) &&
	wait_for 20 flows "$port" 10000
}

# What plain recv() got is right, and ends with EFAULT where the memory begins.
ends_at_memory() {
	wait "$plain" && [ "$(said plain correct)" = 1 ] && [ "$(said plain error)" = EFAULT ] && return
	sed 's/^/# /' "$tmp/plain"
	return 1
}

switch_under() { # PORT ARG...: of pattern_send
	local ended
	start_plain "$@" && receive provider -B -m "vfio:$VRAM_PCI" -r && ends_at_memory
	ended=$?
	kill "$receiver" 2>/dev/null
	wait "$receiver" 2>/dev/null
	remote -k "$sender" >/dev/null 2>&1
	return $ended
}

ktap_plan 5
vram_bind
steer_to_queue 1
freed_without_network
undo gro_holds "$(cat "$flush")" "$(cat "$defer")"
port=9100

gro_holds 1000000000 0
failed=0
for ((i = 0; i < ROUNDS && !failed; i++)); do
	switch_under $((port++)) -r $RATE || failed=1
done
ktap_ok "$ROUNDS slow streams, with GRO holding packets" $failed

gro_holds 20000000 2
for ((i = 0; i < ROUNDS / 3 && !failed; i++)); do
	switch_under $((port++)) || failed=1
done
ktap_ok "fast streams, with interrupts deferred" $failed

# The other way round: the stream goes on in host memory.
receive provider -B -m "vfio:$VRAM_PCI" -r && kill "$receiver"
status=$?
wait "$receiver" 2>/dev/null
rm -f "$tmp/plain"
timeout $((60 * slower)) pattern_recv 9190 >"$tmp/plain" 2>&1 &
plain=$!
[ $status -eq 0 ] && wait_for 20 grep -q '^listening' "$tmp/plain" && remote pattern_send "$LOCAL_V4" 9190 $((8 << 20)) &&
	wait "$plain" && [ "$(said plain received)" = $((8 << 20)) ] && [ "$(said plain correct)" = 1 ] && [ "$(said plain error)" = 0 ]
ktap_ok "plain recv() when the queue is an ordinary one again" $?
nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

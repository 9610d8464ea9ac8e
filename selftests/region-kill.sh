#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The receiver is killed at any moment: nothing leaks, the interface works on.
# lab: kernel=netgpu
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram

ROUNDS=12

ktap_plan $((ROUNDS + 3))
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
for round in $(seq $ROUNDS); do
	delay=0.$(printf %03d $((RANDOM % 400)))
	since="it was started"
	right=0
	if [ $((round % 3)) = 0 ]; then
		zcrx_recv -i "$NETIF" -q 1 -p $((9100 + round)) -m "vfio:$VRAM_PCI" -r -t $((60 * slower)) >"$tmp/kill" 2>&1 &
		receiver=$!
	else
		since="data has come"
		receive kill -p $((9100 + round)) -m "vfio:$VRAM_PCI" -r &&
			remote -b pattern_send "$LOCAL_V4" $((9100 + round)) $((64 << 30)) >/dev/null && wait_for 20 flows $((9100 + round)) 0
		right=$?
	fi
	sleep "$delay"
	kill -9 "$receiver" || right=1
	wait "$receiver" 2>/dev/null
	nothing_left && [ $right = 0 ]
	ktap_ok "$round: it is killed $delay s after $since, and nothing is left" $?
done
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
receive last -p 9200 -m "vfio:$VRAM_PCI" -r &&
	remote pattern_send "$LOCAL_V4" 9200 $((8 << 20)) && wait "$receiver" &&
	[ "$(said last correct)" = 1 ] && [ "$(said last received)" = $((8 << 20)) ]
ktap_ok "a stream into a new region" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A BAR smaller than VRAM: a buffer outside of the visible part is moved into it or refused, never bounced.
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon
# lab: gpu=1024/64
# lab: timeout=240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
need netgpu queue

BYTES=$((8 << 20))

need_lab_gpu
gpu_receives
ktap_plan 9
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
amdgpu -d "$node" info >"$tmp/info"
visible=$(said info visible)
vram=$(said info vram)
[ "$visible" -le $((64 << 20)) ] && [ "$vram" -gt $((900 << 20)) ]
ktap_ok "$((visible >> 20)) MiB of VRAM are visible, of $((vram >> 20))" $?

port=9002
receive moved -p $port -m "gpu-hidden:$node" -s $((2 * BYTES)) -r -P -b -k "$tmp/extents" &&
	remote proof make $BYTES && marked moved
ktap_ok "a buffer outside of it receives data" $?
let_go
[ "$(said moved received)" = $BYTES ] && [ "$(said moved placement)" = device ]
ktap_ok "its placement is device" $?
vram=$(json_value "$tmp/moved.json" gpu.bytes)
ram=$(json_value "$tmp/moved.json" ram.marks)
[ "$vram" = $BYTES ] && [ "$ram" = 0 ]
ktap_ok "$vram bytes in VRAM, $ram marks in RAM" $?

zcrx_recv -i "$NETIF" -q 1 -m "gpu-hidden:$node" -s $((128 << 20)) -r -P -t $((30 * slower)) >"$tmp/large" 2>&1
error=$(said large error)
message=$(said large message)
[ -n "$error" ] && [ "$error" != 0 ]
ktap_ok "one larger than the visible part is refused with $error: $message" $?
nothing_left
receive plain -p 9003 -m "gpu-hidden:$node" -s $((128 << 20)) -b && remote pattern_send "$LOCAL_V4" 9003 $BYTES && wait "$receiver" &&
	[ "$(said plain error)" = 0 ] && [ "$(said plain received)" = $BYTES ]
status=$?
[ $status = 0 ] || ktap_say "$(cat "$tmp/plain")"
ktap_ok "a program that knows nothing of regions receives into it in host memory, as ever" $status
nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

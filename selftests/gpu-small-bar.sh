# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # driver is that of who sources this
# The BAR of the emulated GPU that $driver drives is smaller than VRAM: a buffer outside of the visible part is moved into it or
# refused, never bounced.

need netgpu queue

BYTES=$((8 << 20))

need_lab_gpu_of "$driver"
visible=$((${LAB_GPU#*/} << 20))
vram=$((${LAB_GPU%/*} << 20))
[ "$vram" -gt $((4 * visible)) ] || skip_all "the BAR is not much smaller than VRAM"
results=8
[ "$driver" != amdgpu ] || results=9
ktap_plan $results
gpu_node
ktap_ok "$driver drives a GPU whose BAR shows $((visible >> 20)) MiB of $((vram >> 20))" $?
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

port=9002
receive moved -p $port -m "gpu-hidden:$node" -s $((2 * BYTES)) -r -P -b -k "$tmp/extents" &&
	remote proof make $BYTES && marked moved
status=$?
[ $status = 0 ] || ktap_say "$(cat "$tmp/moved")"
ktap_ok "a buffer outside of it receives data" $status
let_go
[ "$(said moved received)" = $BYTES ] && [ "$(said moved placement)" = device ]
ktap_ok "its placement is device" $?
vram=$(json_value "$tmp/moved.json" gpu.bytes)
ram=$(json_value "$tmp/moved.json" ram.marks)
[ "$vram" = $BYTES ] && [ "$ram" = 0 ]
ktap_ok "$vram bytes in VRAM, $ram marks in RAM" $?

zcrx_recv -i "$NETIF" -q 1 -m "gpu-hidden:$node" -s $((2 * visible)) -r -P -t $((30 * slower)) >"$tmp/large" 2>&1
error=$(said large error)
message=$(said large message)
[ -n "$error" ] && [ "$error" != 0 ]
ktap_ok "one larger than the visible part is refused with $error: $message" $?
nothing_left
# The others keep a buffer in the memory that its program has named.
if [ "$driver" = amdgpu ]; then
	receive plain -p 9003 -m "gpu-hidden:$node" -s $((2 * visible)) -b && remote pattern_send "$LOCAL_V4" 9003 $BYTES &&
		wait "$receiver" && [ "$(said plain error)" = 0 ] && [ "$(said plain received)" = $BYTES ]
	status=$?
	[ $status = 0 ] || ktap_say "$(cat "$tmp/plain")"
	ktap_ok "a program that knows nothing of regions receives into it in host memory, as ever" $status
fi
nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

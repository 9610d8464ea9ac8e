# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # driver is that of who sources this
# What Linux does without netgpu: memory of the emulated GPU that $driver drives is received into, every call succeeds, and the data
# is in host memory.

need upstream queue
need_programs devmem_recv

BYTES=$((32 << 20))

need_lab_gpu_of "$driver"
ktap_plan 10
[ ! -e /dev/netgpu ]
ktap_ok "this kernel has no netgpu" $?
steer_to_queue 1 && remote proof make $BYTES
ktap_ok "queue 1 splits headers and receives all flows" $?

port=9001
for receive_with in zcrx_recv devmem_recv; do
	port=$((port + 1))
	with=${receive_with%_recv}
	receive "$with" -p $port -m "gpu:$node" -s $((2 * BYTES)) -k "$tmp/extents" && marked "$with"
	ktap_ok "$with: data is received into a buffer in VRAM" $?
	let_go
	[ "$(said "$with" received)" = $BYTES ] && [ "$(said "$with" error)" = 0 ]
	ktap_ok "$with: all of it, without an error" $?
	vram=$(json_value "$tmp/$with.json" gpu.bytes)
	ram=$(json_value "$tmp/$with.json" ram.marks)
	[ "$vram" = 0 ]
	ktap_ok "$with: of $BYTES bytes, $vram are in VRAM" $?
	[ "$ram" -gt $((BYTES / 128)) ]
	ktap_ok "$with: and $ram marks of it are in the guest's RAM" $?
done
ktap_end

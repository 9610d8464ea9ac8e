# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # driver and refused are those of who sources this, GPU_PCI for gpu.sh
# What Linux does without netgpu: memory of the emulated GPU that $driver drives is received into, every call succeeds, and the data
# is in host memory. When it says $refused, a buffer that its program wants in VRAM alone is refused with that.

need upstream queue
need_programs devmem_recv

BYTES=$((32 << 20))

need_lab_gpu
gpus
[ ${#gpus[@]} -gt 0 ] || skip_all "the kernel has no $driver"
GPU_PCI=${gpus[0]}
gpu_node
results=10
[ -z "$refused" ] || results=4
ktap_plan $results
[ ! -e /dev/netgpu ]
ktap_ok "this kernel has no netgpu" $?
steer_to_queue 1 && remote proof make $BYTES
ktap_ok "queue 1 splits headers and receives all flows" $?

port=9001
for receive_with in zcrx_recv devmem_recv; do
	port=$((port + 1))
	with=${receive_with%_recv}
	if [ -n "$refused" ]; then
		$receive_with -i "$NETIF" -q 1 -p $port -m "gpu:$node" -s $((2 * BYTES)) -t $((30 * slower)) >"$tmp/$with" 2>&1
		[ "$(said "$with" error)" = "$refused" ]
		status=$?
		ktap_ok "$with: a buffer in VRAM is refused with $(said "$with" error)" $status
		continue
	fi
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

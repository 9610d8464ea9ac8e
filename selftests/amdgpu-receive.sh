#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# With netgpu, data is received into the memory of a GPU that amdgpu drives: all of it in VRAM, nothing in host memory, and
# the GPU sees what the NIC wrote.
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
need netgpu queue
need_programs devmem_recv netgpu

BYTES=$((32 << 20))

gpu_receives
ktap_plan 22
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

# in_vram NAME PROGRAM OPTION...: receive marked data, and look for it from outside
port=9001
in_vram() {
	local name=$1 pinned

	port=$((port + 1))
	receive_with=$2
	shift 2
	receive "$name" -p $port -m "gpu:$node" -s $((2 * BYTES)) -k "$tmp/extents" "$@"
	if [ -n "$LAB_GPU" ]; then
		remote proof make $BYTES && marked "$name"
	else
		remote pattern_send "$LOCAL_V4" $port $BYTES && holds "$name"
	fi
	ktap_ok "$name: data is received into a buffer in VRAM" $?
	pinned=$(gpu_debugfs amdgpu_gem_info | grep -m1 'VRAM.* pin count [1-9]' | tr -s ' \t' ' ')
	[ -n "$pinned" ]
	ktap_ok "$name: which the driver has pinned there:$pinned" $?
	let_go
	[ "$(said "$name" received)" = $BYTES ] && [ "$(said "$name" error)" = 0 ]
	ktap_ok "$name: all of it, without an error" $?
	if [ -n "$LAB_GPU" ]; then
		all_in_vram "$name" $BYTES
	else
		ktap_skip "$name: every byte is in VRAM" "only the emulated GPU shows its memory from outside"
		ktap_skip "$name: and none in RAM" "only of a virtual machine"
	fi
}

in_vram zcrx zcrx_recv -r -P
[ "$(said zcrx placement)" = device ]
ktap_ok "zcrx: the region's placement is device" $?
in_vram devmem devmem_recv

# gathered: the GPU has copied what the receiver keeps, in the order of the stream
gathered() {
	amdgpu -d "$node" gather "$receiver" "$(said gathered dmabuf)" "$tmp/extents" >"$tmp/gather" &&
		[ "$(said gather gathered)" = $BYTES ] && [ "$(said gather correct)" = 1 ]
}
port=$((port + 1))
receive_with=zcrx_recv
receive gathered -p $port -m "gpu:$node" -s $((2 * BYTES)) -r -P -k "$tmp/extents" &&
	remote pattern_send "$LOCAL_V4" $port $BYTES && holds gathered
ktap_ok "a stream is received" $?
gathered
status=$?
ktap_ok "the GPU's engine copies its $(said gather extents) extents into one buffer, and they are the stream" $status

# Others want the memory: what is pinned stays.
amdgpu -d "$node" info >"$tmp/info"
if room_to_evict "$(said info vram)"; then
	amdgpu -d "$node" evict >"$tmp/evict"
	[ "$(said evict buffers)" -gt 0 ] && [ "$(said evict intact)" = "$(said evict buffers)" ] && [ "$(said evict moved)" -gt 0 ]
	ktap_ok "buffers of 1.5 times VRAM come and go" $?
else
	ktap_skip "buffers of 1.5 times VRAM come and go" "less host memory is available than there is VRAM, for what has to leave"
fi
gathered
ktap_ok "the received data is where it was" $?
let_go

# Payload that comes in host memory, into all of a buffer too large for one block of VRAM.
large=$(several_blocks "$(said info visible)")
much=$(most_held "$large")
comes_elsewhere stray "$large" "$much" -P
ktap_ok "$((much >> 20)) MiB that came on the other queue are copied into a buffer of $((large >> 20)) MiB, byte for byte" $?

nothing_left
ktap_ok "nothing is left" $?
! gpu_debugfs amdgpu_gem_info | grep ' pin count [1-9]'
ktap_ok "nor pinned for a program" $?

netgpu probe "$NETIF" -q 1 -g "$node" --region-size $BYTES >"$tmp/probe" 2>&1 && grep -q 'peer-to-peer' "$tmp/probe"
status=$?
ktap_ok "netgpu probe: $(head -1 "$tmp/probe")" $status
if [ -n "$LAB_GPU" ]; then
	gpu_control summary >"$tmp/summary"
	[ "$(json_value "$tmp/summary" faults)" = 0 ] && [ "$(json_value "$tmp/summary" unreachable_bytes)" = 0 ]
	ktap_ok "the GPU met no address that leads nowhere" $?
else
	ktap_skip "the GPU met no address that leads nowhere" "only the emulated GPU tells"
fi
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

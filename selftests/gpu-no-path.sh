# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # driver and at_end are those of who sources this
# The NIC has no peer-to-peer path to the emulated GPU that $driver drives: that is said, and what lands in host memory is reported as
# such. When the GPU goes then, the receive ends with $at_end, 0: it goes on, as the memory is not the GPU's. A driver without an
# $at_end does not move a buffer to host memory that its program wants in VRAM: there is no region at all.

need netgpu queue
need_programs netgpu

BYTES=$((8 << 20))

need_lab_gpu
gpus
[ ${#gpus[@]} -gt 0 ] || skip_all "the kernel has no $driver"
GPU_PCI=${gpus[0]}
gpu_node
results=12
[ -n "$at_end" ] || results=7
ktap_plan $results
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
zcrx_recv -i "$NETIF" -q 1 -m "gpu:$node" -s $((2 * BYTES)) -r -P -t $((30 * slower)) >"$tmp/refused" 2>&1
error=$(said refused error)
message=$(said refused message)
if [ -n "$at_end" ]; then
	[ "$error" = EXDEV ] && [[ $message = *"declined peer-to-peer"* ]]
else
	[ "$error" = EOPNOTSUPP ] && [[ $message = *"may know no path"* ]]
fi
status=$?
ktap_ok "REQUIRE_P2P is refused with $error" $status
ktap_ok "and the reason: $message" $status
# The probe's buffer is for VRAM alone, if the driver has such.
netgpu probe "$NETIF" -q 1 -g "$node" --region-size $BYTES >"$tmp/probe" 2>&1
found=$(head -1 "$tmp/probe")
if [ "$driver" = amdgpu ]; then [[ $found = *host* ]]; else [[ $found = *"may know no path"* ]]; fi
ktap_ok "netgpu probe says so before: $found" $?

if [ -z "$at_end" ]; then
	zcrx_recv -i "$NETIF" -q 1 -m "gpu:$node" -s $((2 * BYTES)) -r -t $((30 * slower)) >"$tmp/plain" 2>&1
	[ "$(said plain error)" = EOPNOTSUPP ]
	status=$?
	ktap_ok "without it too: $(said plain message)" $status
	nothing_left
	ktap_ok "nothing is left" $?
	ordinary_traffic
	ktap_ok "ordinary traffic afterwards" $?
	ktap_end
	exit
fi
port=9002
receive host -p $port -m "gpu:$node" -s $((2 * BYTES)) -r -k "$tmp/extents" && remote proof make $BYTES && marked host
ktap_ok "without it, data is received" $?
let_go
placement=$(said host placement)
[ "$(said host received)" = $BYTES ] && [ "$placement" = host ]
ktap_ok "and the placement is $placement" $?
vram=$(json_value "$tmp/host.json" gpu.bytes)
ram=$(json_value "$tmp/host.json" ram.marks)
[ "$vram" = 0 ] && [ "$ram" -gt 0 ]
ktap_ok "where it is: $vram bytes in VRAM, $ram marks in RAM" $?
nothing_left
ktap_ok "nothing is left" $?

# TTM frees host memory with the GPU, although it is pinned.
port=9003
much=$((256 << 20))
receive gone -p $port -m "gpu:$node" -s $((2 * BYTES)) -r -b && remote -b pattern_send "$LOCAL_V4" $port $much >/dev/null &&
	wait_for 20 flows $port $((1 << 20))
ktap_ok "data flows into host memory again" $?
echo "$GPU_PCI" >"/sys/bus/pci/drivers/$driver/unbind"
wait "$receiver"
[ "$(said gone error)" = "$at_end" ] && { [ "$at_end" != 0 ] || [ "$(said gone received)" = $much ]; }
status=$?
ktap_ok "the GPU goes, and the receive ends: $(said gone error), after $(said gone received) bytes" $status
nothing_left
ktap_ok "nothing is left of that either" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

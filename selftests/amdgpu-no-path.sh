#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The NIC has no peer-to-peer path to the GPU: that is said, and what lands in host memory is reported as such.
# lab: long=region-no-path,amdgpu-receive
# lab: kernel=netgpu
# lab: topology=rootports,novram,radeon
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
need netgpu queue
need_programs netgpu

BYTES=$((8 << 20))

need_lab_gpu
gpu_receives
ktap_plan 12
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
zcrx_recv -i "$NETIF" -q 1 -m "gpu:$node" -s $((2 * BYTES)) -r -P -t $((30 * slower)) >"$tmp/refused" 2>&1
error=$(said refused error)
[ "$error" = EXDEV ]
ktap_ok "REQUIRE_P2P is refused with $error" $?
message=$(said refused message)
[[ $message = *"declined peer-to-peer"* ]]
ktap_ok "and the reason: $message" $?
netgpu probe "$NETIF" -q 1 -g "$node" --region-size $BYTES >"$tmp/probe" 2>&1
found=$(head -1 "$tmp/probe")
[[ $found = *host* ]]
ktap_ok "netgpu probe says so before: $found" $?

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
receive gone -p $port -m "gpu:$node" -s $((2 * BYTES)) -r -b && remote -b pattern_send "$LOCAL_V4" $port $((4 << 30)) >/dev/null &&
	wait_for 20 flows $port $((1 << 20))
ktap_ok "data flows into host memory again" $?
echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/unbind
wait "$receiver"
[ "$(said gone error)" = ENODEV ]
status=$?
ktap_ok "the GPU goes, and the receive ends: $(said gone error)" $status
nothing_left
ktap_ok "nothing is left of that either" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

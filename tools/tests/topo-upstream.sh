#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu topo on a kernel without netgpu: that a GPU's memory would be host memory without a word, which then happens.
# lab: long=topo,amdgpu-devmem
# lab: kernel=upstream
# lab: topology=switch,novram,radeon
# lab: timeout=120
# lab: debug=it is about a kernel without netgpu
. "$(dirname "$0")/topo_compare.sh"

need_programs netgpu python3
gpu_receives
name=${node##*/}
ktap_plan 6
[ ! -e /dev/netgpu ]
ktap_ok "this kernel has no netgpu" $?
steer_to_queue 1
remote proof make $BYTES && port=9002 receive_with=zcrx_recv
netgpu topo >"$tmp/words"
status=$?
sed 's/^/# /' "$tmp/words"
ktap_ok "netgpu topo has something to say" $status
netgpu topo --json >"$tmp/topo"
for direction in receive send; do
	found=$(pair "$tmp/topo" $direction | cut -f 1-3,5 | tr '\t' ' ')
	[ "$found" = "True host host expected" ]
	ktap_ok "$direction: host memory, and nobody was asked: $found" $?
done
grep -q "without netgpu: amdgpu moves the buffer to host memory, and nothing tells" "$tmp/words" &&
	netgpu topo --fix | grep -q "CONFIG_NETGPU=y"
ktap_ok "that nothing tells is said, and what would help" $?
receive run -p "$port" -m "gpu:$node" -s $((2 * BYTES)) -k "$tmp/extents" && marked run
let_go
vram=$(json_value "$tmp/run.json" gpu.bytes) ram=$(json_value "$tmp/run.json" ram.marks)
[ "$(said run received)" = $BYTES ] && [ "$(said run error)" = 0 ] && [ "$vram" = 0 ] && [ "$ram" -gt 0 ]
ktap_ok "and what happens: $vram bytes in VRAM, $ram marks in the guest's RAM" $?
ktap_end

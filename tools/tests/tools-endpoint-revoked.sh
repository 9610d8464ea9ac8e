#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The driver of a GPU takes the memory away in the middle of what endpoints do with it: what was posted is told of, each once, nothing hangs,
# and nothing is left.
# lab: long=tools-endpoint-gone
# lab: topology=switch,novram,radeon
# lab: timeout=400
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/../../selftests/gpu.sh"
. "$(dirname "$0")/endpoints.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools:$top/build/tools/tests
need_netif
need_programs netgpu in_place
gpu_load
gpu_may_be_taken || skip_all "this takes the GPU away (GPU_DESTRUCTIVE=1 allows that)"
memory=$node
port=5280

revoked() {
	both "$2" "$3" "$4" && echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/unbind && ended
	ktap_ok "$1: the driver takes the memory away" $?
	remote -k "$peer" >/dev/null 2>&1
	echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/bind && gpu_node && nothing_left
	ktap_ok "$1: it comes back, and nothing was left" $?
	memory=$node
}

ktap_plan 8
freed_without_network
steer_to_queue 1 && both_mtu 4148 && ethtool -X "$NETIF" weight 1 1
ktap_ok "RSS spreads over two queues" $?
revoked "received in place" "send PORT 1000000 1048576" receive revoked
revoked "received and moved" "send PORT 1000000 1048576" receive kept-revoked
revoked "sent" "sink PORT 1048576" source revoked
ordinary_traffic
ktap_ok "ordinary traffic" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A GPU that amdgpu has sent to sleep is woken by who wants to reach its VRAM, and stays awake as long as that is mapped.
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon,sleepy
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"

BYTES=$((16 << 20))

modprobe amdgpu runpm=-1 2>/dev/null
gpu_receives
[ -e "/sys/bus/pci/devices/$GPU_PCI/power/runtime_status" ] || skip_all "the kernel has no runtime PM"
gpu_may_sleep || skip_all "amdgpu does not let this GPU sleep"

ktap_plan 7
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
gpu_is suspended
ktap_ok "the GPU sleeps when nobody uses it" $?
receive asleep -p 9001 -m "gpu-asleep:$node" -s $BYTES -n $BYTES -r -P && [ "$(said asleep placement)" = device ]
ktap_ok "a region in its VRAM is made while it sleeps: $(said asleep placement)$(said asleep message)" $?
gpu_is active && sleep 2 && gpu_is active
ktap_ok "it is awake as long as the region is there, used by nobody else" $?
remote pattern_send "$LOCAL_V4" 9001 $BYTES && wait "$receiver" && [ "$(said asleep correct)" = 1 ] && [ "$(said asleep received)" = $BYTES ]
ktap_ok "$BYTES bytes are received, every one right" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic afterwards" $?
wait_for 20 gpu_is suspended
ktap_ok "it sleeps again" $?
ktap_end

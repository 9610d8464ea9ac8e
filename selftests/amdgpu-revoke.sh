#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The GPU is unbound, reset, or unplugged while data flows into its VRAM: the NIC stops first, receives end with ENODEV, and
# both devices work afterwards.
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon
# lab: timeout=180
# lab: console=trn=2 ACK should not be sent
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
. "$(dirname "$0")/gpu-revoke.sh"

gpu_receives
gpu_may_be_taken || skip_all "it takes the GPU away: only with GPU_DESTRUCTIVE=1"

ktap_plan 24
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
[ -z "$LAB_GPU" ] || flood_start

flowing reset -r
gpu_debugfs amdgpu_gpu_recover >/dev/null
ends reset
works reset

flowing unbind -r
echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/unbind
ends unbind
echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/bind
works unbind

flowing dmabuf
gpu_debugfs amdgpu_gpu_recover >/dev/null
ends dmabuf

if [ -n "$LAB_GPU" ]; then
	flowing unplug -r
	remote qmp device_del '{"id": "radeon"}' >/dev/null
	ends unplug
	gone unplug
else
	for ((i = 0; i < 6; i++)); do ktap_skip "unplug" "only the emulated GPU"; done
fi
ktap_end

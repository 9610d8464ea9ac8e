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
[ -z "$LAB_GPU" ] || . "$(dirname "$0")/outside.sh"
look_at=LAB_GPU_VRAM

gpu_receives
gpu_may_be_taken || skip_all "it takes the GPU away: only with GPU_DESTRUCTIVE=1"

# flowing NAME OPTION...: data flows into VRAM
port=9000
flowing() {
	local name=$1
	shift
	port=$((port + 1))
	receive "$name" -p $port -m "gpu:$node" -s $((64 << 20)) -b "$@" || return 1
	remote -b pattern_send "$LOCAL_V4" $port $((4 << 30)) >/dev/null
	wait_for 20 flows $port $((1 << 20))
}

# ends NAME: what has to be so after the GPU was taken
ends() {
	local name=$1 status
	wait "$receiver"
	[ "$(said "$name" error)" = ENODEV ] && [ "$(said "$name" received)" -gt 0 ]
	status=$?
	ktap_ok "$name: the receive ends with ENODEV after $(said "$name" received) bytes" $status
	! dmesg | grep 'told to unmap'
	ktap_ok "$name: no mapping was left behind" $?
	nothing_left
	ktap_ok "$name: nothing is left" $?
	ordinary_traffic
	ktap_ok "$name: ordinary traffic afterwards" $?
	if [ -n "$LAB_GPU" ]; then
		quiet
		ktap_ok "$name: not one byte of VRAM changes any more, while the sender goes on" $?
	else
		ktap_skip "$name: not one byte of VRAM changes any more" "only the emulated GPU shows its memory from outside"
	fi
}

works() {
	local name=$1
	gpu_node || { ktap_ok "$name: the GPU is there again" 1; return; }
	port=$((port + 1))
	receive again -p $port -m "gpu:$node" -s $((16 << 20)) -r -P && remote pattern_send "$LOCAL_V4" $port $((8 << 20)) &&
		wait "$receiver" && [ "$(said again correct)" = 1 ] && [ "$(said again received)" = $((8 << 20)) ]
	ktap_ok "$name: a new region receives into its VRAM" $?
}

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
	for _ in $(seq $((100 * slower))); do [ -e "/sys/bus/pci/devices/$GPU_PCI" ] || break; sleep 0.1; done
	[ ! -e "/sys/bus/pci/devices/$GPU_PCI" ]
	ktap_ok "unplug: the GPU is gone" $?
else
	for ((i = 0; i < 6; i++)); do ktap_skip "unplug" "only the emulated GPU"; done
fi
ktap_end

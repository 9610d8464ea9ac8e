# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # GPU_PCI, node and receiver are those of who sources this
# Sourced by tests of runtime PM, with the GPU's driver loaded: it is woken by who wants to reach its VRAM, and stays awake as
# long as that is mapped.

BYTES=$((16 << 20))

[ -e "/sys/bus/pci/devices/$GPU_PCI/power/runtime_status" ] || skip_all "the kernel has no runtime PM"
gpu_may_sleep || [ -n "$LAB_GPU" ] || skip_all "its driver does not let this GPU sleep"

# reaches NAME PORT OPTION...: a receiver ($receive_with) into VRAM of the sleeping GPU: three results
reaches() {
	local name=$1 port=$2
	shift 2
	receive "$name" -p "$port" -m "gpu-asleep:$node" -s $BYTES "$@"
	status=$?
	ktap_ok "$name: its VRAM is received into while it sleeps: $(said "$name" placement)$(said "$name" message)" $status
	gpu_is active && sleep 2 && gpu_is active
	ktap_ok "$name: it is awake as long as that is mapped, used by nobody else" $?
	remote pattern_send "$LOCAL_V4" "$port" $BYTES && wait "$receiver" && [ "$(said "$name" correct)" = 1 ] &&
		[ "$(said "$name" received)" = $BYTES ]
	ktap_ok "$name: $BYTES bytes are received, every one right" $?
}

ktap_plan 11
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
gpu_is suspended
ktap_ok "the GPU sleeps when nobody uses it" $?
reaches zcrx 9001 -r -P -n $BYTES
[ "$(said zcrx placement)" = device ] && nothing_left
ktap_ok "the region's placement is device, and nothing of it is left" $?
wait_for 20 gpu_is suspended
ktap_ok "it sleeps again" $?
receive_with=devmem_recv reaches devmem 9002
nothing_left && ordinary_traffic && wait_for 20 gpu_is suspended
ktap_ok "nothing is left, ordinary traffic, and it sleeps" $?
ktap_end

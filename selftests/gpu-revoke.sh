# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # GPU_PCI, receiver, slower, and what outside.sh has, are those of who sources this
# Sourced by tests that take a GPU away while data flows into its memory. Sets port.

[ -z "$LAB_GPU" ] || . "$(dirname "$0")/outside.sh"
# shellcheck disable=SC2034 # for outside.sh
look_at=LAB_GPU_VRAM
port=9000

# flowing NAME OPTION...: data flows into VRAM
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
	! dmesg | grep 'were told to unmap'
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

# works NAME: the GPU can be used again
works() {
	local name=$1 much=${bytes:-$((8 << 20))}
	gpu_node || { ktap_ok "$name: the GPU is there again" 1; return; }
	port=$((port + 1))
	receive again -p $port -m "gpu:$node" -s $((16 << 20)) -r -P && remote pattern_send "$LOCAL_V4" $port "$much" &&
		wait "$receiver" && [ "$(said again correct)" = 1 ] && [ "$(said again received)" = "$much" ]
	ktap_ok "$name: a new region receives into its VRAM" $?
}

# gone NAME: the GPU leaves the bus
gone() {
	for _ in $(seq $((100 * slower))); do [ -e "/sys/bus/pci/devices/$GPU_PCI" ] || break; sleep 0.1; done
	[ ! -e "/sys/bus/pci/devices/$GPU_PCI" ]
	ktap_ok "$1: the GPU is gone" $?
}

# plug_again WORD: the emulated GPU of this name in a topology comes back, beside the only NIC
plug_again() {
	# shellcheck disable=SC2016 # expanded by qmp
	remote qmp device_add '{"driver": "vfio-user-pci", "id": "'"$1"'", "bus": "d1",
		"socket": {"type": "unix", "path": "$LAB_SENDER/gpu"}}' >/dev/null && wait_for 30 gpu_node
	ktap_ok "the GPU is plugged in again, and its driver finds it" $?
}

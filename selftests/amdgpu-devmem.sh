#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# devmem TCP and a GPU that amdgpu drives: the GPU, the NIC and the sockets go in all orders (devmem-order.sh); what is sent
# from is not in VRAM, and does not hold up the GPU's removal; a GPU that hangs does not hold up who asks the NIC.
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon
# lab: timeout=240
# lab: console=trn=2 ACK should not be sent
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
need netgpu queue
need_programs devmem_recv

gpu_receives
gpu_may_be_taken || skip_all "it takes the GPU away: only with GPU_DESTRUCTIVE=1"
. "$(dirname "$0")/devmem.sh"

gpu_goes() {
	echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/unbind
}

# By a reset, or with its driver.
taken() {
	case $1 in
	revoked-first | dropped-revoked) gpu_debugfs amdgpu_gpu_recover >/dev/null ;;
	*) gpu_goes ;;
	esac
}

given_back() {
	[ -e "/sys/bus/pci/drivers/amdgpu/$GPU_PCI" ] || echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/bind || return 1
	gpu_node && memory=gpu:$node
}

# pinned WHERE: the driver has pinned a buffer there
pinned() {
	gpu_debugfs amdgpu_gem_info | grep -q "$1.* pin count [1-9]"
}

ktap_plan 39
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
memory=gpu:$node size=$((16 << 20))
devmem_orders

start there -g && wait_for 20 grep -q '^transmit 0' "$tmp/there"
ktap_ok "transmit: a buffer of VRAM is bound" $?
pinned VRAM && ! pinned GTT
ktap_ok "transmit: it is pinned where it is" $?
kill "$receiver"
wait "$receiver" 2>/dev/null
limit=$(sysctl -n net.netgpu.max_pinned_bytes)
undo sysctl -qw net.netgpu.max_pinned_bytes="$limit"
sysctl -qw net.netgpu.max_pinned_bytes=0
start hung -g && wait_for 20 grep -q '^transmit 0' "$tmp/hung"
ktap_ok "transmit: beyond the limit of the user a buffer of VRAM is bound, too" $?
sysctl -qw net.netgpu.max_pinned_bytes="$limit"
pinned GTT && ! pinned VRAM
ktap_ok "transmit: it is pinned in system memory" $?
step hung netlink && wait_for 10 eval '! pinned GTT'
ktap_ok "transmit: not any more when the netlink socket is closed" $?
if gpu_control stall sdma0 >/dev/null; then
	# Now it has to be copied to VRAM.
	echo go >&7
	wait_for 5 pinned VRAM
	ktap_ok "hung: the buffer is bound for receive, and is to be moved by a GPU that does not" $?
	from=${EPOCHREALTIME/./}
	ethtool -g "$NETIF" >/dev/null && ip link show "$NETIF" >/dev/null
	us=$((${EPOCHREALTIME/./} - from))
	[ $us -lt $((1000000 * slower)) ] && ! grep -q '^listening' "$tmp/hung"
	ktap_ok "hung: ethtool has its answer after $us us, while the program waits" $?
	gpu_control resume sdma0 >/dev/null
	wait_for 20 grep -q '^listening' "$tmp/hung"
	status=$?
	ktap_ok "hung: the GPU goes on, and so does the program" $status
	[ $status -eq 0 ] || sed 's/^/# /' "$tmp/hung"
else
	for ((i = 0; i < 3; i++)); do ktap_skip "hung" "only the emulated GPU"; done
fi
kill "$receiver"
wait "$receiver" 2>/dev/null

for ((i = 0; i < 3; i++)); do
	start small$i -g && wait_for 20 grep -q '^transmit 0' "$tmp/small$i"
	receivers[i]=$receiver
done
from=$SECONDS
gpu_goes
[ $((SECONDS - from)) -lt $((4 * slower)) ] && ! dmesg | grep 'were told to unmap'
ktap_ok "removal: the GPU goes, and does not wait for what is bound for transmit ($((SECONDS - from)) s)" $?
kill "${receivers[@]}"
wait "${receivers[@]}" 2>/dev/null
given_back
ktap_ok "removal: it is there again" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic at the end" $?
ktap_end

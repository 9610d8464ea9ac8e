#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A revocation takes bounded time, and so does what is done with the network device, also while the kernel waits for the memory
# that is given to a queue: for user space to fill its pages in, or for an exporter to map it.
# lab: kernel=netgpu
# lab: timeout=300
# lab: modules=gate
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gate.sh"
need netgpu queue vram
need_programs region_stall

need_modules
nic=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")
driver=$(basename "$(readlink "/sys/class/net/$NETIF/device/driver")")
keep_addresses
mtu=$(cat "/sys/class/net/$NETIF/mtu")

# stalls WHAT MEMORY WORDS RESULT SECONDS [COMMAND]: meanwhile COMMAND, or a revocation, is done, and the call ends with
# RESULT, not before SECONDS: or it did not wait for what it is about
stalls() {
	local what=$1 memory=$2 words=$3 result=$4 least=$5 us
	shift 5
	region_stall "$NETIF" 1 "$what" "$memory" "$@" >"$tmp/stall" 2>&1
	ktap_ok "$what: $words: the kernel waits, and something else happens" $?
	sed 's/^/# /' "$tmp/stall"
	# Both times count from where the call began; the memory comes 10 s after that. What is done begins a second after it.
	us=$(said stall meanwhile_us)
	[ "${us:-99999999}" -lt 10000000 ]
	ktap_ok "$what: which does not wait (ended after ${us:-nothing} us)" $?
	us=$(said stall call_us)
	[ "$(said stall call)" = "$result" ] && [ "${us:-0}" -ge $((least * 1000000)) ]
	ktap_ok "$what: the call ends with $result (after ${us:-nothing} us)" $?
	nothing_left
	ktap_ok "$what: nothing is left" $?
}

# It is there again, with what it had.
back() {
	echo "$nic" >"/sys/bus/pci/drivers/$driver/bind"
	wait_for 20 test -e "/sys/class/net/$NETIF" && ip link set "$NETIF" mtu "$mtu" up || return 1
	addresses_back
	steer_to_queue 1
}

ktap_plan 39
vram_bind
steer_to_queue 1
load gate_exporter_layer && load gate_exporter_gpl delay_ms=10000
ktap_ok "an exporter that takes 10 s to map its memory" $?

stalls add-token "vfio:$VRAM_PCI" "the area's struct cannot be written to, the memory is revoked" EFAULT 9
stalls add-other "vfio:$VRAM_PCI" "user memory for a queue that has a dma-buf, which is revoked" EINVAL 0
[ "$(said stall early)" = 1 ]
ktap_ok "add-other: it is refused before the kernel asks for its pages" $?
stalls add-dmabuf "vfio:$VRAM_PCI" "a second exporter is slow, the first one revokes" EFAULT 9
stalls open-told "vfio:$VRAM_PCI" "a queue is registered, its memory is revoked" 0 9
[ "$(said stall events)" = 1 ]
ktap_ok "open-told: the ring gets its event, once" $?
stalls open-pages none "user memory, and a question about the device" 0 9 "ethtool -g $NETIF >/dev/null"
stalls open-dmabuf none "a dma-buf, and a question about the device" 0 9 "ethtool -g $NETIF >/dev/null"

echo 0 >/sys/module/gate_exporter_gpl/parameters/delay_ms
stalls open-pages none "user memory, and the device goes away" ENODEV 9 "echo $nic >/sys/bus/pci/drivers/$driver/unbind"
back
ktap_ok "the device is back" $?
stalls add-pages none "more user memory, and the device goes away" EFAULT 9 "echo $nic >/sys/bus/pci/drivers/$driver/unbind"
back
ktap_ok "the device is back" $?
unload
ktap_ok "the exporter is unloaded" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

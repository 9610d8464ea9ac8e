#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The netlink socket of a devmem binding, the TCP socket that has received into it, the NIC and the memory go in all orders in
# which one of them could use what is gone. KASAN sees that (make check-debug); what is mapped, and what the socket says, any
# kernel shows.
# lab: kernel=netgpu
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/devmem.sh"

taken() {
	step "$1" revoke && [ "$(said "$1" revoke_us)" -lt 5000000 ]
}

ktap_plan 32
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
memory=vfio:$VRAM_PCI size=0
devmem_orders

# Nothing but its netlink socket tells a binding for transmit that the NIC is gone.
memory=udmabuf size=$((4 << 20))
start transmit -g && wait_for 20 grep -q '^transmit 0' /tmp/transmit
ktap_ok "transmit: bound" $?
nic_goes
ktap_ok "transmit: the NIC goes" $?
step transmit netlink
ktap_ok "transmit: the netlink socket is closed" $?
kill "$receiver"
wait "$receiver" 2>/dev/null
nic_comes && nothing_left && ordinary_traffic
ktap_ok "transmit: the NIC is back, nothing is left, ordinary traffic" $?
ktap_end

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by tests that take the network device out, and put it back as it was.
need_netif

nic=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")
bridge=$(basename "$(dirname "$(readlink -f "/sys/class/net/$NETIF/device")")")
keep_addresses
mtu=$(cat "/sys/class/net/$NETIF/mtu")
mac=$(cat "/sys/class/net/$NETIF/address")

qmp() { # COMMAND JSON: to QEMU
	remote 'python3 tools/lab/qmp.py "$LAB_QMP" '"$1 '$2'" >/dev/null
}
# The lab's machine has a slot that a device can be taken out of; others have what sysfs has.
unplug() {
	if [ "$REMOTE_TYPE" = lab ]; then
		qmp device_del '{"id":"nic0"}' && wait_for 60 test ! -e "/sys/bus/pci/devices/$nic"
	else
		echo 1 >"/sys/bus/pci/devices/$nic/remove"
	fi
}
plug() {
	if [ "$REMOTE_TYPE" = lab ]; then
		# the slot's power goes off a second after its device
		wait_for 20 qmp device_add '{"driver":"igb","netdev":"n0","id":"nic0","bus":"d0","mac":"'"$mac"'"}'
	else
		echo 1 >"/sys/bus/pci/devices/$bridge/rescan"
	fi
	wait_for 60 test -e "/sys/class/net/$NETIF" && ip link set "$NETIF" mtu "$mtu" up || return 1
	addresses_back
	wait_for_carrier && steer_to_queue 1
}

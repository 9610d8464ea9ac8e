# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced: what selftests could leave behind, as lines to compare.

# everywhere: files, mounts, sysctls, what is allowed to vfio, whose a device is to be
everywhere() {
	find /tmp -maxdepth 1 | sort
	cut -d' ' -f5 /proc/self/mountinfo
	sysctl -a 2>/dev/null | grep -E '^net\.(core|ipv4\.(tcp_|ip_forward))|^net\.netgpu'
	grep -s . /sys/module/vfio*/parameters/*
	cat /sys/bus/pci/devices/*/driver_override 2>/dev/null
}

# machine_state: that, all interfaces, and modules
machine_state() {
	everywhere
	ip -o link
	ip -o addr
	cut -d' ' -f1 /proc/modules 2>/dev/null
}

# card_state: that, and what ethtool, ip and sysfs tell of $NETIF, which has another number when it has come anew, and of the devices
card_state() {
	local option device
	everywhere
	for option in -g -l -x -k -c -a --show-priv-flags -n; do
		echo "ethtool $option"
		ethtool "$option" "$NETIF" 2>&1
	done
	ip -o link show "$NETIF" | sed 's/^[0-9]*: //; s/ state [A-Z]*//'
	ip -o addr show dev "$NETIF" scope global | sed 's/^[0-9]*: //'
	ip -4 route show dev "$NETIF"
	for device in /sys/bus/pci/devices/*; do
		echo "$device $(basename "$(readlink "$device/driver")") $(cat "$device/power/control" "$device/sriov_numvfs" 2>/dev/null | tr '\n' ' ')"
	done
	grep -o '^queue_[a-z]*' /proc/modules
	ls -d /sys/kernel/livepatch/* 2>/dev/null
}

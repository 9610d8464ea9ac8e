# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1 OR MIT
# What the parts of make bench in the machine have in common.
split=off

fail() {
	echo "bench: ${row:+$row: }$*"
	exit 1
}

keep() { # NAME: standard input, on the sender's side
	# shellcheck disable=SC2016 # expanded there
	remote -i 'cat >"$LAB_RUN/'"$1"'"'
}

waits() { # PID PATTERN FILE...: until a file has what the process brings about
	local try
	for ((try = 0; try < 400; try++)); do
		grep -qs "$2" "${@:3}" && return
		kill -0 "$1" 2>/dev/null ||
			fail "it ended: $(cat /tmp/receiver /tmp/said 2>/dev/null | tail -n 5)"
		sleep 0.05
	done
	fail "nothing was heard of $2"
}

nothing_bound() { # the memory of the row before is free a moment after its end
	local try
	[ -e /dev/netgpu ] || return 0 # a kernel without regions
	for ((try = 0; try < 200; try++)); do
		[ "$(region_count regions)" != 0 ] || return 0
		sleep 0.1
	done
	fail "the regions of the row before are still there"
}

mtu() { # the same on both sides
	[ "$(cat "/sys/class/net/$NETIF/mtu")" = "$1" ] && return
	if ! ip link set "$NETIF" mtu "$1" || ! remote ip link set tap0 mtu "$1"; then
		fail "the MTU cannot be $1"
	fi
	for ((try = 0; try < 100; try++)); do
		[ "$(cat "/sys/class/net/$NETIF/carrier" 2>/dev/null)" = 1 ] && return
		sleep 0.1
	done
	fail "$NETIF has no carrier"
}

splits() { # on|off
	[ "$1" != "$split" ] || return 0
	if [ "$1" = on ]; then
		ethtool -G "$NETIF" tcp-data-split on hds-thresh 0
	else
		ethtool -G "$NETIF" tcp-data-split off
	fi || fail "header split cannot be turned $1"
	split=$1
}

# The device with VRAM, for vfio-pci.
vram() {
	modprobe vfio enable_unsafe_noiommu_mode=1
	modprobe vfio-pci
	echo vfio-pci >"/sys/bus/pci/devices/$VRAM_PCI/driver_override"
	echo "$VRAM_PCI" >/sys/bus/pci/drivers_probe
}

uname -r | keep kernel

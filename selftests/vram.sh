# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by tests that receive into the memory of a PCI device.

# The device at $VRAM_PCI becomes vfio-pci's.
vram_bind() {
	local dev=/sys/bus/pci/devices/$VRAM_PCI

	modprobe vfio enable_unsafe_noiommu_mode=1
	echo 1 >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
	modprobe vfio-pci
	[ "$(basename "$(readlink "$dev/driver")")" = vfio-pci ] && return
	echo vfio-pci >"$dev/driver_override"
	echo "$VRAM_PCI" >/sys/bus/pci/drivers_probe
}

# need_tracing: trace events below $tracing, or skip
need_tracing() {
	tracing=/sys/kernel/tracing
	mountpoint -q $tracing || mount -t tracefs tracefs $tracing 2>/dev/null
	[ -d $tracing/events/netgpu ] || skip_all "the kernel has no CONFIG_FTRACE"
}

# $NETIF splits headers from data, and RSS sends every hashed flow to queue $1.
steer_to_queue() {
	ethtool -G "$NETIF" tcp-data-split on hds-thresh 0 &&
	wait_for_carrier &&
	ethtool -X "$NETIF" start "$1" equal 1
}

wait_for_carrier() {
	for _ in $(seq $((200 * ${slower:-1}))); do
		[ "$(cat "/sys/class/net/$NETIF/operstate" 2>/dev/null)" = up ] && return 0
		sleep 0.05
	done
	return 1
}

# both_mtu BYTES: of $NETIF and what sends to it
both_mtu() {
	ip link set "$NETIF" mtu "$1" && remote ip link set tap0 mtu "$1" && wait_for_carrier
}

# Ordinary receive works, both families.
ordinary_traffic() {
	ping -q -c 2 -W 2 "$REMOTE_V4" >/dev/null && ping -q -c 2 -W 2 "$REMOTE_V6" >/dev/null
}

# receive NAME ARG...: start zcrx_recv (or $receive_with) with ARGs, wait until it
# listens. Its output is in /tmp/NAME, its process id in $receiver.
receive() {
	local name=$1
	shift

	# Not what one of that name has said before.
	rm -f "/tmp/$name"
	"${receive_with:-zcrx_recv}" -i "$NETIF" -q 1 -t $((60 * slower)) "$@" >"/tmp/$name" 2>&1 &
	receiver=$!
	for _ in $(seq $((200 * ${slower:-1}))); do
		grep -q '^listening' "/tmp/$name" && return 0
		kill -0 "$receiver" 2>/dev/null || break
		sleep 0.05
	done
	sed 's/^/# /' "/tmp/$name"
	return 1
}

# came PORT: how many bytes, on the connection to the port that has most
came() {
	ss -tinH "sport = :$1" | sed -n 's/.* bytes_received:\([0-9]*\).*/\1/p' | sort -n | tail -n 1
}
# flows PORT BYTES: more than so much has come
flows() {
	local bytes
	bytes=$(came "$1")
	[ "${bytes:-0}" -gt "$2" ]
}

# said NAME KEY: the value that zcrx_recv printed.
said() {
	sed -n "s/^$2 //p" "/tmp/$1"
}

# freed_without_network: what TCP frees late is freed, though the network is gone. A closed connection stays until TCP gives up on
# a peer that does not answer, which takes two minutes, and with it payload that came out of order. And an skb waits on the CPU that
# allocated it until that one's next work on the network. With each stays the region, unmapped.
freed_without_network() {
	local net=/proc/sys/net file
	for file in $net/ipv4/tcp_orphan_retries $net/core/skb_defer_max; do
		undo eval "echo $(cat "$file") >$file"
	done
	echo 1 >$net/ipv4/tcp_orphan_retries
	echo 0 >$net/core/skb_defer_max
}

# nothing_left [SECONDS]: all regions and all page pools of memory providers are
# gone by then (60).
nothing_left() {
	local end=$((SECONDS + ${1:-60} * slower))

	while [ $SECONDS -lt $end ]; do
		[ "$(region_count regions)" = 0 ] &&
		[ "$(region_count mapped)" = 0 ] &&
		[ "$(page_pools leaked)" = 0 ] && return 0
		sleep 0.05
	done
	echo "# regions $(region_count regions), page pools leaked $(page_pools leaked)"
	return 1
}

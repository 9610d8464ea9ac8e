#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What is to be sent from the memory of a device is mapped for one network device. Where the route is another one's, be it that
# device's own upper device, the send is refused, nothing of it is read, and the connection goes on.
# lab: kernel=netgpu
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/send.sh"
need netgpu netif vram
need_programs zc_send
need_remote pattern_recv

# Another network namespace of this machine is the other side.
there() {
	ip netns exec netgpu9 "$@"
}
# refused_by WORDS ADDRESS
refused_by() {
	local listener status

	port=$((port + 1))
	rm -f "$tmp/there" "$tmp/virtual"
	there timeout $((30 * slower)) pattern_recv "$port" >"$tmp/there" 2>&1 &
	listener=$!
	wait_for 10 grep -q '^listening' "$tmp/there" &&
		timeout $((20 * slower)) zc_send -i "$NETIF" -a "$2" -p "$port" -m "vfio:$VRAM_PCI" -s 0 -n 65536 >"$tmp/virtual" 2>&1
	wait $listener && [ "$(said virtual error)" = ENODEV ] && [ "$(said virtual sent)" = 0 ] &&
		[ "$(said there received)" = 0 ] && [ "$(said there error)" = 0 ]
	status=$?
	sed 's/^/# /' "$tmp/virtual"
	ktap_ok "$1: $(said virtual error)" $status
}

modprobe -a veth 8021q sit bridge 2>/dev/null
[ -e /proc/self/ns/net ] || skip_all "there are no network namespaces"
ip netns del netgpu9 2>/dev/null	# of a run that was killed
undo ip netns del netgpu9
ip netns add netgpu9 || exit 1
ip link add v9 type veth peer name v9 netns netgpu9 2>/dev/null || skip_all "the kernel has no veth"
ktap_plan 6
vram_bind
ip addr add 10.99.0.1/24 dev v9 && ip link set v9 up && there ip addr add 10.99.0.2/24 dev v9 && there ip link set v9 up
refused_by "a veth" 10.99.0.2

if ip link add link v9 name v9.7 type vlan id 7 2>/dev/null; then
	there ip link add link v9 name v9.7 type vlan id 7
	ip addr add 10.99.7.1/24 dev v9.7 && ip link set v9.7 up && there ip addr add 10.99.7.2/24 dev v9.7 && there ip link set v9.7 up
	refused_by "a VLAN" 10.99.7.2
else
	ktap_skip "a VLAN" "the kernel has none"
fi

if ip tunnel add s9 mode sit local 10.99.0.1 remote 10.99.0.2 2>/dev/null; then
	undo ip tunnel del s9
	there ip tunnel add s9 mode sit local 10.99.0.2 remote 10.99.0.1
	ip addr add 2001:db8:99::1/64 dev s9 nodad && ip link set s9 up
	there ip addr add 2001:db8:99::2/64 dev s9 nodad && there ip link set s9 up
	refused_by "a tunnel" 2001:db8:99::2
else
	ktap_skip "a tunnel" "the kernel has no sit"
fi

# The device itself, but as the port of a bridge.
if ip link add br9 type bridge 2>/dev/null; then
	keep_addresses
	undo addresses_back
	undo ip link del br9
	ip addr flush dev "$NETIF" && ip link set "$NETIF" master br9 && ip addr add "$LOCAL_V4/24" dev br9 && ip link set br9 up &&
		wait_for 20 ping -q -c 1 -W 2 "$REMOTE_V4"
	ktap_ok "the device is a port of a bridge" $?
	send bridged -m "vfio:$VRAM_PCI" -s 0 -n 65536
	[ "$(said bridged error)" = ENODEV ] && [ "$(said listener received)" = 0 ] && [ "$(said listener error)" = 0 ]
	status=$?
	ktap_ok "a bridge: $(said bridged error)" $status
	ip link del br9
	addresses_back
else
	ktap_skip "the device is a port of a bridge" "the kernel has none"
	ktap_skip "a bridge" "the kernel has none"
fi
wait_for_carrier && arrives stream -m "vfio:$VRAM_PCI" -s 0 && nothing_left && ordinary_traffic
ktap_ok "and from the device itself as ever" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What is to be sent from the memory of a device is mapped for one network device. Where the route is another one's, be it that
# device's own upper device, the send is refused, nothing of it is read, and the connection goes on.
# lab: kernel=netgpu
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/send.sh"
need_netif
[ -n "${VRAM_PCI:-}" ] || skip_all "there is no device with memory"

# there WORDS ADDRESS: a listener in the other network namespace of this machine hears nothing
there() {
	local listener

	port=$((port + 1))
	rm -f /tmp/there
	ip netns exec netgpu9 pattern_recv "$port" >/tmp/there 2>&1 &
	listener=$!
	wait_for 10 grep -q '^listening' /tmp/there
	zc_send -i "$NETIF" -a "$2" -p "$port" -m "vfio:$VRAM_PCI" -s 0 -n 65536 >/tmp/virtual 2>&1
	wait $listener
	[ "$(said virtual error)" = ENODEV ] && [ "$(said virtual sent)" = 0 ] && [ "$(said there received)" = 0 ] && [ "$(said there error)" = 0 ]
	status=$?
	sed 's/^/# /' /tmp/virtual
	ktap_ok "$1: $(said virtual error)" $status
}

ktap_plan 6
modprobe -a veth 8021q sit bridge 2>/dev/null
ip netns add netgpu9
ip link add v9 type veth peer name v9 netns netgpu9 || skip_all "the kernel has no veth"
undo ip netns del netgpu9
vram_bind
for where in "" "ip netns exec netgpu9"; do
	side=$([ -z "$where" ]; echo $((1 + $?)))
	$where ip link set v9 up
	$where ip addr add "10.99.0.$side/24" dev v9
	$where ip link add link v9 name v9.7 type vlan id 7
	$where ip addr add "10.99.7.$side/24" dev v9.7
	$where ip link set v9.7 up
	$where ip tunnel add s9 mode sit local "10.99.0.$side" remote "10.99.0.$((3 - side))"
	$where ip addr add "2001:db8:99::$side/64" dev s9 nodad
	$where ip link set s9 up
done
there "a veth" 10.99.0.2
there "a VLAN" 10.99.7.2
there "a tunnel" 2001:db8:99::2
ip tunnel del s9

# The device itself, but as the port of a bridge.
keep_addresses
undo ip link del br9
ip link add br9 type bridge && ip addr flush dev "$NETIF" && ip link set "$NETIF" master br9 &&
	ip addr add "$LOCAL_V4/24" dev br9 && ip link set br9 up && wait_for 20 ping -q -c 1 -W 2 "$REMOTE_V4"
ktap_ok "the device is a port of a bridge" $?
send bridged -m "vfio:$VRAM_PCI" -s 0 -n 65536
[ "$(said bridged error)" = ENODEV ] && [ "$(said listener received)" = 0 ] && [ "$(said listener error)" = 0 ]
status=$?
ktap_ok "a bridge: $(said bridged error)" $status
ip link del br9
addresses_back
wait_for_carrier && arrives stream -m "vfio:$VRAM_PCI" -s 0 && nothing_left && ordinary_traffic
ktap_ok "and from the device itself as ever" $?
ktap_end

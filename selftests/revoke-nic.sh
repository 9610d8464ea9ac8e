#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The network device goes away under traffic, in all the ways there are: the receive ends with ENODEV, not a byte of the
# memory changes any more, and when it is back, it works as before. What is only a change of its settings either is refused
# or leaves the receive as it is.
# lab: long=region-unplug,revoke-outside
# lab: kernel=netgpu
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue vram
. "$(dirname "$0")/outside.sh"

nic=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")
bridge=$(basename "$(dirname "$(readlink -f "/sys/class/net/$NETIF/device")")")
keep_addresses
mtu=$(cat "/sys/class/net/$NETIF/mtu")
driver=$(basename "$(readlink "/sys/class/net/$NETIF/device/driver")")
mac=$(cat "/sys/class/net/$NETIF/address")

remove() { echo 1 >"/sys/bus/pci/devices/$nic/remove"; }
remove_back() { echo 1 >"/sys/bus/pci/devices/$bridge/rescan"; }
unbind() { echo "$nic" >"/sys/bus/pci/drivers/$driver/unbind"; }
unbind_back() { echo "$nic" >"/sys/bus/pci/drivers/$driver/bind"; }
rmmod() { modprobe -r "$driver"; }
rmmod_back() { modprobe "$driver"; }
unplug() {
	remote qmp device_del '{"id": "nic0"}' >/dev/null
	wait_for 30 test ! -e "/sys/bus/pci/devices/$nic" && sleep 1
}
unplug_back() {
	remote qmp device_add '{"driver": "igb", "id": "nic0", "netdev": "n0", "mac": "'"$mac"'", "bus": "d0"}' >/dev/null
}

# It has come back, and gets what it had.
back() {
	wait_for 20 test -e "/sys/class/net/$NETIF" && ip link set "$NETIF" mtu "$mtu" up || return 1
	addresses_back
	steer_to_queue 1
}

# The receiver runs, and its region is mapped.
in_use() {
	kill -0 "$receiver" 2>/dev/null && [ "$(region_count mapped)" -gt 0 ]
}

ktap_plan 41
vram_bind
freed_without_network
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
flood_start

port=9000
for how in remove unplug unbind rmmod; do
	port=$((port + 10))
	receive idle -m heap -s $((1 << 20)) -r -w && idle=$receiver &&
		victim $how $((port + 1)) -b && wait_for 20 flows $((port + 1)) 1 && $how
	status=$?
	ktap_ok "$how: with a region bound and data flowing" $status
	[ $status = 0 ] || exit 1	# nobody would hear of an end
	[ "$(region_count mapped)" = 0 ] && still
	ktap_ok "$how: nothing is mapped, nothing in the memory changes" $?
	wait "$receiver" && [ "$(said $how error)" = ENODEV ] && [ "$(said $how hangup)" = 1 ]
	ktap_ok "$how: the receive ends with ENODEV, poll reports the hangup" $?
	wait "$idle" && [ "$(said idle hangup)" = 1 ] && [ "$(said idle state)" = revoked ]
	ktap_ok "$how: so does that of an idle region" $?
	${how}_back
	back && ordinary_traffic
	ktap_ok "$how: it is back, with ordinary traffic" $?
	stream again $((port + 2)) $((8 << 20))
	ktap_ok "$how: a new region is bound and receives" $?
	nothing_left
	ktap_ok "$how: nothing is left" $?
done

# A namespace that ends: its device moves to the first one, and the region with it does not.
ip netns add inner && ip link set "$NETIF" netns inner && ip -n inner link set "$NETIF" up &&
	ip netns exec inner ethtool -G "$NETIF" tcp-data-split on hds-thresh 0
ktap_ok "netns: the device is in another" $?
receive inner -m "vfio:$VRAM_PCI" -r -B -N /run/netns/inner
ktap_ok "netns: a region is bound there" $?
ip netns del inner
wait "$receiver" && [ "$(said inner hangup)" = 1 ] && [ "$(said inner state)" = revoked ]
ktap_ok "netns: it ends: poll reports the hangup" $?
nothing_left
ktap_ok "netns: nothing is left" $?
back && ordinary_traffic && stream again 9052 $((8 << 20))
ktap_ok "netns: a new region is bound and receives" $?

# Settings.
size=$(((1 << 30) / slower))
receive kept -p 9061 -r -m "vfio:$VRAM_PCI" -n $size
sender=$(remote -b pattern_send "$LOCAL_V4" 9061 $size)
wait_for 20 flows 9061 1
! ethtool -L "$NETIF" combined 1 2>"$tmp/refusal"
status=$?
ktap_ok "ethtool -L without the queue: refused ($(tail -1 "$tmp/refusal"))" $status
! ethtool -G "$NETIF" tcp-data-split off 2>"$tmp/refusal"
status=$?
ktap_ok "ethtool -G tcp-data-split off: refused ($(tail -1 "$tmp/refusal"))" $status
ethtool -G "$NETIF" rx 512
ktap_ok "ethtool -G rx 512: done" $?
wait_for_carrier
ip link set "$NETIF" down && still
ktap_ok "ip link down: nothing in the memory changes" $?
in_use
ktap_ok "the region stays" $?
ip link set "$NETIF" up && wait_for_carrier
addresses_back
wait "$receiver"
remote -w "$sender"
[ "$(said kept received)" = $size ] && [ "$(said kept correct)" = 1 ] && [ "$(said kept error)" = 0 ]
ktap_ok "through all this the stream comes complete" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic at the end" $?
ktap_end

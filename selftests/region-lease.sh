#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A container leases a receive queue by netkit: what may be received into there is what may be on the queue itself, and it
# ends with the container, or with the network device.
# lab: kernel=netgpu
# lab: timeout=150
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue v6 vram
need_programs queue_lease

INSIDE=10.77.0.3
BYTES=$((16 << 20))

need_programs ip
container() {
	ip netns exec inside "$@"
}
# contained NAME PORT OPTION...: a receiver in the container, of its queue
contained() {
	local name=$1 port=$2
	shift 2
	receive "$name" -N /run/netns/inside -i peer -q "$queue" -p "$port" -n $BYTES "$@"
}
# comes NAME PORT COPIED: all of the data, right; what was copied, of ordinary pages and from other queues, where that is counted
comes() {
	remote pattern_send $INSIDE "$2" $BYTES && wait "$receiver" && [ "$(said "$1" received)" = $BYTES ] &&
		[ "$(said "$1" correct)" = 1 ] && [ "$(said "$1" error)" = 0 ] &&
		[ "$(said "$1" page)$(said "$1" other_queue)" = "$3" ] && return
	sed 's/^/# /' "$tmp/$1"
	return 1
}

# lease: the container's device "peer" has a queue of $NETIF; its number is in $queue
lease() {
	ip link add outside numrxqueues 2 type netkit mode l2 peer name peer netns inside numrxqueues 2 || return 1
	ip link set outside up
	container ip link set peer mtu "${LAB_MTU:-1500}" up
	container ip addr add $INSIDE/24 dev peer
	ip route add $INSIDE/32 dev outside
	container ip neigh add "$REMOTE_V4" lladdr "$(cat /sys/class/net/outside/address)" dev peer
	ip neigh add $INSIDE lladdr "$(container cat /sys/class/net/peer/address)" dev outside
	rm -f "$tmp/lease"
	queue_lease "$NETIF" 1 outside /run/netns/inside \
		"$(container ip -j link show peer | sed -n 's/.*"link_netnsid":\([0-9]*\).*/\1/p')" $INSIDE >"$tmp/lease" 2>&1 &
	leaser=$!
	wait_for 10 grep -q '^queue' "$tmp/lease" && queue=$(said lease queue) && return
	ktap_say "$(cat "$tmp/lease")"
	return 1
}
# bound: a region is, of the container's, which nobody else is told of
bound() {
	[ "$(container region_count mapped)" != 0 ]
}
gone() {
	[ "$(container region_count regions)" = 0 ]
}
# ended NAME: the region that nobody received into has ended, and its user was told
ended() {
	wait_for 20 eval '! bound' && wait "$receiver" && [ "$(said "$1" hangup)" = 1 ] && return
	sed 's/^/# /' "$tmp/$1"
	return 1
}

ip link add outside type netkit 2>/dev/null || skip_all "the kernel has no netkit"
ip link del outside
vram_bind
freed_without_network
steer_to_queue 1
ip netns add inside 2>/dev/null && undo ip netns del inside
container ip link set lo up
undo eval "echo $(cat /proc/sys/net/ipv4/ip_forward) >/proc/sys/net/ipv4/ip_forward"
echo 1 >/proc/sys/net/ipv4/ip_forward
remote ip neigh replace $INSIDE lladdr "$(cat "/sys/class/net/$NETIF/address")" dev tap0

ktap_plan 13
lease
ktap_ok "a queue is leased" $?
container ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null
ktap_ok "the container can be reached" $?

contained plain 9001 -m heap -s $((8 << 20)) && comes plain 9001 ""
ktap_ok "io_uring receives into a dma-buf" $?
nothing_left
contained region 9002 -m "vfio:$VRAM_PCI" -r -P && [ "$(said region placement)" = device ] && comes region 9002 00
ktap_ok "and into a region in a device's memory" $?
wait_for 20 gone && nothing_left
ktap_ok "nothing is left" $?
receive physical -q 1 -m udmabuf -s $((8 << 20)) -r -B
status=$?
[ $status != 0 ] && [ "$(said physical error)" = EBUSY ] && grep -q "leased" "$tmp/physical"
status=$?
ktap_ok "whose queue it is cannot have it meanwhile: $(said physical message)" $status

contained revoked 9003 -n 0 -m "vfio:$VRAM_PCI" -r -x disable -a $((4 << 20)) &&
	remote -b pattern_send $INSIDE 9003 $((4 << 30)) >/dev/null
wait "$receiver" && [ "$(said revoked error)" = ENODEV ] && nothing_left
ktap_ok "its memory is revoked: ENODEV" $?
contained alive 9004 -m "vfio:$VRAM_PCI" -r -B && bound && ip link del outside && ended alive
ktap_ok "the container's device goes away, and the region with it" $?
kill "$leaser"
wait_for 20 gone && nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic afterwards" $?
receive own -p 9005 -m "vfio:$VRAM_PCI" -r -n $BYTES && remote pattern_send "$LOCAL_V4" 9005 $BYTES && wait "$receiver" &&
	[ "$(said own correct)" = 1 ]
ktap_ok "and the queue is its device's again" $?

nic=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")
driver=/sys/bus/pci/drivers/$(basename "$(readlink "/sys/class/net/$NETIF/device/driver")")
nothing_left
lease && contained goes 9006 -m "vfio:$VRAM_PCI" -r -B && bound && echo "$nic" >"$driver/unbind" && ended goes
ktap_ok "the network device goes away under the lease, and the region with it" $?
kill "$leaser"
ip link del outside 2>/dev/null
echo "$nic" >"$driver/bind"
wait_for 20 test -e "/sys/class/net/$NETIF" && ip addr add "$LOCAL_V4/24" dev "$NETIF" && ip addr add "$LOCAL_V6/64" dev "$NETIF" nodad &&
	ip link set "$NETIF" mtu "${LAB_MTU:-1500}" up && steer_to_queue 1 && nothing_left && ordinary_traffic
ktap_ok "it comes back" $?
# Both at once: whoever is first closes the queue, once.
lease && contained both 9007 -m "vfio:$VRAM_PCI" -r -B && bound && kill -9 "$receiver"
status=$?
echo "$nic" >"$driver/unbind"
kill "$leaser"
ip link del outside 2>/dev/null
[ $status -eq 0 ] && wait_for 20 gone && nothing_left
ktap_ok "it goes away while the receiver is killed: nothing is left" $?
ktap_end

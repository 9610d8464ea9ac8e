#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A container leases a receive queue by netkit: what may be received into there is what may be on the queue itself, and it
# ends with the container, or with the network device.
# lab: kernel=netgpu
# lab: timeout=150
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"

INSIDE=10.77.0.3
BYTES=$((16 << 20))

need_netif
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
	sed 's/^/# /' "/tmp/$1"
	return 1
}

vram_bind
steer_to_queue 1
ip netns add inside 2>/dev/null && undo ip netns del inside
ip link add outside numrxqueues 2 type netkit mode l2 peer name peer netns inside numrxqueues 2 ||
	skip_all "the kernel has no netkit"
ip link set outside up
container ip link set lo up
container ip link set peer mtu "${LAB_MTU:-1500}" up
container ip addr add $INSIDE/24 dev peer
ip route add $INSIDE/32 dev outside
container ip neigh add "$REMOTE_V4" lladdr "$(cat /sys/class/net/outside/address)" dev peer
ip neigh add $INSIDE lladdr "$(container cat /sys/class/net/peer/address)" dev outside
undo eval "echo $(cat /proc/sys/net/ipv4/ip_forward) >/proc/sys/net/ipv4/ip_forward"
echo 1 >/proc/sys/net/ipv4/ip_forward
remote ip neigh replace $INSIDE lladdr "$(cat "/sys/class/net/$NETIF/address")" dev tap0
nsid=$(container ip -j link show peer | sed -n 's/.*"link_netnsid":\([0-9]*\).*/\1/p')

ktap_plan 10
queue_lease "$NETIF" 1 outside /run/netns/inside "$nsid" $INSIDE >/tmp/lease 2>&1 &
undo kill $!
wait_for 10 grep -q '^queue' /tmp/lease
ktap_ok "a queue is leased" $?
queue=$(said lease queue)
[ -n "$queue" ] || ktap_say "$(cat /tmp/lease)"
container ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null
ktap_ok "the container can be reached" $?

contained plain 9001 -m heap -s $((8 << 20)) && comes plain 9001 ""
ktap_ok "io_uring receives into a dma-buf" $?
nothing_left
contained region 9002 -m "vfio:$VRAM_PCI" -r -P && [ "$(said region placement)" = device ] && comes region 9002 00
ktap_ok "and into a region in a device's memory" $?
nothing_left
ktap_ok "nothing is left" $?
receive physical -q 1 -m udmabuf -s $((8 << 20)) -r -B
status=$?
[ $status != 0 ] && [ "$(said physical error)" = EBUSY ] && grep -q "leased" /tmp/physical
ktap_ok "whose queue it is cannot have it meanwhile: $(said physical message)" $?

contained revoked 9003 -m "vfio:$VRAM_PCI" -r -x disable -a $((4 << 20)) && remote -b pattern_send $INSIDE 9003 $BYTES >/dev/null
wait "$receiver" && [ "$(said revoked error)" = ENODEV ] && nothing_left
ktap_ok "its memory is revoked: ENODEV" $?
contained alive 9004 -m "vfio:$VRAM_PCI" -r -B
ip link del outside
wait_for 20 eval '[ "$(region_count mapped)" = 0 ]'
ktap_ok "the container's device goes away, and the region with it" $?
wait "$receiver"
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic afterwards" $?
receive own -p 9005 -m "vfio:$VRAM_PCI" -r -n $BYTES && remote pattern_send "$LOCAL_V4" 9005 $BYTES && wait "$receiver" &&
	[ "$(said own correct)" = 1 ]
ktap_ok "and the queue is its device's again" $?
ktap_end

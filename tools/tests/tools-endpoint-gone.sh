#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The network device, or the peer, goes away in the middle of what endpoints do with the memory of another device: what was posted is told
# of, each once, nothing hangs, and nothing is left.
# lab: topology=switch
# lab: timeout=400
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/../../selftests/plug.sh"
. "$(dirname "$0")/endpoints.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools:$top/build/tools/tests
need_programs netgpu in_place
[ -n "${VRAM_PCI:-}" ] || skip_all "there is no device with memory"
memory=vfio:$VRAM_PCI
port=5270

unplugged() {
	both "$2" "$3" "$4" && unplug && ended
	ktap_ok "$1: the network device is unplugged" $?
	remote -k "$peer" >/dev/null 2>&1
	plug && ethtool -X "$NETIF" weight 1 1 && nothing_left
	ktap_ok "$1: it comes back, and nothing was left" $?
}

deserted() {
	# shellcheck disable=SC2016 # expanded there
	both "$2" "$3" "$4" && remote 'kill -9 "$(cat "$LAB_RUN/peer")"' && ended
	ktap_ok "$1: the peer is killed" $?
	remote -k "$peer" >/dev/null 2>&1
	nothing_left
	ktap_ok "$1: nothing is left" $?
}

killed() {
	both "$2" "$3" "$4" && kill -9 "$here"
	wait "$here"
	[ $? = 137 ]
	ktap_ok "$1: killed" $?
	remote -k "$peer" >/dev/null 2>&1
	nothing_left
	ktap_ok "$1: nothing is left by it" $?
}

ktap_plan 20
freed_without_network
vram_bind
steer_to_queue 1 && both_mtu 4148 && ethtool -X "$NETIF" weight 1 1
ktap_ok "RSS spreads over two queues" $?
for what in unplugged deserted killed; do
	$what "received in place" "send PORT 1000000 1048576" receive gone
	$what "received and moved" "send PORT 1000000 1048576" receive kept-gone
	$what "sent" "sink PORT 1048576" source gone
done
ordinary_traffic
ktap_ok "ordinary traffic" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The network device and the memory have no bridge in common, and the host
# bridge does not forward between its ports: device memory cannot be reached.
# lab: kernel=netgpu
# lab: topology=rootports
# lab: timeout=90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue vram

ktap_plan 5
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
zcrx_recv -i "$NETIF" -q 1 -m "vfio:$VRAM_PCI" -r -P -t $((30 * slower)) >"$tmp/p2p"
message=$(said p2p message)
[ "$(said p2p error)" = EXDEV ] && [[ $message = "no peer-to-peer path"* ]]
ktap_ok "REQUIRE_P2P: EXDEV, \"$message\"" $?
zcrx_recv -i "$NETIF" -q 1 -m "vfio:$VRAM_PCI" -r -t $((30 * slower)) >"$tmp/any"
[ "$(said any error)" = EINVAL ] && grep -q '^message no peer-to-peer path' "$tmp/any"
ktap_ok "without: vfio-pci's EINVAL, as it has no other place for the buffer" $?
receive host -p 9001 -m heap -s $((4 << 20)) -r &&
	remote pattern_send "$LOCAL_V4" 9001 $((8 << 20)) && wait "$receiver" &&
	[ "$(said host correct)" = 1 ] && [ "$(said host placement)" = host ]
ktap_ok "host memory is received into as ever" $?
nothing_left
ktap_ok "nothing is left" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A probe says what a region would be like, and refuses as making one does; below one PCIe switch.
# lab: kernel=netgpu
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/probe.sh"
need netgpu lab queue vram
need_programs region_probe xdp_attach

MIB=$((1 << 20))
VRAM=vfio:$VRAM_PCI

ktap_plan 20
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

probe -m "$VRAM"
verdict 0 device switch && [ -z "$(said probe message)" ]
ktap_ok "device memory: device, through the switch" $?
distance=$(said probe distance)
[ "$distance" = 4 ]
ktap_ok "its distance, up to the switch and down again: $distance" $?
size=$(said probe buffer_size)
[ "$size" = 65536 ]
ktap_ok "the largest buffers, those of the network device: $size bytes" $?
receive large -p 9002 -m "$VRAM" -r -L "$size" && kill "$receiver" && ! wait "$receiver" &&
	! receive larger -p 9003 -m "$VRAM" -r -L $((2 * size)) && [ "$(said larger error)" = ERANGE ]
ktap_ok "which a queue can have, and no larger ones" $?
probe -m scattered -s $MIB
[ "$(said probe buffer_size)" = 4096 ]
ktap_ok "memory in pieces: those of a page" $?
probe -m "$VRAM" -P
verdict 0 device switch
ktap_ok "with REQUIRE_P2P: the same" $?
for memory in heap udmabuf; do
	probe -m $memory -s $MIB
	verdict 0 host host "is host memory" && [ "$(said probe distance)" = -1 ]
	ktap_ok "$memory: host" $?
	probe -m $memory -s $MIB -P
	verdict EXDEV unknown unknown "is host memory"
	ktap_ok "$memory with REQUIRE_P2P: EXDEV" $?
done

probe -m closed -s $MIB
refused EBADF "not open"
ktap_ok "closed descriptor: EBADF" $?
probe -m null -s $MIB
refused EMEDIUMTYPE "not a dma-buf"
ktap_ok "not a dma-buf: EMEDIUMTYPE" $?
probe -m "$VRAM" -q 99
refused ERANGE "queue index out of range"
ktap_ok "queue out of range: ERANGE" $?
probe -m heap -s $MIB -u 65534
refused EPERM "CAP_NET_ADMIN"
ktap_ok "no capability: EPERM" $?
xdp_attach -f -g "$NETIF" region_probe -i "$NETIF" -q 1 -m "$VRAM" >"$tmp/probe" 2>&1
refused EEXIST "XDP"
ktap_ok "XDP program attached: EEXIST" $?

receive bound -p 9001 -m heap -s $MIB -r && probe -m "$VRAM" && kill -0 "$receiver" &&
	[ "$(said probe probe)" = 0 ] && [ "$(said probe placement)" = device ] && [ "$(said probe create)" = 0 ]
ktap_ok "queue in use: that may change" $?
kill "$receiver"
wait "$receiver" 2>/dev/null

ethtool -G "$NETIF" tcp-data-split off
probe -m "$VRAM"
refused EINVAL "tcp-data-split is disabled"
ktap_ok "split off: EINVAL" $?
ethtool -G "$NETIF" tcp-data-split on
ip link set "$NETIF" down
probe -m "$VRAM"
verdict 0 device switch
ktap_ok "device down: that may change, too" $?
ip link set "$NETIF" up
wait_for_carrier

nothing_left
ktap_ok "nothing is left" $?
ktap_end

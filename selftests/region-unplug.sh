#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The network device is unplugged with a region bound, and with one idle.
# lab: kernel=netgpu
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"

nic=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")
bridge=$(basename "$(dirname "$(readlink -f "/sys/class/net/$NETIF/device")")")

ktap_plan 7
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

receive bound -p 9001 -m "vfio:$VRAM_PCI" -r -b
remote -b pattern_send "$LOCAL_V4" 9001 $((1 << 30))
sleep 0.5
echo 1 >"/sys/bus/pci/devices/$nic/remove"
ktap_ok "unplug with a region bound and data flowing" $?
[ "$(cat /sys/class/misc/netgpu/mapped_bytes)" = 0 ]
ktap_ok "the region is unmapped when the device is gone" $?
kill -9 "$receiver"
wait "$receiver" 2>/dev/null
nothing_left
ktap_ok "nothing is left" $?

echo 1 >"/sys/bus/pci/devices/$bridge/rescan"
for _ in $(seq 100); do
	[ -e "/sys/class/net/$NETIF" ] && break
	sleep 0.05
done
net_up
ktap_ok "the device is back" $?
wait_for_carrier && ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
steer_to_queue 1 && receive again -p 9002 -m "vfio:$VRAM_PCI" -r &&
	remote pattern_send "$LOCAL_V4" 9002 $((8 << 20)) && wait "$receiver" &&
	[ "$(said again correct)" = 1 ]
ktap_ok "a new region is bound and receives" $?
ktap_end

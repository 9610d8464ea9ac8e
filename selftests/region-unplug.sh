#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The network device is unplugged with a region bound, and with one idle.
# lab: kernel=netgpu
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram

nic=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")
keep_addresses
mtu=$(cat "/sys/class/net/$NETIF/mtu")
bridge=$(basename "$(dirname "$(readlink -f "/sys/class/net/$NETIF/device")")")

ended() {
	! kill -0 "$receiver" 2>/dev/null
}

ktap_plan 10
vram_bind
freed_without_network
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

receive idle -m heap -s $((1 << 20)) -r -w && idle=$receiver &&
	receive bound -p 9001 -m "vfio:$VRAM_PCI" -r -b && remote -b pattern_send "$LOCAL_V4" 9001 $((64 << 30)) >/dev/null &&
	wait_for 20 flows 9001 1 && (echo 1 >"/sys/bus/pci/devices/$nic/remove")
status=$?
ktap_ok "unplug with a region bound and data flowing" $status
if [ $status -ne 0 ]; then	# nobody would hear of an end
	# shellcheck disable=SC2046
	kill -9 $(jobs -pr)
	exit 1
fi
[ "$(region_count mapped)" = 0 ]
ktap_ok "the region is unmapped when the device is gone" $?
wait "$idle" && [ "$(said idle hangup)" = 1 ]
ktap_ok "poll of the idle region reports the hangup" $?
[ "$(said idle state)" = revoked ]
ktap_ok "its state is revoked" $?
wait_for 10 ended && wait "$receiver" && [ "$(said bound error)" = ENODEV ]
status=$?
kill -9 "$receiver" 2>/dev/null
ktap_ok "the receive into the other one ends with ENODEV" $status

echo 1 >"/sys/bus/pci/devices/$bridge/rescan"
wait_for 10 test -e "/sys/class/net/$NETIF" && ip link set "$NETIF" mtu "$mtu" up
ktap_ok "the device is back" $?
addresses_back
wait_for_carrier && ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
steer_to_queue 1 && receive again -p 9002 -m "vfio:$VRAM_PCI" -r &&
	remote pattern_send "$LOCAL_V4" 9002 $((8 << 20)) && wait "$receiver" &&
	[ "$(said again correct)" = 1 ]
ktap_ok "a new region is bound and receives" $?
# The killed receiver's socket keeps what came out of order until its FIN is answered.
nothing_left
ktap_ok "nothing is left" $?
ktap_end

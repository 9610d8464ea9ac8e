#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# igb does not take a queue away that has a memory provider: not for virtual functions, not for fewer channels.
# lab: kernel=netgpu
# lab: timeout=120
# lab: append=pci=realloc
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram

need_programs ethtool iou-zcrx zcrx_recv queues
device=/sys/class/net/$NETIF/device
[ "$(basename "$(readlink -f "$device/driver")")" = igb ] || skip_all "$NETIF is not driven by igb"
[ -w "$device/sriov_numvfs" ] || skip_all "the kernel has no PCI_IOV, or the controller no virtual functions"

functions() {
	(echo "$1" >"$device/sriov_numvfs") 2>"$tmp/functions"
}

# refused TEXT COMMAND...: it fails, and says so
refused() {
	local what=$1 out
	shift
	out=$("$@" 2>&1) && return 1
	grep -qF "$what" <<<"$out$(cat "$tmp/functions")"
}

queues_of_igb() {
	ethtool -l "$NETIF" | sed -n 's/^Combined:[[:space:]]*//p' | tail -1
}

# hold QUEUE: a provider, in $holder
hold() {
	iou-zcrx -s -p 9900 -i "$NETIF" -q "$1" >/dev/null 2>&1 &
	holder=$!
	wait_for 10 provider "$1"
}

provider() {
	queues "$NETIF" | grep -q "^rx $1 .*io_uring"
}

let_go() {
	kill $holder
	wait $holder 2>/dev/null
	wait_for 10 eval "! queues $NETIF | grep -q io_uring"
}

BYTES=$((8 << 20))
ktap_plan 16
vram_bind
steer_to_queue 1
status=$?
undo eval "echo 0 >$device/sriov_numvfs" # before the settings, which take the queues
ktap_ok "queue 1 splits headers and receives all flows" $status
ethtool -X "$NETIF" default
functions 1 && functions 0
had=$(queues_of_igb) # as many as the driver takes by itself
functions 2 && [ "$(cat "$device/sriov_numvfs")" = 2 ]
ktap_ok "virtual functions can be had" $?
wait_for_carrier && ordinary_traffic
ktap_ok "with ordinary traffic beside them" $?
hold 0
ktap_ok "a provider on the queue that is left" $?
: >"$tmp/functions"
refused "Device or resource busy" functions 0 && [ "$(cat "$device/sriov_numvfs")" = 2 ]
ktap_ok "they cannot be taken away then" $?
let_go && functions 0 && [ "$(queues_of_igb)" = "$had" ] && wait_for_carrier && ordinary_traffic
ktap_ok "but when it has gone" $?

dmesg -C
steer_to_queue 1 && receive stream -p 9910 -n $BYTES -r -m "vfio:$VRAM_PCI"
ktap_ok "a provider on queue 1" $?
refused "Device or resource busy" functions 2
ktap_ok "virtual functions are refused" $?
dmesg | grep -q "Rx queue 1 has a memory provider"
ktap_ok "which names the queue" $?
[ "$(cat "$device/sriov_numvfs")" = 0 ] && [ "$(queues_of_igb)" = "$had" ]
ktap_ok "and changes nothing" $?
refused "too low for existing" ethtool -L "$NETIF" combined 1
ktap_ok "fewer channels are refused" $?
remote pattern_send "$LOCAL_V4" 9910 $BYTES && wait "$receiver" && [ "$(said stream received)" = $BYTES ] &&
	[ "$(said stream correct)" = 1 ]
ktap_ok "the provider has received all the same" $?
nothing_left
ktap_ok "nothing is left" $?
ethtool -X "$NETIF" default && functions 2 && functions 0 && wait_for_carrier && ordinary_traffic
ktap_ok "afterwards virtual functions come and go" $?
steer_to_queue 1 && receive again -p 9911 -n $BYTES -r -m "vfio:$VRAM_PCI" && remote pattern_send "$LOCAL_V4" 9911 $BYTES &&
	wait "$receiver" && [ "$(said again received)" = $BYTES ] && [ "$(said again correct)" = 1 ]
ktap_ok "and a provider receives" $?
nothing_left
ktap_ok "nothing is left at the end" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One dma-buf has many regions: for two network devices and for two queues, each with one attachment, none over another,
# and all end when the exporter takes the memory away.
# lab: kernel=netgpu
# lab: topology=switch,nic2
# lab: timeout=180
# shellcheck disable=SC2153 # LOCAL2_V4 and the like are other addresses
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue v6 vram
need_programs region_share

[ -n "${NETIF2:-}" ] || skip_all "NETIF2 does not name a second interface"
BYTES=$((48 << 20))

# arrived N: so many streams are complete
arrived() {
	[ "$(grep -c '^arrived' "$tmp/share")" = "$1" ]
}

ktap_plan 24
vram_bind
steer_to_queue 1 && NETIF=$NETIF2 steer_to_queue 1
ktap_ok "queue 1 of both devices splits headers and receives all flows" $?

region_share "$NETIF" "$NETIF2" "vfio:$VRAM_PCI" 9001 $BYTES >"$tmp/share" 2>&1 &
receiver=$!
wait_for 30 grep -q '^listening' "$tmp/share"
ktap_ok "three regions receive at a time, on two devices and two queues" $?

[ "$(said share receive)" = 0 ] && [ "$(said share send)" = 0 ]
ktap_ok "a buffer that is received into can be bound for sending" $?
[ "$(said share both)" = 2 ]
ktap_ok "with an attachment for each direction" $?
[ "$(said share attachments1)" = 1 ]
ktap_ok "a region makes an attachment" $?
[ "$(said share attachments2)" = 2 ]
ktap_ok "one for another device makes another" $?
[ "$(said share attachments3)" = 2 ]
ktap_ok "one for another queue of the same device does not" $?
[ "$(said share first)" = 0 ] && [ "$(said share overlapping)" = EBUSY ]
ktap_ok "of two regions that overlap the second is not bound: EBUSY" $?
message=$(said share probe_message)
[ "$(said share probe)" = EBUSY ] && [[ $message = *"being received into already"* ]]
ktap_ok "nor would a third be: \"$message\"" $?
[ "$(said share afterwards)" = 0 ]
ktap_ok "it is bound when the first is not any more" $?

one=$(remote -b pattern_send -w $((60 * slower)) "$LOCAL_V4" 9001 $BYTES)
two=$(remote -b pattern_send -w $((60 * slower)) "$LOCAL2_V4" 9002 $BYTES)
wait_for 60 arrived 2
ethtool -X "$NETIF" start 0 equal 1
three=$(remote -b pattern_send -w $((60 * slower)) "$LOCAL_V4" 9003 $BYTES)
wait "$receiver"
ktap_ok "the receivers end by themselves when the memory is taken away" $?
for number in "$one" "$two" "$three"; do
	remote -w "$number" >/dev/null 2>&1
done
i=0
for what in "$NETIF queue 1" "$NETIF2 queue 1" "$NETIF queue 0"; do
	[ "$(said share received$i)" = $BYTES ] && [ "$(said share correct$i)" = 1 ]
	ktap_ok "$what: every byte is in its place" $?
	[ "$(said share error$i)" = ENODEV ]
	ktap_ok "$what: the pending receive ends with ENODEV" $?
	[ "$(said share hangup$i)" = 1 ]
	ktap_ok "$what: poll of its region reports the hangup" $?
	i=$((i + 1))
done
[ "$(said share untouched)" = 1 ]
ktap_ok "the rest of the memory is untouched" $?
[ "$(said share hangup_idle)" = 1 ]
ktap_ok "the idle region has ended too" $?
nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic && REMOTE_V4=$REMOTE2_V4 REMOTE_V6=$REMOTE2_V6 ordinary_traffic
ktap_ok "ordinary traffic afterwards, on both devices" $?
ktap_end

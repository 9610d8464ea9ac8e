#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The exporter takes the memory away while data flows: the receive ends, the
# memory is unmapped, the interface works on, and a new region can be bound.
# lab: kernel=netgpu
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram

ktap_plan 15
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

port=9000
for kind in region dmabuf; do
	port=$((port + 1))
	flag=
	[ $kind = region ] && flag=-r
	# shellcheck disable=SC2086
	receive $kind -p $port -m "vfio:$VRAM_PCI" $flag -x disable -a $((4 << 20)) &&
		remote -b pattern_send "$LOCAL_V4" $port $((4 << 30)) >/dev/null && wait "$receiver"
	ktap_ok "$kind: the receiver ends by itself" $?
	bytes=$(said $kind received)
	us=$(said $kind revoke_us)
	[ "$(said $kind error)" = ENODEV ]
	ktap_ok "$kind: receive ends with ENODEV after $bytes bytes" $?
	[ -n "$us" ]
	ktap_ok "$kind: the exporter had its memory back after $us us" $?
	if [ $kind = region ]; then
		[ "$(said region hangup)" = 1 ]
		ktap_ok "poll reports the hangup" $?
		[ "$(said region state)" = revoked ]
		ktap_ok "its state is revoked" $?
	fi
	nothing_left
	ktap_ok "$kind: nothing is left" $?
	ordinary_traffic
	ktap_ok "$kind: ordinary traffic afterwards" $?
done

receive again -p 9009 -m "vfio:$VRAM_PCI" -r &&
	remote pattern_send "$LOCAL_V4" 9009 $((8 << 20)) && wait "$receiver"
[ "$(said again received)" = $((8 << 20)) ] && [ "$(said again correct)" = 1 ]
ktap_ok "a new region is bound and receives" $?
nothing_left
ktap_ok "nothing is left at the end" $?
ktap_end

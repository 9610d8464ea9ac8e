#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Seen from outside of the machine: from when the exporter has its memory back, not a byte of it changes, while the sender
# goes on.
# lab: kernel=netgpu
# lab: timeout=240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue vram
. "$(dirname "$0")/outside.sh"

ktap_plan 26
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
flood_start

port=9000
for how in disable reset close; do
	port=$((port + 10))
	victim $how $((port + 1)) -x $how -a $((16 << 20))
	wait_for 30 grep -q '^revoke_us' "$tmp/$how"
	ktap_ok "$how: the exporter has its memory back" $?
	quiet
	ktap_ok "$how: seen from outside, nothing in it changes" $?
	wait "$receiver" && [ "$(said $how error)" = ENODEV ]
	ktap_ok "$how: the receive ends with ENODEV" $?
	[ "$(said $how hangup)" = 1 ] && [ "$(said $how state)" = revoked ]
	ktap_ok "$how: poll reports the hangup" $?
	ordinary_traffic
	ktap_ok "$how: ordinary traffic afterwards" $?
	nothing_left
	ktap_ok "$how: nothing is left" $?
	stream again $((port + 2)) $((8 << 20))
	ktap_ok "$how: a new region is bound and receives" $?

	# Does the watch see anything at all?
	receive control -p $((port + 3)) -r -m "vfio:$VRAM_PCI"
	changed=$(changes 1)
	[ "$changed" -gt 0 ]
	ktap_ok "$how: the control, without revocation: $changed MiB change" $?
	kill "$receiver"
	wait "$receiver" 2>/dev/null
done
nothing_left
ktap_ok "nothing is left at the end" $?
ktap_end

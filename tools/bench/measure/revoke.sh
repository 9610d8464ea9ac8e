#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR MIT
# The guest's part of make bench about revocation: revoke.sh TIMES BYTES. Each time, when so many bytes have been received
# at full rate, the exporter takes the memory away; $LAB_RUN/revoke has the microseconds until it had it, a line each.
. "$(dirname "$0")/guest.sh"
times=$1
bytes=$2

vram
splits on
for ((row = 1; row <= times; row++)); do
	rm -f /tmp/receiver /tmp/said
	zcrx_recv -i "$NETIF" -q 0 -r -m "vfio:$VRAM_PCI" -b -x disable -a "$bytes" -p 9000 >/tmp/receiver 2>/tmp/said &
	receiver=$!
	waits $receiver '^listening' /tmp/receiver
	remote pattern_send "$LOCAL_V4" 9000 $((1 << 40)) >/tmp/sender 2>&1 # ends when the receiver does
	wait $receiver || fail "the receiver failed: $(cat /tmp/said)"
	sed -n 's/^revoke_us //p' /tmp/receiver >>/tmp/revoke
	[ "$(wc -l </tmp/revoke)" = "$row" ] || fail "nothing was taken away: $(cat /tmp/receiver)"
	((row % 20)) || echo "done $row of $times revocations"
done
keep revoke </tmp/revoke

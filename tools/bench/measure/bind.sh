#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR MIT
# The guest's part of make bench about making regions: bind.sh SIZE,BUFFER.... The results are lines of $LAB_RUN/bind.
. "$(dirname "$0")/guest.sh"

vram
splits on
sysctl -q net.netgpu.max_pinned_bytes=$((1 << 40)) || fail "the limit cannot be raised"
for row; do
	IFS=, read -r size buffer <<<"$row"
	nothing_bound
	region_cost "$NETIF" 0 "vfio:$VRAM_PCI" "$size" "$buffer" >>/tmp/bind || fail "a region cannot be made"
	echo "done bind $row"
done
keep bind </tmp/bind

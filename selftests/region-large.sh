#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Regions of gigabytes, in a BAR above 4 GiB, and of many scattered pages: data comes to their ends, and what they take of
# the host's memory is in proportion.
# lab: long=region-receive
# lab: kernel=netgpu
# lab: vram=4096
# lab: skips=this kernel keeps books of its memory
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue vram

BYTES=$((16 << 20))
SIZE=$(((${LAB_VRAM_MIB:-4096}) << 20))
MOST=40 # MiB of host memory for a GiB that is bound

free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 0.5
	awk '/^MemFree:/ { print $2 }' /proc/meminfo
}

# stream NAME PORT ARG...: pattern, every byte right
stream() {
	local name=$1 port=$2
	shift 2
	receive "$name" -p "$port" -r -n $BYTES "$@" && remote pattern_send "$LOCAL_V4" "$port" $BYTES && wait "$receiver" &&
		[ "$(said "$name" received)" = $BYTES ] && [ "$(said "$name" correct)" = 1 ]
}

ktap_plan 12
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
undo sysctl -qw net.netgpu.max_pinned_bytes="$(sysctl -n net.netgpu.max_pinned_bytes)"
echo $((16 << 30)) >/proc/sys/net/netgpu/max_pinned_bytes
start=$(sed -n 3p "/sys/bus/pci/devices/$VRAM_PCI/resource" | cut -d' ' -f1)
[ $((start)) -ge $((1 << 32)) ]
ktap_ok "the BAR is above 4 GiB, at $start" $?

stream all 9001 -m "vfio:$VRAM_PCI"
ktap_ok "a stream into a region over all of it" $?
stream end 9002 -m "vfio:$VRAM_PCI" -o $((SIZE - (8 << 20)))
ktap_ok "a stream into a region of the last 8 MiB" $?
stream middle 9003 -m "vfio:$VRAM_PCI" -o $((SIZE / 2 - 4096))
ktap_ok "a stream into a region of the second half, and a page" $?
nothing_left
ktap_ok "nothing is left" $?

before=$(free_kib)
receive bound -m "vfio:$VRAM_PCI" -r -B
ktap_ok "a region over all of it is bound" $?
[ "$(region_count mapped)" = $SIZE ]
ktap_ok "$((SIZE >> 20)) MiB are mapped" $?
taken=$((before - $(free_kib)))
each=$((taken * 1024 / (SIZE >> 20)))
ktap_say "host memory taken: $taken KiB, $each KiB for a GiB"
if [ "$slower" -gt 2 ]; then
	ktap_skip "that takes at most $MOST MiB of host memory for a GiB" "this kernel keeps books of its memory, in memory"
else
	[ $each -gt 0 ] && [ $each -le $((MOST << 10)) ]
	ktap_ok "that takes at most $MOST MiB of host memory for a GiB" $?
fi
kill "$receiver"
wait "$receiver" 2>/dev/null
nothing_left
ktap_ok "nothing is left" $?

undo eval "echo $(cat /sys/module/udmabuf/parameters/list_limit) >/sys/module/udmabuf/parameters/list_limit"
echo 16384 >/sys/module/udmabuf/parameters/list_limit
stream scattered 9004 -m scattered -s $((64 << 20)) && [ "$(said scattered placement)" = host ]
ktap_ok "a stream into udmabuf of 16384 pages out of order" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic at the end" $?
ktap_end

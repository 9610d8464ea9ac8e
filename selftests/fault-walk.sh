#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each allocation and each copy on the way of each operation fails once: the
# operation ends with an error, or does without, and leaves nothing behind.
# lab: kernel=debug
# lab: timeout=300
# lab: console=DMA-API: cacheline tracking ENOMEM
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/coverage.sh"
need_netif
need_programs fault_walk ethtool
[ -w /proc/self/fail-nth ] || skip_all "the kernel injects no faults"
PORT=9300

inject() { # failslab|fail_page_alloc|fail_usercopy: whatever the context, without a word
	local dir=/sys/kernel/debug/$1 file
	for file in ignore-gfp-wait ignore-gfp-highmem task-filter cache-filter; do
		[ ! -e "$dir/$file" ] || echo N >"$dir/$file"
	done
	[ ! -e "$dir/min-order" ] || echo 0 >"$dir/min-order"
	echo 0 >"$dir/probability"
	echo 0 >"$dir/verbose"
}

vram_bind
steer_to_queue 1 || skip_all "$NETIF does not split headers"
for kind in failslab fail_page_alloc fail_usercopy; do inject $kind; done
sender=$(remote -b "while :; do pattern_send $LOCAL_V4 $PORT 65536 2>&- || sleep 0.05; done")
undo remote -k "$sender"
fault_walk "$NETIF" 1 $PORT "vfio:$VRAM_PCI" heap
status=$?
coverage
exit $status

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR MIT
# The guest's part of make bench about messages that arrive where they belong: place.sh SIZE,COUNT,LOSS...., of COUNT messages of SIZE
# bytes each packet of LOSS is lost, 0: none. The results are lines of $LAB_RUN/place.
. "$(dirname "$0")/guest.sh"
top=$(cd "$(dirname "$0")/../../.." && pwd)
PATH=$PATH:$top/build/tools/tests
sender=build/tools/tests/in_place
port=5301

vram
splits on
# Two queues, and payload has one of them.
ethtool -L "$NETIF" combined 2 || fail "the device has no two queues"
ethtool -X "$NETIF" weight 1 1 || fail "RSS does not spread"
mtu 4148
for row; do
	IFS=, read -r size count loss <<<"$row"
	nothing_bound
	from=$REMOTE_V4 through=
	[ "$loss" = 0 ] || from=10.77.0.9 through="lossy -d $loss tap0 $from 4148"
	port=$((port + 1))
	running=$(remote -b "$through $sender send $port $count $size")
	ip neigh flush dev "$NETIF"
	for ((try = 0; try < 200; try++)); do
		if [ "$loss" = 0 ]; then
			remote "ss -Hltn sport = :$port | grep -q ." && break
		else
			ping -q -c 1 -W 1 "$from" >/dev/null && break
		fi
		sleep 0.1
	done
	in_place receive "$from" $port "$NETIF" 1 "vfio:$VRAM_PCI" "$count" "$size" 16 >/tmp/receiver 2>/tmp/said ||
		fail "the receiver failed: $(tail -n 5 /tmp/receiver /tmp/said)"
	remote -w "$running" >/tmp/sender || fail "the sender failed: $(cat /tmp/sender)"
	awk -v size="$size" -v count="$count" -v loss="$loss" '{ of[$1] = $2 } END {
		printf "{\"message_bytes\": %d, \"messages\": %d, \"one_lost_of\": %d, \"in_place\": %.0f, \"moved\": %.0f, \"restarts\": %d}\n",
		       size, count, loss, of["in_place"], of["moved"], of["restarts"] }' /tmp/receiver >>/tmp/place
	echo "done place $row"
done
keep place </tmp/place

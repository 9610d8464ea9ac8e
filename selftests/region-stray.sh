#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Payload that arrives in host memory is copied into the region, in order and counted by cause; where the exporter does
# not let the CPU at its memory, the receive says so.
# lab: kernel=netgpu
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"

BYTES=$((8 << 20))
LONG=$((384 << 20))

# stream NAME PORT MEMORY [ARG of pattern_send...]: $BYTES into a region
stream() {
	local name=$1 port=$2 memory=$3
	shift 3
	receive "$name" -p "$port" -m "$memory" -s $((16 << 20)) -r -n "$BYTES" &&
	remote pattern_send "$@" "$LOCAL_V4" "$port" "$BYTES"
	wait "$receiver"
}

# complete NAME: all of it arrived, and is right
complete() {
	[ "$(said "$1" received)" = "$BYTES" ] && [ "$(said "$1" correct)" = 1 ] && [ "$(said "$1" error)" = 0 ]
}

ktap_plan 21
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

port=9000
for memory in udmabuf heap; do
	port=$((port + 10))
	stream plain $((port + 1)) $memory
	complete plain
	ktap_ok "$memory: a stream of large packets is complete" $?
	[ "$(said plain page)" = 0 ] && [ "$(said plain other_queue)" = 0 ] && [ "$(said plain refused)" = 0 ]
	ktap_ok "$memory: of which nothing was on another queue or unsplit" $?

	BYTES=$((64 << 10)) stream small $((port + 2)) $memory -c 32
	copied=$(said small header)
	BYTES=$((64 << 10)) complete small
	ktap_ok "$memory: a stream of 32-byte packets is complete" $?
	[ "${copied:-0}" -gt 0 ]
	ktap_ok "$memory: $copied of its bytes lay with the headers" $?

	ethtool -X "$NETIF" start 0 equal 1
	stream other $((port + 3)) $memory
	copied=$(said other other_queue)
	complete other
	ktap_ok "$memory: a stream on another queue is complete" $?
	[ "$copied" = $BYTES ]
	ktap_ok "$memory: all of it was copied, from another queue ($copied)" $?

	receive steered -p $((port + 4)) -m $memory -s $((16 << 20)) -r -n $LONG
	sender=$(remote -b pattern_send "$LOCAL_V4" $((port + 4)) $LONG)
	sleep 0.2
	ethtool -X "$NETIF" start 1 equal 1
	wait "$receiver"
	remote -w "$sender" >/dev/null
	copied=$(said steered other_queue)
	BYTES=$LONG complete steered
	ktap_ok "$memory: a stream that is steered to the queue mid-way is complete" $?
	[ "${copied:-0}" -gt 0 ] && [ "${copied:-0}" -lt $LONG ]
	ktap_ok "$memory: a part of it was copied ($copied)" $?
done

ethtool -X "$NETIF" start 0 equal 1
stream vfio 9041 "vfio:$VRAM_PCI" >/dev/null 2>&1
refused=$(said vfio refused)
[ "$(said vfio error)" = EOPNOTSUPP ] && [ "$(said vfio received)" = 0 ]
ktap_ok "vfio: an exporter without vmap: the receive ends with EOPNOTSUPP" $?
[ "${refused:-0}" -gt 0 ]
ktap_ok "vfio: the refused bytes are counted ($refused)" $?
nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# devmem TCP takes its buffers as regions: device memory stays device memory,
# and goes back to the exporter when it asks.
# lab: kernel=netgpu
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram
need_programs devmem_recv

BYTES=$((16 << 20))
receive_with=devmem_recv

ktap_plan 12
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

port=9000
for memory in "vfio:$VRAM_PCI" heap udmabuf; do
	port=$((port + 1))
	size=$((4 << 20))
	[ "${memory%%:*}" = vfio ] && size=0
	receive stream -p $port -m "$memory" -s $size && remote pattern_send "$LOCAL_V4" $port $BYTES &&
		wait "$receiver" && [ "$(said stream received)" = $BYTES ] && [ "$(said stream correct)" = 1 ]
	ktap_ok "stream into ${memory%%:*}" $?
	nothing_left
	ktap_ok "nothing is left" $?
done

receive revoked -p 9009 -m "vfio:$VRAM_PCI" -x disable -a $((2 << 20)) &&
	remote -b pattern_send "$LOCAL_V4" 9009 $((1 << 30)) >/dev/null && wait "$receiver"
ktap_ok "the receiver goes on to its end after a revocation" $?
us=$(said revoked revoke_us)
[ -n "$us" ]
ktap_ok "the exporter had its memory back after $us us" $?
nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
receive again -p 9010 -m "vfio:$VRAM_PCI" && remote pattern_send "$LOCAL_V4" 9010 $BYTES &&
	wait "$receiver" && [ "$(said again received)" = $BYTES ] && [ "$(said again correct)" = 1 ]
ktap_ok "a new binding receives" $?
ktap_end

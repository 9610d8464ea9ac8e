#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Without the patches to zcrx and devmem, a dma-buf that insists on revocable
# peer-to-peer importers is refused; one of host memory works.
# lab: kernel=upstream
# lab: long=region-revoke
# lab: timeout=90
# lab: debug=it is about a kernel without netgpu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need upstream queue vram
need_programs devmem_recv

BYTES=$((8 << 20))

ktap_plan 5
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
[ ! -e /dev/netgpu ]
ktap_ok "this kernel has no netgpu" $?
zcrx_recv -i "$NETIF" -q 1 -m "vfio:$VRAM_PCI" -t $((30 * slower)) >"$tmp/vram" 2>&1
error=$(said vram error)
[ "$error" = EOPNOTSUPP ]
ktap_ok "zcrx refuses vfio-pci's dma-buf: $error" $?
devmem_recv -i "$NETIF" -q 1 -m "vfio:$VRAM_PCI" -t $((30 * slower)) >"$tmp/devmem" 2>&1
error=$(said devmem error)
[ "$error" = EOPNOTSUPP ]
ktap_ok "devmem refuses it: $error" $?
receive heap -p 9001 -m heap -s $((4 << 20)) &&
	remote pattern_send "$LOCAL_V4" 9001 $BYTES &&
	wait "$receiver" && [ "$(said heap received)" = $BYTES ] && [ "$(said heap correct)" = 1 ]
ktap_ok "zcrx receives into host memory" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A stream arrives in device memory and in host memory, by dma-buf and by
# region, every byte in its place, and the region says which memory it is.
# lab: kernel=netgpu
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram

BYTES=$((24 << 20))

stream() { # NAME PORT ARG...
	local name=$1 port=$2
	shift 2

	receive "$name" -p "$port" "$@" &&
	remote pattern_send "$LOCAL_V4" "$port" $BYTES &&
	wait "$receiver" &&
	[ "$(said "$name" received)" = $BYTES ] &&
	[ "$(said "$name" correct)" = 1 ] &&
	[ "$(said "$name" error)" = 0 ]
}

ktap_plan 18
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

stream vram-dmabuf 9001 -m "vfio:$VRAM_PCI"
ktap_ok "stream into device memory, by dma-buf" $?
stream vram-region 9002 -m "vfio:$VRAM_PCI" -r
ktap_ok "stream into device memory, by region" $?
[ "$(said vram-region placement)" = device ]
ktap_ok "its placement is device" $?
stream vram-small 9003 -m "vfio:$VRAM_PCI" -s $((4 << 20)) -r
ktap_ok "stream larger than the region: buffers come back" $?
# As large as the ring: it runs dry, and a NIC without descriptors tells nobody.
stream vram-dry 9007 -m "vfio:$VRAM_PCI" -s $((1 << 20)) -r -t 20
ktap_ok "stream through a region that is no larger than the ring, within 20 s" $?
stream vram-8k 9008 -m "vfio:$VRAM_PCI" -r -L 8192
ktap_ok "stream into buffers of 8 KiB in device memory" $?
for refused in "131072 ERANGE" "6144 EINVAL" "2048 EINVAL"; do
	receive refused -p 9009 -m "vfio:$VRAM_PCI" -r -L "${refused% *}" >/dev/null
	wait "$receiver"
	[ "$(said refused error)" = "${refused#* }" ]
	ktap_ok "buffers of ${refused% *} bytes are refused: ${refused#* }" $?
done
# A physically scattered buffer has no room for them.
receive scattered -p 9010 -m udmabuf -s $((4 << 20)) -r -L 8192 >/dev/null
wait "$receiver"
[ "$(said scattered error)" = ERANGE ]
ktap_ok "buffers larger than the memory's own pieces are refused: ERANGE" $?
nothing_left
ktap_ok "refusals leave nothing" $?
stream heap-dmabuf 9004 -m heap -s $((4 << 20))
ktap_ok "stream into host memory, by dma-buf" $?
stream heap-region 9005 -m heap -s $((4 << 20)) -r
ktap_ok "stream into host memory, by region" $?
[ "$(said heap-region placement)" = host ]
ktap_ok "its placement is host" $?
stream udmabuf-region 9006 -m udmabuf -s $((4 << 20)) -r
ktap_ok "stream into udmabuf, by region" $?
nothing_left
ktap_ok "no region and no page pool is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Behind an IOMMU: a probe says so; data comes, strays are copied, and the exporter gets its memory back.
# lab: kernel=netgpu
# lab: topology=rootports,epyc,iommu
# lab: append=intel_iommu=on
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/probe.sh"
need netgpu lab queue vram
need_programs region_probe

BYTES=$((16 << 20))

ktap_plan 21
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
[ -e "/sys/class/net/$NETIF/device/iommu_group" ]
ktap_ok "the device is behind the IOMMU" $?
probe -m "vfio:$VRAM_PCI" -P
verdict 0 device iommu
ktap_ok "device memory: device, through the IOMMU" $?
for memory in heap udmabuf; do
	probe -m $memory -s $((1 << 20))
	verdict 0 host host "is host memory"
	ktap_ok "$memory: host" $?
	probe -m $memory -s $((1 << 20)) -P
	verdict EXDEV unknown unknown "is host memory"
	ktap_ok "$memory with REQUIRE_P2P: EXDEV" $?
done

stream vram 9001 $BYTES -m "vfio:$VRAM_PCI" -P
ktap_ok "a stream into device memory" $?
[ "$(said vram placement)" = device ]
ktap_ok "its placement is device" $?
stream heap 9002 $BYTES -m heap -s $((4 << 20)) && [ "$(said heap placement)" = host ]
ktap_ok "a stream into the heap" $?
stream udmabuf 9003 $BYTES -m udmabuf -s $((4 << 20)) && [ "$(said udmabuf placement)" = host ]
ktap_ok "a stream into udmabuf" $?
ethtool -X "$NETIF" start 0 equal 1
stream stray 9004 $BYTES -m udmabuf -s $((32 << 20)) && [ "$(said stray other_queue)" = $BYTES ]
ktap_ok "a stream on another queue is copied" $?
ethtool -X "$NETIF" start 1 equal 1

receive revoked -p 9005 -m "vfio:$VRAM_PCI" -r -x disable -a $((4 << 20)) &&
	remote -b pattern_send "$LOCAL_V4" 9005 $((4 << 30)) >/dev/null && wait "$receiver"
ktap_ok "revoked under traffic: the receiver ends by itself" $?
[ "$(said revoked error)" = ENODEV ]
ktap_ok "with ENODEV" $?
us=$(said revoked revoke_us)
[ -n "$us" ]
ktap_ok "the exporter had its memory back after $us us" $?
[ "$(said revoked hangup)" = 1 ] && [ "$(said revoked state)" = revoked ]
ktap_ok "poll reports the hangup" $?
nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
stream again 9006 $BYTES -m "vfio:$VRAM_PCI" -P
ktap_ok "a new region is bound and receives" $?
nothing_left
ktap_ok "nothing is left at the end" $?
! dmesg | grep -E 'DMAR:.*fault'
ktap_ok "the IOMMU has seen no fault" $?
ktap_end

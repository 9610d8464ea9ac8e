#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Behind an IOMMU: memory is sent from, by its addresses there, and the exporter gets it back under traffic without a fault.
# lab: long=zc-send,region-probe-iommu
# lab: kernel=netgpu
# lab: topology=rootports,epyc,iommu
# lab: append=intel_iommu=on
# lab: timeout=240
# lab: more=360
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/send.sh"
need netgpu lab queue vram
need_programs zc_send

ktap_plan $((12 + ${MORE:-0} * 4))
vram_bind
[ -e "/sys/class/net/$NETIF/device/iommu_group" ]
ktap_ok "the device is behind the IOMMU" $?
# shellcheck disable=SC2086 # a word, or none
each_memory registered ${MORE:+cmsg}
steer_to_queue 1
arrives stream -m "vfio:$VRAM_PCI" -s 0 -R
ktap_ok "from a region that is for receiving, too" $?
nothing_left
ktap_ok "nothing is left" $?
for how in disable reset close; do
	revoked gone -m "vfio:$VRAM_PCI" -s 0 -x $how
	status=$?
	ktap_ok "$how: the memory is back after $(said gone revoke_us) us, ENODEV and a reset" $status
done
nothing_left && arrives stream -m "vfio:$VRAM_PCI" -s 0 && ordinary_traffic
ktap_ok "a new region is sent from, ordinary traffic" $?
! dmesg | grep -E 'DMAR:.*fault'
ktap_ok "the IOMMU has seen no fault" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Behind an IOMMU, but below a host bridge that is not known to forward between its ports: refused.
# lab: long=region-probe-iommu,region-no-path
# lab: kernel=netgpu
# lab: topology=rootports,iommu
# lab: append=intel_iommu=on
# lab: timeout=60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/probe.sh"
need netgpu lab queue vram
need_programs region_probe

ktap_plan 5
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
[ -e "/sys/class/net/$NETIF/device/iommu_group" ]
ktap_ok "the device is behind the IOMMU" $?
probe -m "vfio:$VRAM_PCI" -P
verdict EXDEV unknown unknown "no peer-to-peer path"
ktap_ok "device memory: EXDEV" $?
probe -m udmabuf -s $((1 << 20))
verdict 0 host host "is host memory"
ktap_ok "host memory: host" $?
nothing_left
ktap_ok "nothing is left" $?
ktap_end

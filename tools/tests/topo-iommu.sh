#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu topo with an IOMMU between.
# lab: long=topo,topo-switch
# lab: kernel=netgpu
# lab: topology=rootports,epyc,iommu
# lab: append=intel_iommu=on
# lab: timeout=120
. "$(dirname "$0")/topo_compare.sh"
topo_compares True device iommu

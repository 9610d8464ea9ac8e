#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu topo below two root ports of a CPU that Linux knows.
# lab: long=topo,topo-switch
# lab: kernel=netgpu
# lab: topology=rootports,epyc
# lab: timeout=120
. "$(dirname "$0")/topo_compare.sh"
topo_compares True device host-bridge

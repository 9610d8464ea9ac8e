#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu topo below two root ports of a host bridge that Linux does not know.
# lab: long=topo,topo-switch
# lab: kernel=netgpu
# lab: topology=rootports
# lab: timeout=120
. "$(dirname "$0")/topo_compare.sh"
topo_compares False unknown unknown

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu topo and a GPU.
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon
# lab: timeout=120
. "$(dirname "$0")/topo_compare.sh"
topo_compares True device switch

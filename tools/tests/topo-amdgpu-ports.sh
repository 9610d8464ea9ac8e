#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu topo and a GPU that the network device has no way to.
# lab: kernel=netgpu
# lab: topology=rootports,novram,radeon
# lab: timeout=120
. "$(dirname "$0")/topo_compare.sh"
topo_compares True host host

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A GPU that i915 drives is unbound and unplugged while data flows into its VRAM.
# lab: kernel=netgpu
# lab: drivers=i915
# lab: topology=switch,novram,dg1
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=i915 slot=dg1
. "$(dirname "$0")/gpu-goes.sh"

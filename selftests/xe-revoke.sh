#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A GPU that xe drives is unbound and unplugged while data flows into its VRAM.
# lab: kernel=netgpu
# lab: drivers=xe
# lab: topology=switch,novram,dg1
# lab: gpu=256/256
# lab: timeout=400
# lab: append=i915.force_probe=!4905 xe.force_probe=4905
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=xe slot=dg1
. "$(dirname "$0")/gpu-goes.sh"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The NIC has no peer-to-peer path to the GPU: that is said, and what lands in host memory is reported as such.
# lab: kernel=netgpu
# lab: drivers=xe
# lab: topology=rootports,novram,dg1
# lab: gpu=256/256
# lab: timeout=240
# lab: append=i915.force_probe=!4905 xe.force_probe=4905
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=xe at_end=0
. "$(dirname "$0")/gpu-no-path.sh"

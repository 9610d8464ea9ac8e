#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data is received into the VRAM of a GPU that xe drives: all of it is there, nothing in host memory. Of a DG1, xe takes the BAR for
# all of VRAM.
# lab: kernel=netgpu
# lab: drivers=xe
# lab: topology=switch,novram,dg1
# lab: gpu=256/256
# lab: timeout=300
# lab: append=i915.force_probe=!4905 xe.force_probe=4905
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=xe
. "$(dirname "$0")/gpu-into-vram.sh"

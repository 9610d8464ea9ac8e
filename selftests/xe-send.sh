#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data is sent out of the VRAM of a GPU that xe drives, which is unbound in the middle.
# lab: kernel=netgpu
# lab: drivers=xe
# lab: topology=switch,novram,dg1
# lab: timeout=200
# lab: gpu=256/256
# lab: append=i915.force_probe=!4905 xe.force_probe=4905
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=xe
. "$(dirname "$0")/gpu-send.sh"

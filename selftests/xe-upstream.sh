#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What Linux does without netgpu: a buffer that its program wants in VRAM alone is refused.
# lab: kernel=upstream
# lab: drivers=xe
# lab: topology=switch,novram,dg1
# lab: gpu=256/256
# lab: append=i915.force_probe=!4905 xe.force_probe=4905
# lab: timeout=120
# lab: debug=it is about a kernel without netgpu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=xe refused=EOPNOTSUPP
. "$(dirname "$0")/gpu-upstream.sh"

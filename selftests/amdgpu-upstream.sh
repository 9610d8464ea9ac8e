#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What Linux does without netgpu: memory of the GPU is received into, every call succeeds, and the data is in host memory.
# lab: kernel=upstream
# lab: long=region-upstream,amdgpu-devmem
# lab: topology=switch,novram,radeon
# lab: timeout=120
# lab: debug=it is about a kernel without netgpu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=amdgpu
. "$(dirname "$0")/gpu-upstream.sh"

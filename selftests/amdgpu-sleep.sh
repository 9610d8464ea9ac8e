#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A GPU that amdgpu has sent to sleep, and who wants to reach its VRAM.
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon,sleepy
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
need netgpu queue amd_gpu
need_programs devmem_recv

modprobe amdgpu runpm=-1 2>/dev/null
gpu_receives
. "$(dirname "$0")/gpu-sleep.sh"

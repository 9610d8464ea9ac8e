#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A GPU that nouveau has sent to sleep, as in a laptop, and who wants to reach its VRAM.
# lab: kernel=netgpu
# lab: drivers=nouveau
# lab: topology=switch,novram,geforce
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
need netgpu queue
need_programs devmem_recv

need_lab_gpu
modprobe nouveau runpm=1
need_lab_gpu_of nouveau
. "$(dirname "$0")/gpu-sleep.sh"

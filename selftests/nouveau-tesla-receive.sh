#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data is received into the VRAM of a GPU of the Tesla generation that nouveau drives: BAR 1 shows what the GPU's MMU maps there.
# As each access of it is a message to the emulated GPU, less data comes than elsewhere, and the BAR is small.
# lab: kernel=netgpu
# lab: drivers=nouveau
# lab: topology=switch,novram,tesla
# lab: gpu=256/32
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=nouveau bytes=$((4 << 20)) large=$((10 << 20))
. "$(dirname "$0")/gpu-into-vram.sh"

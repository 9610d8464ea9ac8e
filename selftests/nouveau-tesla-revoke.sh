#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A GPU of the Tesla generation that nouveau drives is unbound and unplugged while data flows into its VRAM: what buffers have of
# BAR 1 is taken from them.
# lab: kernel=netgpu
# lab: drivers=nouveau
# lab: topology=switch,novram,tesla
# lab: gpu=256/128
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
# Each access is a message to the emulated GPU: of the other program's buffers, MiB, which are moved out of VRAM, and of what is
# looked at byte by byte.
driver=nouveau slot=tesla keep=16 bytes=$((512 << 10))
. "$(dirname "$0")/gpu-goes.sh"

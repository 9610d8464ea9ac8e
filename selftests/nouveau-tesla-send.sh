#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data is sent out of the VRAM of a GPU of the Tesla generation that nouveau drives, which is unbound in the middle. Each access of
# its BAR is a message to the emulated GPU: less data is sent than elsewhere.
# lab: kernel=netgpu
# lab: drivers=nouveau
# lab: topology=switch,novram,tesla
# lab: gpu=256/32
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=nouveau bytes=$((1 << 20))
. "$(dirname "$0")/gpu-send.sh"

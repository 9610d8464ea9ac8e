#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data is received into the VRAM of a GPU that nouveau drives: all of it is there, nothing in host memory.
# lab: kernel=netgpu
# lab: drivers=nouveau
# lab: topology=switch,novram,geforce
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=nouveau
. "$(dirname "$0")/gpu-into-vram.sh"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data is received into the VRAM of a GPU that i915 drives: all of it is there, nothing in host memory.
# lab: kernel=netgpu
# lab: drivers=i915
# lab: topology=switch,novram,dg1
# lab: timeout=300
# lab: console=GPU HANG
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=i915
. "$(dirname "$0")/gpu-into-vram.sh"

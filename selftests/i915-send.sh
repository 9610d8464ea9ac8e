#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data is sent out of the VRAM of a GPU that i915 drives, which is unbound in the middle.
# lab: kernel=netgpu
# lab: drivers=i915
# lab: topology=switch,novram,dg1
# lab: timeout=200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=i915
. "$(dirname "$0")/gpu-send.sh"

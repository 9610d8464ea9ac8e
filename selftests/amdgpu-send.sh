#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data is sent out of the VRAM of a GPU that amdgpu drives, which is unbound in the middle.
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon
# lab: timeout=200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=amdgpu
. "$(dirname "$0")/gpu-send.sh"

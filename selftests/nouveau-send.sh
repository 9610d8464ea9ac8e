#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Data is sent out of the VRAM of a GPU that nouveau drives, which is unbound in the middle.
# lab: kernel=netgpu
# lab: drivers=nouveau
# lab: topology=switch,novram,geforce
# lab: timeout=200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=nouveau
. "$(dirname "$0")/gpu-send.sh"

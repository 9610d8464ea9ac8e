#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A GPU that nouveau drives is unbound and unplugged while data flows into its VRAM.
# lab: kernel=netgpu
# lab: drivers=nouveau
# lab: topology=switch,novram,geforce
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=nouveau slot=geforce
. "$(dirname "$0")/gpu-goes.sh"

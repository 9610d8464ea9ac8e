#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The NIC has no peer-to-peer path to the GPU: that is said, and what lands in host memory is reported as such.
# lab: long=region-no-path,amdgpu-receive
# lab: kernel=netgpu
# lab: topology=rootports,novram,radeon
# lab: timeout=240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=amdgpu at_end=ENODEV
. "$(dirname "$0")/gpu-no-path.sh"

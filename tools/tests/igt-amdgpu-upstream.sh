#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IGT on the emulated Hainan that amdgpu drives, on Linux as it is. That does not survive a power off after the GPU was unbound
# (patches/amdgpu/0005).
# lab: kernel=upstream
# lab: topology=nonic,novram,radeon
# lab: timeout=400
# lab: long=igt-amdgpu
# lab: console=BUG: unable to handle page fault|Oops: Oops
# lab: skips=it ends the machine on this kernel
# lab: debug=it is about a kernel without netgpu
driver=amdgpu list=amdgpu.txt
. "$(dirname "$0")/igt.sh"

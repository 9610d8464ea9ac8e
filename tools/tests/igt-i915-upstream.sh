#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IGT on the emulated DG1 that i915 drives, on Linux as it is: it warns when a GPU is gone (patches/i915/0006), and when the machine
# ends within 100 ms of the GPU's last job (patches/i915/0008).
# lab: kernel=upstream
# lab: drivers=i915
# lab: topology=nonic,novram,dg1
# lab: timeout=580
# lab: console=cut here|WARNING: drivers/gpu/drm/i915/intel_runtime_pm\.c
# lab: debug=it is about a kernel without netgpu
driver=i915 list=i915.txt
. "$(dirname "$0")/igt.sh"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IGT on the emulated DG1 that i915 drives. Linux as it is warns, too, when the machine ends right after a program has touched
# local memory.
# lab: kernel=netgpu
# lab: drivers=i915
# lab: topology=nonic,novram,dg1
# lab: timeout=580
# lab: console=cut here|WARNING: .* at intel_runtime_pm_driver_last_release
driver=i915
. "$(dirname "$0")/igt.sh"

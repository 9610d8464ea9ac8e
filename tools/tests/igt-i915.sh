#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IGT on the emulated DG1 that i915 drives.
# lab: kernel=netgpu
# lab: drivers=i915
# lab: topology=nonic,novram,dg1
# lab: timeout=580
driver=i915 list=i915.txt
. "$(dirname "$0")/igt.sh"

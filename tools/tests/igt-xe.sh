#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IGT on the emulated DG1 that xe drives.
# lab: kernel=netgpu
# lab: drivers=xe
# lab: topology=nonic,novram,dg1
# lab: timeout=580
# lab: gpu=256/256
# lab: append=i915.force_probe=!4905 xe.force_probe=4905
driver=xe list=xe.txt
. "$(dirname "$0")/igt.sh"

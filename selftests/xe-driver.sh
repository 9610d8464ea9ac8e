#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What xe does with the GPU by itself: it drives it without a complaint, clears and moves buffers with the blitter, and survives
# to be unbound, reset, and to lose an interrupt.
# lab: kernel=netgpu
# lab: drivers=xe
# lab: topology=nonic,novram,dg1
# lab: gpu=256/256
# lab: timeout=480
# lab: append=i915.force_probe=!4905 xe.force_probe=4905
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=xe submission=guc hang="Timedout job"
. "$(dirname "$0")/dg1-driver.sh"

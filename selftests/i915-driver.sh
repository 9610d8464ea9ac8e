#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What i915 does with the GPU by itself: it drives it without a complaint, clears and moves buffers with the blitter, and survives
# to be unbound, reset, and to lose an interrupt.
# lab: kernel=netgpu
# lab: drivers=i915
# lab: topology=nonic,novram,dg1
# lab: timeout=480
# lab: console=GPU HANG
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=i915 hang="GPU HANG"
i915_submits
. "$(dirname "$0")/dg1-driver.sh"

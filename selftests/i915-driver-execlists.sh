#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What i915-driver tests, with contexts by execlists instead of the GuC.
# lab: kernel=netgpu
# lab: drivers=i915
# lab: topology=nonic,novram,dg1
# lab: timeout=480
# lab: console=GPU HANG
# lab: append=i915.enable_guc=0
submission=execlists
. "$(dirname "$0")/i915-driver.sh"

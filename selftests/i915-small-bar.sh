#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A BAR smaller than VRAM: a buffer outside of the visible part is moved into it or refused, never bounced.
# lab: kernel=netgpu
# lab: drivers=i915
# lab: topology=switch,novram,dg1
# lab: gpu=512/64
# lab: timeout=240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=i915
. "$(dirname "$0")/gpu-small-bar.sh"

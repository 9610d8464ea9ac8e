#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A BAR smaller than VRAM: a buffer outside of the visible part is moved into it or refused, never bounced. Of a DG1,
# xe takes the BAR for all of VRAM, and complains when the stolen memory at its end is outside.
# lab: kernel=netgpu
# lab: drivers=xe
# lab: topology=switch,novram,dg1
# lab: gpu=512/64
# lab: timeout=240
# lab: console=cut here|WARNING: drivers/gpu/drm/xe/xe_ttm_stolen_mgr\.c
# lab: append=i915.force_probe=!4905 xe.force_probe=4905
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=xe
. "$(dirname "$0")/gpu-small-bar.sh"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A BAR smaller than VRAM: a buffer outside of the visible part is moved into it or refused, never bounced.
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon
# lab: gpu=1024/64
# lab: timeout=240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
driver=amdgpu
. "$(dirname "$0")/gpu-small-bar.sh"

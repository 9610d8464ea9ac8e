#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every wrong request for a region is refused with its own errno and sentence.
# lab: kernel=netgpu
# lab: timeout=90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram
need_programs region_errors

vram_bind
steer_to_queue 1
region_errors "$NETIF" 1 "vfio:$VRAM_PCI"
exit $?

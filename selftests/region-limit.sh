#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# How much memory a user may pin is limited by the sysctl net.netgpu.max_pinned_bytes.
# lab: kernel=netgpu
# lab: timeout=90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram
need_programs region_limit

vram_bind
steer_to_queue 1
region_limit "$NETIF" 1 "vfio:$VRAM_PCI"
exit $?

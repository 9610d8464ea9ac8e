#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each allocation and each copy on the way of each operation fails once: the
# operation ends with an error, or does without, and leaves nothing behind.
# lab: kernel=debug
# lab: timeout=300
# lab: console=DMA-API: cacheline tracking ENOMEM
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/fault.sh"
need netgpu queue vram
need_programs fault_walk

need_faults
vram_bind
steer_to_queue 1 || skip_all "$NETIF does not split headers"
fault_walks "$NETIF" 1 $PORT "vfio:$VRAM_PCI" heap

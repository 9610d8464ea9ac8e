#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# As fault-walk, for sending: regions to send from, as buffers of rings, and devmem's bindings.
# lab: kernel=debug
# lab: timeout=300
# lab: console=DMA-API: cacheline tracking ENOMEM
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/fault.sh"
need netgpu netif vram
need_programs fault_walk pattern_send

need_faults
vram_bind
fault_walks -s "$NETIF" 0 $PORT "vfio:$VRAM_PCI" heap

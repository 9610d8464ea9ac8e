#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# As fault-walk, while payload that came in host memory is copied: into the system heap, and into VRAM that is made of
# several blocks, which amdgpu has to map for that.
# lab: kernel=debug
# lab: topology=switch,novram,radeon
# lab: timeout=300
# lab: console=DMA-API: cacheline tracking ENOMEM
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
. "$(dirname "$0")/fault.sh"
need netgpu queue
need_programs fault_walk

need_faults
gpu_receives
amdgpu -d "$node" info >"$tmp/info"
large=$(several_blocks "$(said info visible)")
steer_to_queue 1 || skip_all "$NETIF does not split headers"
ethtool -X "$NETIF" start 0 equal 1
# more than the ring of queue 1 takes: copies need a buffer too
fault_walks -c "$NETIF" 1 $PORT "heap,$((4 << 20))" "gpu:$node,$large"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# As fault-walk, with VRAM under amdgpu: what its exporter allocates fails as well.
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
steer_to_queue 1 || skip_all "$NETIF does not split headers"
fault_walks "$NETIF" 1 $PORT "gpu:$node"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The machine sleeps while data is received into VRAM that amdgpu drives: the region ends before, and the GPU can be received
# into when it is awake.
# lab: long=amdgpu-sleep
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon,sleep
# lab: timeout=200
# lab: append=no_console_suspend
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
need netgpu queue
. "$(dirname "$0")/gpu-revoke.sh"
. "$(dirname "$0")/asleep.sh"

gpu_receives
ktap_plan 15
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
flood_start

flowing idle -r
asleep freeze
ktap_ok "idle: the machine sleeps, and wakes" $?
ends idle
works idle

flowing memory -r
asleep mem core
ktap_ok "memory: the machine sleeps, and wakes" $?
ends memory
works memory
ktap_end

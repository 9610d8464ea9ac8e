#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A probe where network device and memory have no path: it says so as making a region does.
# lab: long=region-probe
# lab: kernel=netgpu
# lab: topology=rootports
# lab: timeout=60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/probe.sh"
need netgpu lab queue vram
need_programs region_probe

ktap_plan 7
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
probe -m "vfio:$VRAM_PCI" -P
verdict EXDEV unknown unknown "no peer-to-peer path"
ktap_ok "device memory with REQUIRE_P2P: EXDEV" $?
[ "$(said probe message)" = "$(said probe create_message)" ]
ktap_ok "in the same words as create" $?
[ "$(said probe distance)" = -1 ]
ktap_ok "without a distance" $?
probe -m "vfio:$VRAM_PCI"
verdict EINVAL unknown unknown "no peer-to-peer path"
ktap_ok "without: the exporter's EINVAL" $?
probe -m heap -s $((1 << 20))
verdict 0 host host "is host memory"
ktap_ok "host memory: host" $?
nothing_left
ktap_ok "nothing is left" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Through a host bridge that is known to forward between its ports: a probe says so, and data comes.
# lab: long=region-probe
# lab: kernel=netgpu
# lab: topology=rootports,epyc
# lab: timeout=90
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
verdict 0 device host-bridge
ktap_ok "device memory: device, through the host bridge" $?
ktap_say "distance $(said probe distance)"
probe -m udmabuf -s $((1 << 20))
verdict 0 host host "is host memory"
ktap_ok "host memory: host" $?
stream vram 9001 $((16 << 20)) -m "vfio:$VRAM_PCI" -P
ktap_ok "a stream into device memory, every byte in its place" $?
[ "$(said vram placement)" = device ]
ktap_ok "its placement is device" $?
nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

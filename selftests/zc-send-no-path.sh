#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The network device and the memory have no bridge in common, and the host bridge does not forward between its ports: device
# memory is not sent from, with the reason; host memory is as ever.
# lab: kernel=netgpu
# lab: topology=rootports
# lab: timeout=90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/send.sh"
need netgpu lab netif vram
need_programs zc_send

ktap_plan 4
vram_bind
zc_send -i "$NETIF" -a "$REMOTE_V4" -p 9300 -m "vfio:$VRAM_PCI" -s 0 -n 65536 >"$tmp/region" 2>&1
! grep -q '^connected' "$tmp/region" && grep -q 'NETGPU_IOC_REGION_CREATE: no peer-to-peer path.*: Invalid argument' "$tmp/region"
status=$?
ktap_ok "a region of device memory: \"$(cat "$tmp/region")\"" $status
zc_send -i "$NETIF" -a "$REMOTE_V4" -p 9300 -w cmsg -m "vfio:$VRAM_PCI" -s 0 -n 65536 >"$tmp/devmem" 2>&1
! grep -q '^connected' "$tmp/devmem" && grep -q 'NETDEV_CMD_BIND_TX: .*: Invalid argument' "$tmp/devmem"
status=$?
ktap_ok "a binding of devmem: \"$(cat "$tmp/devmem")\"" $status
arrives stream -m heap -s $((4 << 20))
ktap_ok "host memory is sent from" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
ktap_end

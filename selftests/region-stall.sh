#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A revocation takes bounded time, also while user space makes the kernel wait for a page of the area it adds.
# lab: kernel=netgpu
# lab: timeout=90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"

ktap_plan 5
vram_bind
steer_to_queue 1
region_stall "$NETIF" 1 "vfio:$VRAM_PCI" >/tmp/stall 2>&1
ktap_ok "the area was added to, and the memory revoked" $?
sed 's/^/# /' /tmp/stall
us=$(said stall revoke_us)
[ "${us:-9999999}" -lt 5000000 ]
ktap_ok "the revocation did not wait for user space ($us us)" $?
[ "$(said stall add)" = EFAULT ]
ktap_ok "adding an area to a queue that has ended: EFAULT" $?
nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

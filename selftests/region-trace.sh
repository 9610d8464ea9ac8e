#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Trace events tell a region's life: attach, bind, copy, revoke, unbind.
# lab: kernel=netgpu
# lab: timeout=90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram

need_tracing

# traced NAME: keep what was traced since the last time in $tmp/NAME.trace
traced() {
	sed -n 's/^.*: \(netgpu_[a-z]*: .*\)/\1/p' $tracing/trace >"$tmp/$1.trace"
	echo >$tracing/trace
}

# events NAME: the names of its events, without repetitions; without copies that are refused after a revocation
events() {
	sed '/^netgpu_revoke/,$ { /^netgpu_copy: .* error=-/d }; s/^netgpu_\([a-z]*\):.*/\1/' "$tmp/$1.trace" | uniq | paste -sd' '
}

# has NAME REGEX: an event that matches
has() {
	grep -Eq "$2" "$tmp/$1.trace" || { ktap_say "$(cat "$tmp/$1.trace")"; return 1; }
}

ktap_plan 9
vram_bind
steer_to_queue 1
nic=$(basename "$(readlink "/sys/class/net/$NETIF/device")")
echo 1 >$tracing/events/netgpu/enable
undo sh -c "echo 0 >$tracing/events/netgpu/enable"
traced before

receive revoked -p 9001 -m "vfio:$VRAM_PCI" -r -x disable -a $((4 << 20)) &&
	remote -b pattern_send "$LOCAL_V4" 9001 $((4 << 30)) >/dev/null && wait "$receiver" && nothing_left
ktap_ok "nothing is left" $?
traced revoked
[ "$(events revoked)" = "attach bind revoke unbind" ]
status=$?
ktap_ok "events in order: $(events revoked)" $status
has revoked "^netgpu_attach: dev=$nic exporter=vfio_pci_core size=[0-9]+ peer2peer=1$"
ktap_ok "attach names device, exporter, size, peer-to-peer" $?
has revoked "^netgpu_bind: region=[0-9a-f]+ dev=$nic offset=0 length=[0-9]+ placement=device$"
ktap_ok "bind names device, range, placement" $?
has revoked "^netgpu_revoke: region=[0-9a-f]+ dev=$nic bound=1$"
ktap_ok "revoke says that the region was bound" $?
[ "$(grep -o 'region=[0-9a-f]*' "$tmp/revoked.trace" | sort -u | wc -l)" = 1 ]
ktap_ok "all of one region" $?

receive small -p 9002 -m udmabuf -s $((16 << 20)) -r -n 65536
remote pattern_send -c 32 "$LOCAL_V4" 9002 65536
wait "$receiver"
nothing_left
traced small
[ "$(events small)" = "attach bind copy unbind" ]
status=$?
ktap_ok "events in order: $(events small)" $status
has small "^netgpu_copy: region=[0-9a-f]+ offset=[0-9]+ length=[0-9]+ cause=header error=0$"
ktap_ok "copy names range and cause" $?
copied=$(sed -n 's/^netgpu_copy:.* length=\([0-9]*\) cause=header error=0$/\1/p' "$tmp/small.trace" | paste -sd+ | bc)
[ "${copied:-0}" = "$(said small header)" ]
ktap_ok "the bytes of all copies are those that the region counts (${copied:-0})" $?
ktap_end

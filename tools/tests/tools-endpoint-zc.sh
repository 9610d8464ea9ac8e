#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Endpoints of libnetgpu with a network device: payload lands in the memory of another device, or in the host's, and is sent out of it;
# the peer is on the other side of the cable, in host memory.
# lab: topology=switch
# lab: timeout=300
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/endpoints.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools:$top/build/tools/tests
need_netif
need_programs netgpu endpoint_peer
[ -n "${VRAM_PCI:-}" ] || skip_all "there is no device with memory"
port=5215

# pairs MEMORY: 8 results, 14 without something that moves payload
pairs() {
	port=$((port + 1))
	endpoints "${1%%:*}" $port endpoint_peer "$1"
}

ktap_plan 49
freed_without_network
vram_bind
ktap_run "netgpu setup" netgpu setup "$NETIF" --queue 1 --all-flows
undo netgpu reset "$NETIF"
pairs "vfio:$VRAM_PCI"
pairs udmabuf
# Something else moves what has arrived.
pairs slow
moved_by_gpu && grep -q '^# orders .* put off [1-9].* not failed$' "$tmp/peer"
ktap_ok "slow: all payload was moved by a copier, whose hands were full at times" $?
pairs slow:9
grep -q '^# orders that were carried out 8, .* it has failed$' "$tmp/peer"
ktap_ok "slow:9: and by the CPU since it has failed, in the middle of an order" $?
listener=$(remote -b "build/tools/tests/endpoint_peer listen 5230")
wait_for 20 remote 'ss -Hltn sport = :5230 | grep -q .'
endpoint_peer connect "$REMOTE_V4" 5230 "$NETIF" 1 slow-abort >"$tmp/peer" 2>&1
status=$?
ktap_say "$(cat "$tmp/peer")"
ktap_ok "an endpoint that is aborted waits for what is being copied for it" $status
remote -k "$listener" >/dev/null 2>&1
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A DMA engine of a GPU that amdgpu drives moves what endpoints receive, inside the GPU's memory.
# lab: topology=switch,novram,radeon
# lab: timeout=400
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/../../selftests/gpu.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools
need_netif
need_programs netgpu
[ -x "$top/build/tools/amdgpu/test" ] || skip_all "what uses amdgpu's engines is not built: libdrm_amdgpu's headers are not here"
gpu_load

ktap_plan 12
coproc "$top/build/tools/amdgpu/test" /dev/dri/renderD128 ${LAB_GPU:+ask} 2>&1
tester=$COPROC_PID
while read -r line <&"${COPROC[0]}"; do
	case $line in
	"? "*)
		gpu_control "${line#? }" >/dev/null
		echo >&"${COPROC[1]}"
		;;
	*) echo "    $line" ;;
	esac
done
wait "$tester"
ktap_ok "copies of all kinds, and an engine that is busy, and hangs" $?
ktap_run "netgpu setup" netgpu setup "$NETIF" --queue 1
undo netgpu reset "$NETIF"
listener=$(remote -b "build/tools/tests/endpoint_peer listen 5221")
wait_for 20 remote 'ss -Hltn sport = :5221 | grep -q .'
"$top/build/tools/amdgpu/endpoint_peer" connect "$REMOTE_V4" 5221 "$NETIF" 1 sdma:/dev/dri/renderD128 >/tmp/peer 2>&1
while read -r line; do
	case $line in
	"ok "*) ktap_ok "endpoints: ${line#ok * }" 0 ;;
	"not ok "*) ktap_ok "endpoints: ${line#not ok * }" 1 ;;
	*) ktap_say "$line" ;;
	esac
done </tmp/peer
remote -k "$listener" >/tmp/listener 2>&1
ktap_ok "the peer has ended well" "$(grep -q '^ended 0' /tmp/listener; echo $?)"
# All payload, that of messages is behind the header of control messages.
grep -q '^# in place 0, moved \([1-9][0-9]*\) (\1 by the GPU)' /tmp/peer
ktap_ok "all of what came was moved by the engine" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
ktap_end

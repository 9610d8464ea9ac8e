#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A DMA engine of a GPU that amdgpu drives moves what endpoints receive, inside the GPU's memory.
# lab: topology=switch,novram,radeon
# lab: timeout=400
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/endpoints.sh"
. "$(dirname "$0")/../../selftests/gpu.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools
need_netif
need_programs netgpu
[ -x "$top/build/tools/amdgpu/test" ] || skip_all "what uses amdgpu's engines is not built: libdrm_amdgpu's headers are not here"
gpu_load

ktap_plan 12
freed_without_network
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
ktap_run "netgpu setup" netgpu setup "$NETIF" --queue 1 --all-flows
undo netgpu reset "$NETIF"
endpoints endpoints 5221 "$top/build/tools/amdgpu/endpoint_peer" sdma:/dev/dri/renderD128
moved_by_gpu
ktap_ok "all of what came was moved by the engine" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
ktap_end

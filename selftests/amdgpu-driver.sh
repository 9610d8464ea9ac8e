#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What amdgpu does with the GPU by itself: it drives it without a complaint, moves and copies buffers, and survives to be
# unbound and reset.
# lab: kernel=netgpu
# lab: topology=nonic,novram,radeon
# lab: timeout=240
# lab: console=ring sdma0 timeout
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gpu.sh"
need amd_gpu

engines() {
	amdgpu -d "$node" copy >"$tmp/copy" || return 1
	if ! grep -q ' ok$' "$tmp/copy" || grep -v ' ok$' "$tmp/copy"; then
		ktap_say "$(cat "$tmp/copy")"
		return 1
	fi
}

need_programs amdgpu
dmesg -C
gpu_load
loaded=$?
ktap_plan 18
ktap_ok "amdgpu drives the GPU, and there is a render node" $loaded
gpu_silent 'disabled ip block: 5 <si_dpm>' # as its parameters ask for
ktap_ok "it has nothing to complain about" $?
amdgpu -d "$node" info >"$tmp/info"
vram=$(sed -n 's/^vram //p' "$tmp/info")
visible=$(sed -n 's/^visible //p' "$tmp/info")
[ "${vram:-0}" -gt $((64 << 20)) ]
ktap_ok "VRAM: $((vram >> 20)) MiB, $((visible >> 20)) MiB visible" $?
engines
ktap_ok "each DMA engine copies between VRAM and GTT, byte for byte" $?
amdgpu -d "$node" fence >"$tmp/fence"
[ "$(sed -n 's/^fences //p' "$tmp/fence")" = 200 ]
ktap_ok "200 small copies, each waited for" $?
if room_to_evict "$vram"; then
	amdgpu -d "$node" evict >"$tmp/evict"
	intact=$(sed -n 's/^intact //p' "$tmp/evict")
	[ "${intact:-0}" -gt 0 ] && [ "$intact" = "$(sed -n 's/^buffers //p' "$tmp/evict")" ]
	ktap_ok "buffers of 1.5 times VRAM are intact" $?
	moved=$(sed -n 's/^moved //p' "$tmp/evict")
	[ "$moved" -gt $((vram / 4)) ]
	ktap_ok "and the driver has moved $((moved >> 20)) MiB" $?
else
	ktap_skip "buffers of 1.5 times VRAM are intact" "less than $((vram >> 20)) MiB of host memory are available for what has to leave"
	ktap_skip "and the driver has moved them" "less than $((vram >> 20)) MiB of host memory are available for what has to leave"
fi
gpu_debugfs amdgpu_test_ib | grep -q "ib ring tests passed"
ktap_ok "every ring executes an indirect buffer" $?

if gpu_may_be_taken; then
	echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/unbind
	[ ! -e "$node" ]
	ktap_ok "unbound, it has no render node" $?
	echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/bind
	gpu_node
	ktap_ok "bound again, it has one" $?
	engines
	ktap_ok "and its engines copy" $?
	gpu_debugfs amdgpu_gpu_recover >/dev/null
	sleep 1
	engines
	ktap_ok "after a reset its engines copy" $?
else
	for ((i = 0; i < 4; i++)); do ktap_skip "unbind and reset" "only with GPU_DESTRUCTIVE=1"; done
fi

if [ -n "$LAB_GPU" ]; then
	gpu_silent 'disabled ip block: 5 <si_dpm>'
	ktap_ok "all that without a complaint" $?
	gpu_control summary >"$tmp/summary"
	[ "$(json_value "$tmp/summary" unknown_packets)" = 0 ] && [ "$(json_value "$tmp/summary" faults)" = 0 ] &&
		[ "$(json_value "$tmp/summary" unreachable_bytes)" = 0 ]
	ktap_ok "no packet was unknown, and no address" $?
	reads=$(json_value "$tmp/summary" register_reads)
	writes=$(json_value "$tmp/summary" register_writes)
	[ "$(json_value "$tmp/summary" unknown_registers)" = 0 ]
	ktap_ok "nor a register, of $reads reads and $writes writes" $?
	gpu_control stall sdma0 >/dev/null
	amdgpu -d "$node" try >"$tmp/try"
	result=$(sed -n 's/^result //p' "$tmp/try")
	[ -n "$result" ] && [ "$result" != 0 ]
	ktap_ok "an engine that hangs ends with an error: $result" $?
	engines
	ktap_ok "and works after the driver's reset" $?
	lost=$(json_value "$tmp/summary" interrupts_lost)
	gpu_control interrupts drop >/dev/null
	amdgpu -d "$node" try >"$tmp/try"
	gpu_control interrupts pass >/dev/null
	gpu_control summary >"$tmp/summary"
	[ "$(sed -n 's/^result //p' "$tmp/try")" = 0 ] && [ "$(json_value "$tmp/summary" interrupts_lost)" -gt "$lost" ]
	ktap_ok "a lost interrupt only costs time" $?
else
	for ((i = 0; i < 6; i++)); do ktap_skip "faults on demand" "only the emulated GPU has them"; done
fi
ktap_end

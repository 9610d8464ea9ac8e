#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# With module.inherit_gpl_only_warn=1, re-exports of GPL-only symbols are reported instead of refused. So there can be an
# exporter of dma-bufs whose module is proprietary; netgpu does not take its memory.
# lab: long=gpl-gate
# lab: kernel=netgpu
# lab: timeout=120
# lab: append=module.inherit_gpl_only_warn=1
# lab: modules=gate
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gate.sh"
need netgpu queue
need_programs devmem_recv region_probe

need_modules
need_tracing
[ "$(cat /sys/module/module/parameters/inherit_gpl_only_warn 2>/dev/null)" = Y ] ||
	skip_all "the kernel was not started with module.inherit_gpl_only_warn=1"

# reported NAME REGEX MODULE: it is loaded, and REGEX is in the log
reported() {
	local status=1
	if load "$3" && grep -Eq "^$3: $2" <<<"$log"; then status=0; else ktap_say "$log"; fi
	ktap_ok "$1" $status
}

# tried: probe and create a region of one page of the exporter
tried() {
	dmesg -C
	region_probe -i "$NETIF" -q 1 -m export:/dev/gate_exporter -s 4096 >"$tmp/tried" 2>&1 || ktap_say "$(cat "$tmp/tried")"
}

# says_why KEY WORDS: what was tried ended with EPERM, and says WORDS
says_why() {
	[ "$(said tried "$1")" = EPERM ] && grep -q "^$2 .*gate_exporter_proprietary is proprietary" "$tmp/tried" && return
	ktap_say "$(cat "$tmp/tried")"
	return 1
}

# mapped MODULE: how often the exporter was asked to map its memory
mapped() {
	cat "/sys/module/$1/parameters/mapped"
}

refused=/proc/sys/net/netgpu/refused_exporters
ktap_plan 28
steer_to_queue 1
load gate_shim
reported "a proprietary user is reported, and loaded" "$(why_not gate_shim_call gate_shim)" gate_user
loads linux "(a GPL user is loaded)" gate_chain
reported "so is one at the end of a chain" "$(why_not gate_chain_call gate_chain)" gate_user_chain
load gate_base
for letter in a b c d; do
	reported "so is a GPL module that uses both: $letter" \
		"(module uses symbol gate_base_$letter of proprietary module gate_base, and one of a module|$(why_not gate_shim_call gate_shim))" \
		gate_both_$letter
done
unload
ktap_ok "all is unloaded" $?

load gate_exporter_layer
loads linux "an exporter that is GPL is loaded" gate_exporter_gpl
tried
[ "$(said tried probe)" = 0 ] && [ "$(said tried create)" = 0 ] && [ "$(cat $refused)" = 0 ]
ktap_ok "its memory becomes a region, and none was refused" $?
[ "$(mapped gate_exporter_gpl)" -gt 0 ]
ktap_ok "it was asked to map it" $?
rmmod gate_exporter_gpl

for disguised in 0 1; do
	if [ $disguised = 0 ]; then how="by its name"; else how="in disguise"; fi
	load gate_exporter_proprietary disguised=$disguised
	grep -q "^gate_exporter_proprietary: $(why_not 'gate_exporter_[a-z]*' gate_exporter_layer)" <<<"$log"
	ktap_ok "$how: a proprietary exporter over a layer is reported, and loaded" $?
	before=$(cat $refused)
	tried
	says_why probe message
	ktap_ok "$how: probe names it as the cause" $?
	says_why create create_message
	ktap_ok "$how: its memory is refused, with EPERM and a sentence" $?
	[ "$(cat $refused)" = $((before + 2)) ]
	ktap_ok "$how: both are counted" $?
	[ "$(mapped gate_exporter_proprietary)" = 0 ]
	ktap_ok "$how: and it was not asked to map anything" $?
	dmesg | grep -q "netgpu: refused memory of the proprietary module gate_exporter_proprietary (exporter gate_exporter)"
	ktap_ok "$how: and noted in the log" $?
	rmmod gate_exporter_proprietary
done

load gate_exporter_proprietary
# Without a region it is as it ever was: attached, but not as a peer.
echo 1 >$tracing/events/netgpu/netgpu_attach/enable
receive zcrx -m export:/dev/gate_exporter -s 4096
ktap_ok "io_uring's zero-copy receive takes it, as Linux does" $?
kill "$receiver"
wait "$receiver" 2>/dev/null
nothing_left
receive_with=devmem_recv receive devmem -m export:/dev/gate_exporter -s 4096
ktap_ok "so does devmem" $?
kill "$receiver"
wait "$receiver" 2>/dev/null
nothing_left
[ "$(grep -c 'exporter=gate_exporter .*peer2peer=0' $tracing/trace)" = 2 ] && ! grep -q peer2peer=1 $tracing/trace
ktap_ok "but by static attachments, which no peer has" $?
[ "$(region_count regions)" = 0 ] && unload
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

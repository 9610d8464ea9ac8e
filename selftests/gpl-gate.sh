#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who may use netgpu's symbols, and who may use what their users export: only modules whose licence is GPL-compatible.
# lab: kernel=netgpu
# lab: topology=nonic,novram
# lab: timeout=150
# lab: modules=gate
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gate.sh"
need netgpu root
need_programs region_count

need_modules
[ "$namespace" = NETGPU ] || skip_all "this kernel has no netgpu"

ktap_plan $((GATE_LINUX + GATE_SYMBOL_GET + GATE_REEXPORT + 7))
gate_linux
gate_symbol_get
gate_reexport

load gate_exporter_layer
loads linux "an honest module is loaded" gate_honest
has gate_honest placement 1 && has gate_honest bound Y
result linux "it has a region in host memory, and has bound it" $?
[ "$(region_count regions)" = 1 ]
result linux "netgpu knows that region" $?
! rmmod gate_honest 2>/dev/null
result linux "it cannot be unloaded as long as that is bound" $?
echo 1 >/sys/module/gate_honest/parameters/revoke
wait_for 10 has gate_honest bound N
result linux "it is told when its region is revoked" $?
unload
result linux "then it is unloaded" $?
[ "$(region_count regions)" = 0 ]
result linux "and its region is gone" $?
ktap_end

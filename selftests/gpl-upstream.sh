#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the patches to the module loader are worth: the same on Linux as it is, with a GPL-only symbol of dma-buf instead of
# netgpu's. What rests on them has to fail here, and is named.
# lab: kernel=upstream
# lab: long=gpl-gate
# lab: topology=nonic,novram
# lab: timeout=150
# lab: modules=gate
# lab: debug=it is about a kernel without the patches
. "$(dirname "$0")/lib.sh"

result() {
	case $1 in
	linux) ktap_ok "$2" "$3" ;;
	*) ktap_ok "without the patch, this does not hold: $2" $((! $3)) ;;
	esac
}
. "$(dirname "$0")/gate.sh"
need upstream root

need_modules
[ "$namespace" = DMA_BUF ] || skip_all "this kernel has netgpu"

ktap_plan $((GATE_LINUX + GATE_SYMBOL_GET + GATE_REEXPORT))
gate_linux
gate_symbol_get
gate_reexport
ktap_end

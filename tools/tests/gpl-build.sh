#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# modpost refuses to build who may not use netgpu's symbols, unless it is told that they are for everyone; and the licences
# of the interface, which anyone may use.
# lab: machine=none
# lab: kernel=netgpu
# lab: timeout=120
# lab: modules=gate
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
linux=$top/build/linux/netgpu
[ -e "$linux/obj/Module.symvers" ] || skip_all "the lab's kernel is not built"
need_programs make gcc

built=$top/build/gate/modpost
undo rm -rf "$built"

# modpost MODULE: build it, and what it is made on, with the kernel as it is
modpost() {
	rm -rf "$built"
	mkdir -p "$built"
	make -C "$linux" O="$linux/obj" M="$top/selftests/gate" MO="$built" obj-m="$1.o gate_exporter_layer.o" modules 2>&1
}

# refuses MODULE WORDS: it does not build, for this reason
refuses() {
	local said
	said=$(modpost "$1") && { echo "it does build"; return 1; }
	[ ! -e "$built/$1.ko" ] && grep -q "^ERROR: modpost: $1.ko: $2" <<<"$said" && return
	echo "$said"
	return 1
}

# builds MODULE
builds() {
	modpost "$1" && [ -e "$built/$1.ko" ]
}

# licence FILE...: with these words in the first line
licence() {
	local words=$1 file
	shift
	for file; do
		head -n 2 "$file" | grep -q "SPDX-License-Identifier: $words\( \*/\)\?$" || { echo "$file: $(head -n 1 "$file")"; return 1; }
	done
}

ktap_plan 11
ktap_run "an honest module builds" builds gate_honest
ktap_run "a proprietary user of netgpu does not" \
	refuses gate_proprietary "GPL-incompatible module uses GPL-only symbol 'netgpu_region_put'"
ktap_run "nor a GPL module that does not import the namespace" \
	refuses gate_bare "module uses symbol 'netgpu_region_put' from namespace 'NETGPU', but does not import it."
ktap_run "nor a proprietary exporter of dma-bufs" \
	refuses gate_exporter_direct "GPL-incompatible module uses GPL-only symbol 'dma_buf_export'"
for module in gate_proprietary gate_bare gate_exporter_direct; do
	[ -e "$top/build/gate/netgpu/$module.ko" ]
	ktap_ok "$module: with a Module.symvers that says so, it is built" $?
done

symvers=$(grep -c $'\tnetgpu_' "$linux/obj/Module.symvers")
[ "$(sed -n 's/^[^\t]*\t\(netgpu_[a-z_]*\)\t[^\t]*\t\(.*\)$/\2/p' "$linux/obj/Module.symvers" | sort -u)" = $'EXPORT_SYMBOL_GPL\tNETGPU' ]
ktap_ok "all symbols of netgpu are GPL-only and in its namespace ($symvers)" $?
ktap_run "the UAPI carries the syscall note" \
	licence '((GPL-2.0 WITH Linux-syscall-note) OR MIT)' "$top"/uapi/*.h
ktap_run "so does what the kernel installs of it" grep -q 'GPL-2.0 WITH Linux-syscall-note) OR MIT' "$linux/obj/usr/include/linux/netgpu.h"
ktap_run "the library may be linked by any program" licence 'LGPL-2.1 OR MIT' "$top"/tools/lib/*.[ch]
ktap_end

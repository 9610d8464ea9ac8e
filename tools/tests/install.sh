#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make install puts all where it is found, a program is built against it, and make uninstall takes all of it away.
# lab: machine=none
# lab: timeout=120
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
need_programs make gcc pkgconf
prefix=/opt/netgpu
work=$(mktemp -d) && undo rm -rf "$work"
parts=(install install-fabric install-amdgpu)
[ -e "$top/build/tools/libnetgpu-vulkan.so" ] && parts+=(install-vulkan)

made() { # TARGET...
	make -s -C "$top/tools" O="$top/build/tools" CC="ccache gcc" KSRC="$top/build/linux/netgpu" \
		KHDR_INCLUDES="-isystem $top/build/linux/netgpu/obj/usr/include" DESTDIR="$work" PREFIX="$prefix" "$@" 2>&1 | sed 's/^/# /'
	return "${PIPESTATUS[0]}"
}

ktap_plan 7
made "${parts[@]}"
ktap_ok "make ${parts[*]}" $?
"$work$prefix/sbin/netgpu" --version | grep -q '^netgpu 1'
ktap_ok "the command runs" $?
calls=$(sed -n 's/^\(int\|void\|const char \*\|struct netgpu_mr \*\|uint64_t\|void \*\)\( \?\**\)\(netgpu_[a-z_]*\)(.*/\3/p' "$work$prefix"/include/libnetgpu.h "$work$prefix"/include/libnetgpu_endpoint.h |
	sort -u)
missing=$(for call in $calls; do [ -e "$work$prefix/share/man/man3/$call.3" ] || echo "$call"; done)
[ "$(wc -w <<<"$calls")" -gt 40 ] && [ -z "$missing" ]
ktap_ok "each call has a manual page $missing" $?
printf '#include <libnetgpu_endpoint.h>\n#include <stdio.h>\nint main(void) { puts(netgpu_version()); return 0; }\n' >"$work/program.c"
export PKG_CONFIG_PATH=$work$prefix/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work
# shellcheck disable=SC2046 # flags
gcc -o "$work/program" "$work/program.c" $(pkgconf --cflags --libs libnetgpu) && LD_LIBRARY_PATH=$work$prefix/lib "$work/program" | grep -q '^1'
ktap_ok "a program is built against it by pkg-config, and runs" $?
readelf -d "$work/program" | grep -q 'libnetgpu.so.1'
ktap_ok "with the library's name as it stays" $?
rm "$work/program" "$work/program.c"
unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
made uninstall
ktap_ok "make uninstall" $?
left=$(find "$work" ! -type d | sed "s#^$work##" | tr '\n' ' ')
[ -z "$left" ]
ktap_ok "nothing is left $left" $?
ktap_end

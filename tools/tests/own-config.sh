#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu over the configuration of a kernel that people run: Debian's own. configs/own/ goes in, and what is ours compiles with it.
# make deb KCONFIG=FILE builds all of such a kernel, which takes hours here.
# lab: machine=none
# lab: packages=linux-config-7.2
# lab: timeout=300
# lab: more=600
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
linux=$top/build/linux/netgpu
config=$(compgen -G "/usr/src/linux-config-7.*/config.amd64_none_amd64*" | head -n 1)
[ -n "$config" ] || skip_all "the configuration of Debian's kernel could not be fetched"
[ -e "$linux/Makefile" ] || skip_all "there is no kernel source: make kernel fetches it"
need_programs make gcc xz
work=$(mktemp -d) && undo rm -rf "$work"

made() { # TARGET...
	make -s -C "$linux" O="$work/obj" CC="ccache gcc" HOSTCC="ccache gcc" -j2 "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" | sed 's/^/# /'; return 1; }
}

# over FILE: the configuration with configs/own/ over it, and what of that came out otherwise
over() {
	mkdir -p "$work/obj"
	{ xz -dcf "$1"; cat "$top"/configs/own/*.config; } >"$work/obj/.config"
	made olddefconfig || return 1
	grep '^CONFIG' "$top/configs/own/own.config" | grep -vxFf "$work/obj/.config" >"$work/otherwise"
	sed 's/^/# otherwise: /' "$work/otherwise"
}

ktap_plan $((MORE ? 4 : 3))
xz -dcf "$config" >"$work/config" && over "$work/config" && [ ! -s "$work/otherwise" ]
ktap_ok "all of configs/own/ is in Debian's configuration then" $?
[ "$(grep -c '=[ym]' "$work/config")" -gt 5000 ] && missing=$(grep '=m$' "$work/config" | grep -vxFf "$work/obj/.config" | sed 's/=.*//' | xargs) && [ "$(wc -w <<<"$missing")" -lt 20 ]
ktap_ok "and what was a module stays one" $?
if [ -n "$MORE" ]; then
	made prepare net/netgpu/ net/core/devmem.o io_uring/zcrx.o
	ktap_ok "net/netgpu, devmem and zcrx compile with it" $?
fi
{ grep -v 'CONFIG_PCI=y' "$work/config"; echo "# CONFIG_PCI is not set"; } >"$work/without" && over "$work/without" && grep -q CONFIG_PCI_P2PDMA "$work/otherwise"
ktap_ok "a configuration that cannot have it is found" $?
ktap_end

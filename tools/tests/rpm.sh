#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make rpm: the packages are built from what is here, and what is in them runs.
# lab: long=install
# lab: machine=none
# lab: packages=rpm
# lab: timeout=300
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
need_programs rpmbuild rpm2archive tar make gcc
work=$(mktemp -d) && undo rm -rf "$work"

ktap_plan 4
ktap_run "the packages are built" "$top/tools/lab/rpm" "$work/rpm"
found=$(find "$work/rpm/RPMS" -name '*.rpm' | sed 's#.*/##; s#-[0-9].*##' | sort | xargs)
[ "$found" = "netgpu netgpu-devel netgpu-libfabric" ]
ktap_ok "which are: $found" $?
mkdir "$work/root"
for file in "$work"/rpm/RPMS/*/*.rpm; do
	rpm2archive -n "$file" | tar -x -C "$work/root"
done
LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name libnetgpu.so.1)") "$work/root/usr/sbin/netgpu" --version | grep -q '^netgpu 1'
ktap_ok "the command runs" $?
missing=$(make -s -C "$top/tools" O="$work/rpm/BUILD/netgpu-$(sed -n 's/^Version: *//p' "$top/rpm/netgpu.spec")-build/netgpu-out" DESTDIR="$work/all" PREFIX=/usr \
	LIBDIR="$(pkg-config --variable=libdir libfabric)" BINDIR=/usr/sbin install install-fabric install-amdgpu >/dev/null &&
	find "$work/all" ! -type d | sed "s#^$work/all##; s#\.gz\$##" | sort >"$work/wanted" &&
	find "$work/root" ! -type d | sed "s#^$work/root##; s#\.gz\$##" | sort | comm -23 "$work/wanted" - | xargs)
[ -s "$work/wanted" ] && [ -z "$missing" ]
ktap_ok "all that make install installs is in one of them $missing" $?
ktap_end

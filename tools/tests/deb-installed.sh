#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A Debian system with the packages: nothing of the repository is used but this file.
# lab: system=installed
# lab: topology=switch
# lab: timeout=300
# shellcheck disable=SC2154 # tmp is lib.sh's
PATH=$PATH:/usr/lib/netgpu/selftests
. /usr/lib/netgpu/selftests/lib.sh
. /usr/lib/netgpu/selftests/vram.sh

package_of() {
	dpkg -S "$1" 2>/dev/null | cut -d: -f1
}

ktap_plan 10
[ "$(package_of "$(command -v netgpu)")" = netgpu-tools ] && [ "$(package_of "/boot/vmlinuz-$(uname -r)")" = "linux-image-$(uname -r)" ]
status=$? release=$(uname -r)
ktap_ok "kernel $release and command are the packages'" $status
! dpkg --audit | grep -q .
ktap_ok "dpkg has nothing to say against any" $?
missing=$(for p in netgpu.1 netgpu-topo.1 netgpu-setup.1 netgpu-bench.1 fi_netgpu.7; do [ -e "/usr/share/man/man${p##*.}/$p.gz" ] || echo "$p"; done)
[ -z "$missing" ]
ktap_ok "manual pages are there $missing" $?
vram_bind
netgpu topo --expect >"$tmp/topo" && grep -q "$NETIF and vfio $VRAM_PCI" "$tmp/topo"
ktap_ok "netgpu topo shows what there is" $?
ktap_run "netgpu setup" netgpu setup "$NETIF" --queue 1 --all-flows
netgpu probe "$NETIF" --queue 1 --gpu "vfio:$VRAM_PCI" | grep -q "peer-to-peer through PCI bridges"
ktap_ok "the device's memory can be received into" $?
netgpu reset "$NETIF"
ktap_ok "netgpu reset" $?
fi_info -p netgpu | grep -q "provider: netgpu"
ktap_ok "libfabric finds the provider by itself" $?
bash /usr/lib/netgpu/selftests/region-receive.sh >"$tmp/selftest" 2>&1 && ! grep -q '^not ok' "$tmp/selftest"
status=$?
sed 's/^/    /' "$tmp/selftest"
ktap_ok "a selftest of the package passes" $status
nothing_left
ktap_ok "nothing is left" $?
ktap_end

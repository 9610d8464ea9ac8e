#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Open MPI as it is between two machines, over the provider by ofi_rxm: here with a network device, whose payload lands in memory
# behind a dma-buf, there with ordinary sockets.
# lab: topology=switch
# lab: packages=openmpi-bin,libopenmpi-dev
# lab: timeout=300
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/../libfabric/mpi.sh"
PATH=$PATH:$top/build/tools
need_netif

# Below the repository, where only the other side writes.
command -v mpicc.openmpi >/dev/null || skip_all "Open MPI is not here (Debian's openmpi-bin and libopenmpi-dev)"
program=$(remote 'd=$(mktemp -d build/mpi.XXXXXX) && mpicc.openmpi -O1 -o "$d/mpi" tools/tests/mpi.c && echo "$d/mpi"')
undo remote "rm -rf ${program%/mpi}"
there=$(remote pwd)
dir=$(mktemp -d)
undo rm -rf "$dir"
# mpirun starts its daemon on the other side by this.
cat >"$dir/agent" <<A
#!/bin/bash
while [ "\${1#-}" != "\$1" ]; do shift; done
shift # the host
exec remote "export FI_PROVIDER_PATH=$there/build/tools OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; \$*"
A
chmod +x "$dir/agent"

# both NAME VARIABLE=VALUE...: a rank on each side, the variables for the one here
both() {
	local v own=()

	for v in "${@:2}"; do own+=(-x "$v"); done
	mpi_run "$1" --prtemca plm_ssh_agent "$dir/agent" --prtemca prte_if_include "${LOCAL_V4%.*}.0/24" \
		-np 1 --host "$LOCAL_V4" -x "FI_PROVIDER_PATH=$top/build/tools" "${own[@]}" "$top/$program" : \
		-np 1 --host "$REMOTE_V4" -x "FI_PROVIDER_PATH=$there/build/tools" "$there/$program"
}

ktap_plan 4
both "a rank on each side, host memory"
ktap_run "netgpu setup" netgpu setup "$NETIF" --queue 1
undo netgpu reset "$NETIF"
both "a rank on each side, and a network device here" "FI_NETGPU_DEVICE=$NETIF" FI_NETGPU_LANDING=udmabuf
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
ktap_end

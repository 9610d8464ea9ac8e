#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Open MPI as it is between two machines, over the provider by ofi_rxm, in host memory. Not with a network device: igb steers all
# flows to the queue of the provider or none, those of mpirun itself among them, and the lab's machine has no second card.
# lab: topology=switch
# lab: packages=openmpi-bin,libopenmpi-dev
# lab: timeout=300
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/../libfabric/mpi.sh"
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

# both NAME: a rank on each side; mpirun's -x would be for both
both() {
	mpi_run "$1" --prtemca plm_ssh_agent "$dir/agent" --prtemca prte_if_include "${LOCAL_V4%.*}.0/24" \
		-np 1 --host "$LOCAL_V4" env "FI_PROVIDER_PATH=$top/build/tools" "$top/$program" : \
		-np 1 --host "$REMOTE_V4" env "FI_PROVIDER_PATH=$there/build/tools" "$there/$program"
}

ktap_plan 2
both "a rank on each side, host memory"
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
ktap_end

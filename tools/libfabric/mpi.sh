# SPDX-License-Identifier: LGPL-2.1 OR MIT
# shellcheck shell=bash
# For tests that run Open MPI over the provider (sourced, after selftests/lib.sh).

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export FI_PROVIDER_PATH=$top/build/tools OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# mpi_build DIRECTORY: the program, there
mpi_build() {
	command -v mpicc.openmpi >/dev/null || skip_all "Open MPI is not here (Debian's openmpi-bin and libopenmpi-dev)"
	mpicc.openmpi -O1 -Wall -o "$1/mpi" "$top/tools/tests/mpi.c" || exit 1
}

# mpi_run NAME ARGUMENTS...: right, and by the provider: Open MPI is given no other, and says which it has taken
mpi_run() {
	local name=$1 out ranks status

	shift
	out=$(timeout 120 mpirun.openmpi --oversubscribe --mca pml cm --mca mtl ofi --mca mtl_ofi_provider_include "netgpu;ofi_rxm" \
		--mca opal_common_ofi_verbose 1 "$@" 2>&1)
	status=$?
	ranks=$(grep -c 'mtl:ofi:provider: netgpu;ofi_rxm' <<<"$out")
	[ $status -ne 0 ] || grep -q "^right: $ranks ranks" <<<"$out" || status=1
	[ $status -eq 0 ] || ktap_say "$(grep -v 'not in include list' <<<"$out" | head -n 60)"
	ktap_ok "$name" $status
}

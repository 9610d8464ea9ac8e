#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Open MPI as it is, over the provider by ofi_rxm, on the loopback: host memory and ordinary sockets.
# lab: machine=none
# lab: packages=openmpi-bin,libopenmpi-dev
# lab: timeout=300
if [ -z "${MPI_NS:-}" ] && unshare -n true 2>/dev/null; then
	MPI_NS=1 exec unshare -n bash "$0"
fi
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../libfabric/mpi.sh"
[ -z "${MPI_NS:-}" ] || ip link set lo up

dir=$(mktemp -d)
undo rm -rf "$dir"
mpi_build "$dir"
ktap_plan 3
mpi_run "two ranks" -np 2 "$dir/mpi"
mpi_run "four ranks" -np 4 "$dir/mpi"
# The provider's own thread, as with a network device.
FI_NETGPU_THREAD=1 mpi_run "two ranks, with a thread" -np 2 "$dir/mpi"
ktap_end

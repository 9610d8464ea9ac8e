#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Endpoints of libnetgpu over ordinary sockets, on the loopback: every request, every error, peers that mean ill.
# lab: machine=none
# lab: timeout=120
if [ -z "${BENCH_NETNS:-}" ] && unshare -n true 2>/dev/null; then
	BENCH_NETNS=1 exec unshare -n bash "$0"
fi
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools/tests
need_programs endpoint
[ -z "${BENCH_NETNS:-}" ] || ip link set lo up
exec endpoint

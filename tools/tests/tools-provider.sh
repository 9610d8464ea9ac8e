#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# libfabric's provider on the loopback: what becomes of requests, events and errors when a program, or a peer, does not do its part.
# lab: machine=none
# lab: timeout=180
if [ -z "${BENCH_NETNS:-}" ] && unshare -n true 2>/dev/null; then
	BENCH_NETNS=1 exec unshare -n bash "$0"
fi
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools/tests
need_programs provider
[ -z "${BENCH_NETNS:-}" ] || ip link set lo up
provider

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Endpoints of libnetgpu over ordinary sockets, on the loopback: every request, every error, peers that mean ill.
# lab: machine=none
# lab: timeout=180
if [ -z "${BENCH_NETNS:-}" ] && unshare -n true 2>/dev/null; then
	BENCH_NETNS=1 exec unshare -n bash "$0"
fi
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools/tests
need_programs endpoint endpoint_calls endpoint_rude endpoint_fuzz
[ -z "${BENCH_NETNS:-}" ] || ip link set lo up

runs() { # NAME COMMAND...: a program that has results of its own
	"${@:2}" | sed 's/^/    /'
	ktap_ok "$1" "${PIPESTATUS[0]}"
}
ktap_plan 4
runs "endpoints" endpoint
runs "what calls do not take" endpoint_calls
runs "peers that break a rule" endpoint_rude
runs "peers that say anything" endpoint_fuzz -s 1 -t 5
ktap_end

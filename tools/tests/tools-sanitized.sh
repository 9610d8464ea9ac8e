#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The library's tests that need no machine, built with AddressSanitizer (and that for undefined behaviour), and with ThreadSanitizer.
# lab: machine=none
# lab: timeout=420
if [ -z "${BENCH_NETNS:-}" ] && unshare -n true 2>/dev/null; then
	BENCH_NETNS=1 exec unshare -n bash "$0"
fi
. "$(dirname "$0")/../../selftests/lib.sh"
tools=$(cd "$(dirname "$0")/../.." && pwd)/build/tools
[ -z "${BENCH_NETNS:-}" ] || ip link set lo up

quietly() { # COMMAND...: what it has said only when it failed
	"$@" >said 2>&1 || { tail -n 40 said; return 1; }
}
ktap_plan 14
dir=$(mktemp -d)
undo rm -rf "$dir"
cd "$dir" || exit 1
for way in address thread; do
	for test in library command endpoint endpoint_calls endpoint_rude "endpoint_fuzz -s 2 -t 5" provider; do
		read -ra command <<<"$test"
		[ -x "$tools/$way/tests/${command[0]}" ] || { ktap_ok "$way: ${command[0]} is built" 1; continue; }
		ktap_run "$way: ${command[0]}" quietly "$tools/$way/tests/${command[0]}" "${command[@]:1}"
	done
done
ktap_end

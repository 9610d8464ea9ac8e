#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu setup and reset wait for each other. Nothing of the device has been looked at by then, so the loopback will do.
# lab: machine=none
# lab: timeout=60
if [ -z "${SETUP_NETNS:-}" ] && unshare -n true 2>/dev/null; then
	SETUP_NETNS=1 exec unshare -n bash "$0"
fi
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools
need_programs netgpu flock ip
[ -n "${SETUP_NETNS:-}" ] || skip_all "no network namespace can be made"
ip link set lo up
netgpu setup lo --queue 0 --all-flows 2>&1 | grep -q "cannot be kept" && skip_all "/run/netgpu cannot be written to"
words=$(mktemp)
undo rm -f "$words"

# waits ARG...: netgpu ARG... says that it waits, and nothing else while the lock is held; then it goes on
waits() {
	exec 9>>/run/netgpu/lock
	flock 9 || return
	netgpu "$@" >"$words" 2>&1 9>&- &
	wait_for 10 grep -q "waiting for another" "$words" && [ "$(wc -l <"$words")" = 1 ] && kill -0 $!
	local waited=$?
	exec 9>&-
	wait $!
	[ "$waited" = 0 ] && [ "$(wc -l <"$words")" = 2 ] && return
	cat "$words"
	return 1
}

ktap_plan 3
ktap_run "setup waits" waits setup lo --queue 0 --all-flows
ktap_run "reset waits" waits reset lo
ktap_ok "others may not hold the lock" "$([ "$(stat -c %a /run/netgpu/lock)" = 600 ]; echo $?)"
ktap_end

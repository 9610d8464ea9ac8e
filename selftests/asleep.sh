# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by tests in which the machine sleeps. The lab's topology wants the word sleep.

[ -w /sys/power/state ] && [ -w /sys/power/pm_test ] || skip_all "the kernel has no CONFIG_SUSPEND and CONFIG_PM_DEBUG"
[ "${REMOTE_TYPE:-}" = lab ] || skip_all "it sends the machine to sleep: only in the lab"

slept() {
	cat /sys/power/suspend_stats/success
}

# asleep STATE [LEVEL]: the machine sleeps in this STATE of /sys/power/state, and is awake again after some seconds: woken by
# its power button, or, with a LEVEL of /sys/power/pm_test, by itself when so much of it has been suspended
asleep() {
	local before button status
	before=$(slept)
	undo eval "echo none >/sys/power/pm_test"
	echo "${2:-none}" >/sys/power/pm_test
	# Pressed too early it is no reason to wake later.
	[ -n "${2:-}" ] || button=$(remote -b "while sleep 6; do qmp system_powerdown; done")
	if echo "$1" >/sys/power/state; then status=0; else status=1; fi
	[ -z "$button" ] || remote -k "$button" >/dev/null 2>&1
	[ $status = 0 ] && [ "$(slept)" = $((before + 1)) ] && return
	ktap_say "$(dmesg | tail -n 20)"
	return 1
}

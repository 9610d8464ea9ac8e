#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The KUnit suites of net/netgpu, and of net/core, which has what came of it, started by hand.
# lab: kernel=netgpu
# lab: topology=nonic,novram
# lab: timeout=60
. "$(dirname "$0")/lib.sh"
need root

kunit=/sys/kernel/debug/kunit
need_debugfs
[ -d $kunit/netgpu ] || skip_all "the kernel has no CONFIG_NETGPU_KUNIT_TEST"

ktap_plan 3
for suite in netgpu net_core netdev_drain; do
	if [ ! -d $kunit/$suite ]; then
		ktap_skip "$suite" "the kernel is without it"
		continue
	fi
	echo 1 >$kunit/$suite/run
	ktap_say "$(cat $kunit/$suite/results)"
	tests=$(grep -c '^ *ok' $kunit/$suite/results)
	! grep -q '^ *not ok' $kunit/$suite/results && [ "$tests" -gt 0 ]
	ktap_ok "$suite: $tests tests" $?
done
ktap_end

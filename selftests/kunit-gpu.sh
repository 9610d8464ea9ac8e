#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The KUnit suites of nouveau and xe about what other devices get of their memory, started by hand. They need no GPU.
# lab: kernel=netgpu
# lab: drivers=nouveau,xe
# lab: topology=nonic,novram
# lab: timeout=60
. "$(dirname "$0")/lib.sh"
need root

kunit=/sys/kernel/debug/kunit
need_debugfs
# loaded for this they would drive the GPU that is here
if [ -z "${LAB_KERNEL:-}" ] && [ ! -d $kunit/nouveau_prime_p2p ] && [ ! -d $kunit/xe_dma_buf_p2p ]; then
	skip_all "neither nouveau nor xe is loaded with its KUnit tests"
fi

ktap_plan 3
for suite in nouveau_prime_p2p xe_dma_buf_p2p xe_dma_buf_vmap; do
	driver=${suite%%_*}
	[ -z "${LAB_KERNEL:-}" ] || modprobe "$driver"
	if [ ! -d $kunit/$suite ] && { [ -z "${LAB_KERNEL:-}" ] || ! modprobe -nq "$driver"; }; then
		ktap_skip "$suite" "$driver is not here, or without its KUnit tests"
		continue
	fi
	echo 1 >$kunit/$suite/run
	ktap_say "$(cat $kunit/$suite/results)"
	tests=$(grep -c '^ *ok .* test_' $kunit/$suite/results)
	! grep -q '^ *not ok' $kunit/$suite/results && [ "$tests" -gt 0 ]
	ktap_ok "$suite: $tests tests" $?
done
ktap_end

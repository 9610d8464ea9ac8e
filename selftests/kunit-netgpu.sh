#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The KUnit suite of net/netgpu, started by hand.
# lab: kernel=netgpu
# lab: topology=nonic,novram
# lab: timeout=60
. "$(dirname "$0")/lib.sh"

suite=/sys/kernel/debug/kunit/netgpu
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
[ -d $suite ] || skip_all "the kernel has no CONFIG_NETGPU_KUNIT_TEST"

echo 1 >$suite/run
cat $suite/results
! grep -q '^ *not ok' $suite/results && grep -q '^ok' $suite/results

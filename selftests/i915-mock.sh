#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# i915's own mock selftests, which need no hardware. Among them: local memory of a mock device, and importers that reach it.
# lab: kernel=netgpu
# lab: drivers=i915
# lab: topology=nonic,novram
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
need root

peers="stays far mixed evict revoke reexport small_bar"

[ ! -d /sys/module/i915 ] || skip_all "i915 is loaded: its mock tests run instead of that"
# one without them would drive the GPU that is here
modinfo -p i915 2>/dev/null | grep -q '^mock_selftests:' || skip_all "the kernel has no i915 with CONFIG_DRM_I915_SELFTEST"
dmesg -C
modprobe i915 mock_selftests=-1 2>"$tmp/modprobe"
status=$?
dmesg >"$tmp/log"
grep -q "Performing mock selftests" "$tmp/log" || skip_all "the kernel has no i915 with CONFIG_DRM_I915_SELFTEST"

# failed CALLER TEST: is there an error of this subtest?
failed() {
	grep -Eq "i915/$1: ($2 failed|setup failed for $2)" "$tmp/log"
}

# "Running GROUP" and "Running CALLER/TEST"
mapfile -t subtests < <(sed -n 's|.*i915: Running \([^/]*/.*\)|\1|p' "$tmp/log")
ktap_plan $((${#subtests[@]} + 2))
for subtest in "${subtests[@]}"; do
	! failed "${subtest%/*}" "${subtest#*/}"
	ktap_ok "$subtest" $?
done
missing=
for test in $peers; do
	grep -q "Running dmabuf_p2p/igt_peer_$test\$" "$tmp/log" || missing+=" $test"
done
[ -z "$missing" ]
ktap_ok "all of the tests with importers that reach local memory have run$missing" $?
[ $status -eq 0 ] || ktap_say "$(cat "$tmp/modprobe"; grep -v Running "$tmp/log" | tail -20)"
ktap_ok "all of i915's mock tests have passed" $status
ktap_end

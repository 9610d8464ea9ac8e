#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# i915's own live selftests on the emulated GPU, of what it has: the blitter, local memory, dma-bufs, the GuC or, without it, execlists.
# lab: kernel=netgpu
# lab: drivers=i915
# lab: topology=nonic,novram,dg1
# lab: timeout=400
# lab: console=GPU HANG
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gpu.sh"
need_lab_gpu
i915_submits

dmabuf="igt_dmabuf_export igt_dmabuf_import_same_driver_lmem igt_dmabuf_import_same_driver_smem igt_dmabuf_import_same_driver_lmem_smem"
blitter="live_migrate_copy live_migrate_clear live_emit_pte_full_ring igt_smem_create_migrate igt_lmem_create_migrate igt_same_create_migrate"
memory="igt_lmem_create igt_lmem_create_with_ps igt_lmem_create_cleared_cpu igt_lmem_write_cpu"
# shellcheck disable=SC2034 # by its name in $submission, as the next
execlists="live_sanitycheck live_unlite_switch live_unlite_preempt live_preempt live_late_preempt live_nopreempt live_busywait_preempt live_error_interrupt"
# shellcheck disable=SC2034
guc="intel_guc_scrub_ctbs intel_guc_steal_guc_ids intel_guc_fast_request intel_hang_guc"
contexts="live_lrc_layout live_lrc_fixed live_lrc_state live_lrc_gpr live_nop_request live_empty_request live_all_engines"

modinfo -p i915 2>/dev/null | grep -q '^live_selftests:' || skip_all "the kernel has no i915 with CONFIG_DRM_I915_SELFTEST"
dmesg -C
read -ra tests <<<"$dmabuf $blitter $memory ${!submission} $contexts"
list=${tests[*]}
timeout $((150 * slower)) modprobe i915 live_selftests=1 st_filter="${list// /,}" 2>"$tmp/modprobe"
status=$?
dmesg >"$tmp/log"
ktap_plan $((${#tests[@]} + 1))
for test in "${tests[@]}"; do
	grep -q "Running [^/]*/$test\$" "$tmp/log" && ! grep -q ": $test failed with error" "$tmp/log"
	ktap_ok "$test" $?
done
[ $status -eq 0 ] || ktap_say "$(cat "$tmp/modprobe"; tail -40 "$tmp/log")"
[ $status -eq 0 ] && ! grep -i "skipp" "$tmp/log"
ktap_ok "all of them, and none says that it was left out" $?
ktap_end

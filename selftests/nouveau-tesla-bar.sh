#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# From Tesla on, the GPU's MMU maps ranges of BAR 1 to buffers. nouveau takes a range back from who has not used it for long when
# others want it: from programs, which get another one when they access their buffers again, and not from the NIC, which does not ask.
# lab: kernel=netgpu
# lab: drivers=nouveau
# lab: topology=switch,novram,tesla
# lab: gpu=256/32
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
need netgpu queue
need_programs gpu_keep

need_lab_gpu_of nouveau
ktap_plan 6
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

port=9001
much=$((2 << 20))
receive ranges -p $port -m "gpu:$node" -s $((8 << 20)) -r -P && sends_when_told $much &&
	tell $((much / 2)) && wait_for 20 flows $port $((much / 2 - 1))
ktap_ok "half of the data has come into a range of 8 MiB" $?
# Twice as much as there is room for, each MiB touched, and when all are there once more.
want=$((${LAB_GPU#*/} * 2))
undo rm -f "$tmp/keeping"
gpu_keep "$node" "$tmp/keeping" $((want << 20)) >"$tmp/keep" 2>&1 &
keeper=$!
wait_for 60 grep -q ^holding "$tmp/keep"
rm -f "$tmp/keeping"
wait_for 60 process_ended "$keeper" || kill -9 "$keeper"
wait "$keeper" && [ "$(said keep pages)" = $want ] && [ "$(said keep ioctl)" = 0 ]
ktap_ok "a program uses $want MiB, of which BAR 1 shows $((want / 2)) at a time" $?
tell $((much / 2))
wait "$receiver"
[ "$(said ranges received)" = $much ] && [ "$(said ranges correct)" = 1 ] && [ "$(said ranges error)" = 0 ]
status=$?
[ $status = 0 ] || ktap_say "$(cat "$tmp/ranges")"
ktap_ok "the other half comes into the same range: $(said ranges received) bytes are right" $status
gpu_control summary >"$tmp/summary"
faults=$(json_value "$tmp/summary" mmu_faults)
[ "$faults" = 0 ] && [ "$(json_value "$tmp/summary" translated)" -gt 0 ]
ktap_ok "and the MMU has met $faults accesses of what it does not map" $?
# shellcheck disable=SC2119
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What emulated GPUs are told by vfio-user may be anything: they answer it, or end the connection, and nothing else happens.
# FUZZ_SEED and FUZZ_MESSAGES are other seeds than the usual, and how many messages.
# lab: machine=none
# lab: timeout=240
. "$(dirname "$0")/../../selftests/lib.sh"
need_programs marks nm
built=$(dirname "$(command -v marks)")
fuzz=$built/device/fuzz
seeds=${FUZZ_SEED:-1 2 3}
messages=${FUZZ_MESSAGES:-10000}
work=$(mktemp -d) && undo rm -rf "$work"

mapfile -t cases < <("$fuzz" --cases)
ktap_plan $((2 + ${#cases[@]} + $(wc -w <<<"$seeds") + 4))
[ "${#cases[@]}" -gt 10 ]
ktap_ok "there are ${#cases[@]} directed cases" $?
nm "$fuzz" | grep -q '__asan_init' && nm "$fuzz" | grep -q '__ubsan_handle'
ktap_ok "it looks for its own faults: the address and the undefined behaviour sanitizers" $?
for case in "${cases[@]}"; do ktap_run "$case" "$fuzz" --case "$case"; done
for seed in $seeds; do ktap_run "seed $seed, $messages messages" "$fuzz" --seed "$seed" --messages "$messages"; done

# serves PROGRAM SEED: an emulated GPU is told the same, and ends well
serves() {
	local pid status

	"$built/$1/$1" --socket "$work/$1" --vram-size 64 --bar-size 64 2>"$work/said" &
	pid=$!
	wait_for 10 test -S "$work/$1"
	"$fuzz" --socket "$work/$1" --seed "$2" --messages "$messages"
	status=$?
	kill "$pid"
	wait "$pid" || status=1
	grep -v ' unknown register \|^vfio-user: command\|^the connection ended: Message too long$' "$work/said"
	return "$status"
}
for gpu in radeon geforce tesla dg1; do ktap_run "$gpu serves on: seed ${seeds%% *}, $messages messages" serves $gpu "${seeds%% *}"; done
ktap_end

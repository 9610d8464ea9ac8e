# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # driver and list are those of who sources this
# IGT, the tests of DRM's developers, on the emulated GPU that $driver drives. Which, and what they say on Linux as it is and on one
# with our patches, is in igt/$list: a line for each, TEST@SUBTEST, both results, and why, where they differ or it is no pass.
# None is worse with our patches; what they say here is what the file has for this kernel. One that ends the machine there (panic)
# is not run on it. The names are taken as they are: IGT has no wildcards in its own.

. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/../../selftests/gpu.sh"
need root
need_lab_gpu
programs=/usr/libexec/igt-gpu-tools
[ -d $programs ] || skip_all "the program igt_runner is not here: Debian's igt-gpu-tools-tests has it"
list=$(dirname "$0")/igt/$list
column=3
[ -e /dev/netgpu ] || column=2
dmesg -C
need_lab_gpu_of "$driver"

lines() { # of the list, that say something
	grep -v '^#\|^$' "$list"
}

# subtests TEST: those of the list, and what they say here
subtests() {
	lines | awk -v column=$column -v test="$1" 'index($1, test "@") == 1 { print substr($1, length(test) + 2), $column }'
}

# run TEST: what the list has of it; "SUBTEST RESULT" lines to $tmp/results
run() {
	local program=$programs/$1 names status

	[ -e "$program" ] || program=$programs/amdgpu/$1
	names=$(subtests "$1" | sed -n '/ panic$/!s/ .*//p' | paste -sd,)
	: >"$tmp/results"
	[ -n "$names" ] || return
	timeout -k 5 $((200 * slower)) "$program" --run-subtest "$names" >"$tmp/$1" 2>&1 </dev/null
	status=$?
	case $status in 124 | 137) ktap_say "$1: out of time after $((200 * slower)) s; what has no result was not reached" ;; esac
	sed -n 's/^Subtest \([^ ]*\): \([A-Z]*\) (.*/\1 \2/p' "$tmp/$1" |
		sed 's/ SUCCESS$/ pass/; s/ SKIP$/ skip/; s/ FAIL$/ fail/; s/ CRASH$/ crash/' >"$tmp/results"
}

mapfile -t tests < <(lines | cut -d@ -f1 | awk '!seen[$0]++')
ktap_plan $(($(lines | wc -l) + 2))
worse=$(lines | awk 'BEGIN { rank["pass"] = 1; rank["skip"] = 2; rank["fail"] = 3; rank["crash"] = 4; rank["panic"] = 5 }
	!rank[$2] || !rank[$3] || rank[$3] > rank[$2] || ($2 != "pass" || $3 != "pass") && NF < 4 { print $1 }')
[ -z "$worse" ] || ktap_say "$worse"
[ -z "$worse" ]
ktap_ok "no result is worse with our patches, and what is no pass is explained" $?
for test in "${tests[@]}"; do
	run "$test"
	while read -r name is; do
		if [ "$is" = panic ]; then
			ktap_skip "$test@$name" "it ends the machine on this kernel"
			continue
		fi
		got=$(awk -v name="$name" '$1 == name { print $2 }' "$tmp/results")
		[ "$got" = "$is" ]
		status=$?
		[ $status = 0 ] || ktap_say "$(tail -n 20 "$tmp/$test")"
		ktap_ok "$test@$name: ${got:-nothing}, and should be $is" $status
	done < <(subtests "$test")
done
! dmesg | grep "$gpu_hangs\|BUG: \|Oops"
ktap_ok "and no job of the GPU has hung meanwhile, nor the kernel failed" $?
ktap_end

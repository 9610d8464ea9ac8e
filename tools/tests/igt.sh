# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # driver is that of who sources this, GPU_PCI for gpu.sh
# IGT, the tests of DRM's developers, on the emulated GPU that $driver drives. Which, and what they say on Linux as it is and on one
# with our patches, is in igt/$driver.txt: a line for each, TEST@SUBTEST, both results, and why, where they differ or it is no pass.
# None is worse with our patches; what they say here is what the file has for this kernel. One that ends the machine there (panic), or
# after which nothing else can be tried (hangs), is not run on it.

. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/../../selftests/gpu.sh"
need root
need_lab_gpu
programs=/usr/libexec/igt-gpu-tools
[ -d $programs ] || skip_all "no IGT in this user space (igt-gpu-tools-tests)"
list=$(dirname "$0")/igt/$driver.txt

column=3
[ -e /dev/netgpu ] || column=2
gpus
[ ${#gpus[@]} -gt 0 ] || skip_all "the kernel has no $driver"
GPU_PCI=${gpus[0]}
gpu_node || skip_all "$driver does not drive the GPU"

lines() { # of the list, that say something
	grep -v '^#\|^$' "$list"
}
mapfile -t tests < <(lines | cut -d@ -f1 | awk '!seen[$0]++')

# results TEST: run what the list has of it; "SUBTEST RESULT" lines
results() {
	local program subtests

	subtests=$(lines | awk -v column=$column -v test="$1" '
		index($1, test "@") == 1 && $column !~ /^(panic|hangs)$/ { print substr($1, length(test) + 2) }' | paste -sd,)
	# one that kills it has no result, nor those after it
	program=$programs/$1
	[ -e "$program" ] || program=$programs/amdgpu/$1
	timeout -k 5 $((150 * slower)) "$program" --run-subtest "$subtests" >"$tmp/$1" 2>&1 </dev/null
	sed -n 's/^Subtest \([^ ]*\): \([A-Z]*\) (.*/\1 \2/p' "$tmp/$1" | sed 's/ SUCCESS$/ pass/; s/ SKIP$/ skip/; s/ FAIL$/ fail/; s/ CRASH$/ crash/'
}

ktap_plan $(($(lines | wc -l) + 1))
worse=$(lines | awk '$2 == "pass" && $3 != "pass" || $2 == "skip" && $3 !~ /^(pass|skip)$/ || $3 ~ /^(panic|hangs)$/ || ($2 != "pass" || $3 != "pass") && NF < 4 { print $1 }')
[ -z "$worse" ] || ktap_say "$worse"
[ -z "$worse" ]
ktap_ok "no result is worse with our patches, and what differs is explained" $?
for test in "${tests[@]}"; do
	results "$test" >"$tmp/results"
	while read -r name is; do
		if [[ $is = panic || $is = hangs ]]; then
			ktap_skip "$name" "not on this kernel: $is"
			continue
		fi
		got=$(sed -n "s/^${name#*@} //p" "$tmp/results")
		[ "$got" = "$is" ]
		status=$?
		[ $status = 0 ] || ktap_say "$(tail -n 20 "$tmp/$test")"
		ktap_ok "$name: ${got:-nothing}, and should be $is" $status
	done < <(lines | awk -v column=$column -v test="$test" 'index($1, test "@") == 1 { print $1, $column }')
done
ktap_end

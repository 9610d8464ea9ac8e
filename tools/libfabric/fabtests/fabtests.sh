# SPDX-License-Identifier: LGPL-2.1 OR MIT
# shellcheck shell=bash
# For tests that run libfabric's fabtests by their own runfabtests.sh (sourced, after selftests/lib.sh).

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
fab=$top/build/source/libfabric/fabtests
export FI_PROVIDER_PATH=$top/build/tools

# runfabtests.sh gives a server one second to come up. Alone in its network namespace, where only the server listens, it has this
# function, which waits until one does, or has ended, or half a minute is over.
patient_sleep() {
	command sleep "$@"
	[ "$1" = 1 ] || return 0
	for _ in {1..290}; do
		# shellcheck disable=SC2154 # s_pid is runfabtests.sh's
		! ss -Hltn | grep -q . && kill -0 "$s_pid" 2>/dev/null || return 0
		command sleep 0.1
	done
}

# fab_run NAME ARGUMENTS...: with what $excluded names left out, between $hosts if there are two; its results as KTAP comments, and how many into fab_passed, fab_wrong; what is excluded is no result
fab_run() {
	local name=$1 out dir
	shift
	dir=$(mktemp -d)
	out=$dir/out
	# shellcheck disable=SC2154 # excluded and hosts are those of who sources this
	(
		if [ ${#hosts[@]} -eq 0 ]; then
			eval "sleep() $(declare -f patient_sleep | tail -n +2)"
			export -f sleep
		fi
		cd "$dir" && exec bash "$fab/scripts/runfabtests.sh" -v -v -f "$excluded" "$@" netgpu "${hosts[@]}"
	) >"$out" 2>&1
	# A line each, with its seconds, and what was said by those that did not pass
	awk -v set="$name" '
		/^- name:/ { sub(/^- name: */, ""); gsub(/ -p "netgpu"/, ""); test = $0; result = ""; next }
		/^  result: / { result = $2; next }
		/^  time: / && result != "Excluded" { print (result == "Pass" ? "pass" : "WRONG: " result), set ": " test " (" $2 " s)"; next }
		result == "Fail" || result == "Notrun" { print "    " $0 }' "$out" >"$dir/results"
	# Those that did not pass come last, next to the result.
	fab_passed=$(grep -c '^pass ' "$dir/results")
	fab_wrong=$(grep -c '^WRONG' "$dir/results")
	ktap_say "$(grep '^pass ' "$dir/results"; grep -v '^pass ' "$dir/results")"
	[ "$((fab_passed + fab_wrong))" -gt 0 ] || ktap_say "$(tail -n 20 "$out")"
	rm -rf "$dir"
}

# SPDX-License-Identifier: LGPL-2.1 OR MIT
# shellcheck shell=bash
# For tests that run libfabric's fabtests by their own runfabtests.sh (sourced, after selftests/lib.sh).

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
fab=$top/build/source/libfabric/fabtests
export FI_PROVIDER_PATH=$top/build/tools

# fab_run NAME ARGUMENTS...: with what $excluded names left out, between $hosts if there are two; its results as KTAP comments, and how many into fab_passed, fab_wrong; what is excluded is no result
fab_run() {
	local name=$1 out dir
	shift
	dir=$(mktemp -d)
	out=$dir/out
	# shellcheck disable=SC2154 # excluded and hosts are those of who sources this
	(cd "$dir" && exec bash "$fab/scripts/runfabtests.sh" -v -v -f "$excluded" "$@" netgpu "${hosts[@]}") >"$out" 2>&1
	# A line each, with its seconds, and what was said by those that did not pass
	awk -v set="$name" '
		/^- name:/ { sub(/^- name: */, ""); gsub(/ -p "netgpu"/, ""); test = $0; result = ""; next }
		/^  result: / { result = $2; next }
		/^  time: / && result != "Excluded" { print (result == "Pass" ? "pass" : "WRONG: " result), set ": " test " (" $2 " s)"; next }
		result == "Fail" || result == "Notrun" { print "    " $0 }' "$out" >"$dir/results"
	fab_passed=$(grep -c '^pass ' "$dir/results")
	fab_wrong=$(grep -c '^WRONG' "$dir/results")
	ktap_say "$(cat "$dir/results")"
	[ "$((fab_passed + fab_wrong))" -gt 0 ] || ktap_say "$(tail -n 20 "$out")"
	rm -rf "$dir"
}

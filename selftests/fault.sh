# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by fault-walk and its companions, which let allocations and copies fail, one after the other.
. "$(dirname "$0")/coverage.sh"
PORT=9300

# need_faults: a kernel that injects them, and what the walk wants besides
need_faults() {
	need_netif
	need_programs fault_walk ethtool
	[ -w /proc/self/fail-nth ] || skip_all "the kernel injects no faults"
}

# fault_inject failslab|fail_page_alloc|fail_usercopy: whatever the context, without a word; as it was when the test ends
fault_inject() {
	local dir=/sys/kernel/debug/$1 file
	for file in ignore-gfp-wait ignore-gfp-highmem task-filter cache-filter min-order probability verbose require-start require-end; do
		[ ! -e "$dir/$file" ] || undo eval "echo $(cat "$dir/$file") >$dir/$file"
	done
	for file in ignore-gfp-wait ignore-gfp-highmem task-filter cache-filter; do
		[ ! -e "$dir/$file" ] || echo N >"$dir/$file"
	done
	[ ! -e "$dir/min-order" ] || echo 0 >"$dir/min-order"
	echo 0 >"$dir/probability"
	echo 0 >"$dir/verbose"
}

# only_in FUNCTION KIND...: these are injected in what it calls, and others not at all
only_in() {
	local kind start end dir=/sys/kernel/debug
	read -r start end < <(sort /proc/kallsyms | awk -v name="$1" '$3 == name { start = $1 }
		start && $1 != start { print start, $1; exit }')
	[ -n "$end" ] || return 1
	for kind in failslab fail_page_alloc fail_usercopy; do
		fault_inject $kind
		echo 1 >$dir/$kind/require-start # nobody
		echo 1 >$dir/$kind/require-end
	done
	for kind in "${@:2}"; do
		echo "0x$start" >"$dir/$kind/require-start"
		echo "0x$end" >"$dir/$kind/require-end"
	done
}

# fault_walks OPTION...: walk with queue 1 and these options, while somebody sends. The last call; never returns.
fault_walks() {
	local kind sender status
	for kind in failslab fail_page_alloc fail_usercopy; do fault_inject $kind; done
	sender=$(remote -b "while :; do pattern_send $LOCAL_V4 $PORT 65536 2>&- || sleep 0.05; done")
	undo remote -k "$sender"
	fault_walk "$@"
	status=$?
	coverage
	exit $status
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For netgpu's selftests, sourced: KTAP, the other side of the cable, setup that is undone at exit.
#
# Environment: NETIF the interface under test; LOCAL_V4/V6 and REMOTE_V4/V6 the addresses; REMOTE_TYPE how commands
# reach the other side: lab (the lab's virtual machine), ssh (REMOTE_ARGS: user@host), netns (REMOTE_ARGS: its name).
# What is not in the environment is taken from net.config, as with other tests below drivers/net.
# LAB_SLOWER says how many times longer than usual things may take here; MORE, when it is set, that there is time for all of a test.

selftests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# net_config: NAME=VALUE lines, with comments and quotes; here, or where those of drivers/net have it
net_config() {
	local file line name value
	for file in "$selftests/net.config" "$selftests/../net.config"; do
		[ -r "$file" ] && break
	done
	[ -r "$file" ] || return 0
	while IFS= read -r line || [ -n "$line" ]; do
		[[ ${line%%#*} =~ ^[[:space:]]*([A-Z][A-Z0-9_]*)[[:space:]]*=[[:space:]]*(.*)$ ]] || continue
		name=${BASH_REMATCH[1]}
		value=${BASH_REMATCH[2]}
		value=${value%"${value##*[![:space:]]}"}
		if [[ $value = \"*\" ]]; then
			value=${value#\"}
			value=${value%\"}
		fi
		[ -n "${!name:-}" ] || export "$name=$value"
	done <"$file"
}
net_config

# The programs are beside the tests, upstream's in hw; an ordinary user of Debian does not see ethtool.
PATH=$selftests:$PATH
[ ! -d "$selftests/../hw" ] || PATH=$PATH:$(cd "$selftests/../hw" && pwd)
PATH=$PATH:/usr/sbin:/sbin

slower=${LAB_SLOWER:-1}
MORE=${MORE:+1}

# KTAP is written by the kernel's own helpers: in its tree, and where it installs its tests, or beside what make has built.
ktap_helpers=$selftests/../../../kselftest/ktap_helpers.sh
[ -e "$ktap_helpers" ] || ktap_helpers=$(type -P ktap_helpers.sh) || {
	printf '%s\n' "TAP version 13" "1..0 # SKIP the program ktap_helpers.sh is not here: make KSRC=DIR puts that of the kernel beside the others"
	exit 4
}
. "$ktap_helpers"

# ktap_plan N: how many results will follow
ktap_plan() {
	ktap_print_header
	ktap_set_plan "$1"
}

# ktap_ok NAME STATUS: one result; STATUS 0 passed, else failed
# The helpers set variables, whose names may be the test's, too, and take "*" in a name for files.
ktap_ok() {
	# shellcheck disable=SC2034 # they are set there
	local - result description directive
	set -f
	if [ "$2" -eq 0 ]; then ktap_test_pass "$1"; else ktap_test_fail "$1"; fi
}

# ktap_skip NAME WHY: with the reason, which ktap_test_skip() does not take
ktap_skip() {
	# shellcheck disable=SC2034
	local - result description directive
	set -f
	__ktap_test ok "$1" "SKIP $2"
	KTAP_CNT_SKIP=$((KTAP_CNT_SKIP + 1))
}

# ktap_run NAME COMMAND...: the result of a command; its output as comments when it fails
ktap_run() {
	local name=$1 out status
	shift
	out=$("$@" 2>&1)
	status=$?
	[ $status -eq 0 ] || ktap_say "$* ended with $status:"$'\n'"$out"
	ktap_ok "$name" $status
	return $status
}

# ktap_say TEXT: a comment
ktap_say() {
	printf '# %s\n' "${1//$'\n'/$'\n# '}"
}

# ktap_end: the last call; the exit status says whether all planned results came and none failed
ktap_end() {
	if [ $((KTAP_TESTNO - 1)) -ne "$KSFT_NUM_TESTS" ]; then
		ktap_say "planned $KSFT_NUM_TESTS results, saw $((KTAP_TESTNO - 1))"
		ktap_print_totals
		exit "$KSFT_FAIL"
	fi
	ktap_finished
}

# more COMMAND...: where there is time for it (see check.py)
more() {
	[ -z "$MORE" ] || "$@"
}

# skip_all WHY: nothing of this test can run here
skip_all() {
	ktap_print_header
	set -f # the helper takes "*" for files
	ktap_skip_all "$1"
	exit "$KSFT_SKIP"
}

# need WORD...: what there has to be, or the test is skipped; each is a need_WORD here, in vram.sh or gpu.sh
need() {
	local word
	for word; do "need_$word"; done
}

# need_programs NAME...
need_programs() {
	local program
	for program; do
		command -v "$program" >/dev/null && continue
		case $program in
		amdgpu) skip_all "the program $program is not here: make builds it where libdrm_amdgpu is installed" ;;
		iou-zcrx | ncdevmem) skip_all "the program $program is not here: make -C tools/testing/selftests TARGETS=drivers/net/hw builds it" ;;
		netgpu) skip_all "the program $program is not here: make -C tools builds it, and make install puts it into PATH" ;;
		flood | lossy | queues | xsk | *_*) skip_all "the program $program is not here: make builds it, beside the tests, where liburing 2.15 and libmnl are installed" ;;
		esac
		skip_all "the program $program is not here: install the package that has it"
	done
}

need_root() {
	[ "$(id -u)" = 0 ] || skip_all "it has to be run as root"
}

need_netgpu() {
	[ -c /dev/netgpu ] || skip_all "this kernel has no netgpu: there is no /dev/netgpu"
}

# need_upstream: for what is about Linux as it is
need_upstream() {
	[ ! -e /dev/netgpu ] || skip_all "this kernel has netgpu, and the test is about one without"
}

need_lab() {
	[ "${REMOTE_TYPE:-}" = lab ] || skip_all "only the lab's machine has what this needs"
}

# need_netif: an interface and another side to talk to
need_netif() {
	need_root
	[ -n "${NETIF:-}" ] || skip_all "NETIF does not name an interface"
	[ -d "/sys/class/net/$NETIF" ] || skip_all "there is no interface $NETIF"
	case ${REMOTE_TYPE:-} in
	lab) return ;;
	ssh | netns) [ -n "${REMOTE_ARGS:-}" ] || skip_all "REMOTE_ARGS does not say where the other side is" ;;
	*) skip_all "REMOTE_TYPE does not say how to reach the other side: ssh or netns" ;;
	esac
	if [ -z "${LOCAL_V4:-}" ] || [ -z "${REMOTE_V4:-}" ]; then
		skip_all "LOCAL_V4 and REMOTE_V4 do not say the addresses of both sides"
	fi
	need_programs ethtool ip ping
	[ "$REMOTE_TYPE" = netns ] || need_programs ssh
	remote true >/dev/null 2>&1 || skip_all "no command runs on the other side: REMOTE_TYPE=$REMOTE_TYPE with REMOTE_ARGS as they are"
	need_remote pattern_send
}

# need_v6: for tests that want both families
need_v6() {
	if [ -z "${LOCAL_V6:-}" ] || [ -z "${REMOTE_V6:-}" ]; then
		skip_all "LOCAL_V6 and REMOTE_V6 do not say the addresses of both sides"
	fi
}

# need_remote NAME...: programs on the other side. Our own, which need no library, are copied there for as long as the test runs.
need_remote() {
	local program
	[ "${REMOTE_TYPE:-}" != lab ] || return 0
	for program; do
		remote "command -v $program" >/dev/null 2>&1 && continue
		case $program in
		flood | lossy | pattern_recv | pattern_send | unverified_send)
			deploy "$program" || skip_all "the other machine has no $program: build it there (cc -O2 -o $program $program.c), and put it into its PATH"
			;;
		*) skip_all "the other machine has no $program: install the package that has it there" ;;
		esac
	done
}

# deploy NAME: it is copied to the other machine, and runs there
deploy() {
	local path
	path=$(type -P "$1") || return
	if [ -z "${remote_programs:-}" ]; then
		remote_programs=$(remote mktemp -d) && [ -n "$remote_programs" ] || return
		undo remote rm -rf "$remote_programs"
	fi
	remote -i "cat >$remote_programs/$1 && chmod 755 $remote_programs/$1" <"$path" || return
	# without arguments it says how it is to be called; one for another machine or libc cannot
	remote "$1 2>&1" | grep -q "usage: "
}

# need_debugfs: mounted, for as long as the test runs if it is not yet
need_debugfs() {
	need_root
	mountpoint -q /sys/kernel/debug && return
	mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null || skip_all "debugfs cannot be mounted"
	undo umount /sys/kernel/debug
}

# keep_addresses, addresses_back: those of IPv6 go when the link goes down, all of them with the device
keep_addresses() {
	addresses=$(ip -o addr show dev "$NETIF" scope global | awk '{ print $4 }')
}
addresses_back() {
	local address
	for address in $addresses; do
		ip addr add "$address" dev "$NETIF" nodad 2>/dev/null
	done
}

# The lab has a command of this name in PATH; elsewhere this takes its place.
# remote COMMAND...; remote -b COMMAND... (prints a number); remote -w NUMBER; remote -k NUMBER
if [ "${REMOTE_TYPE:-}" = ssh ] || [ "${REMOTE_TYPE:-}" = netns ]; then
	remote() {
		local kind=${1:-} line number
		case $kind in
		-b | -w | -k) shift ;;
		-i) shift ;;
		*) kind= ;;
		esac
		if [ "$kind" = -w ] || [ "$kind" = -k ]; then
			[ "$kind" = -w ] || kill "$(cat "$remote_state/$1.pid")" 2>/dev/null
			while [ ! -e "$remote_state/$1.status" ] && kill -0 "$(cat "$remote_state/$1.pid")" 2>/dev/null; do sleep 0.1; done
			wait_for 5 test -s "$remote_state/$1.status"
			cat "$remote_state/$1.out"
			cat "$remote_state/$1.err" >&2
			return "$(cat "$remote_state/$1.status" 2>/dev/null || echo 143)"
		fi
		if [ $# -eq 1 ]; then line=$1; else printf -v line '%q ' "$@"; fi
		# What runs there for long ends with the connection: its standard input is open as long as that is.
		[ "$kind" != -b ] || printf -v line '%s' 'exec 3<&0; setsid bash -c ' "$(printf %q "$line")" ' </dev/null 3<&- & job=$!; ' \
			'{ cat <&3; kill -- -$job; } >/dev/null 2>&1 & watch=$!; wait $job; status=$?; kill $watch; exit $status'
		[ -z "${remote_programs:-}" ] || line="PATH=$remote_programs:\$PATH; $line"
		local command=(ip netns exec "${REMOTE_ARGS:-}" bash -c "$line")
		[ "$REMOTE_TYPE" = netns ] || command=(ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=20 "${REMOTE_ARGS:-}" "$line")
		if [ "$kind" = -b ]; then
			number=$(find "$remote_state" -name '*.pid' | wc -l)
			mkfifo "$remote_state/$number.in"
			(
				exec 9<>"$remote_state/$number.in"
				"${command[@]}" 9>&- <"$remote_state/$number.in" >"$remote_state/$number.out" 2>"$remote_state/$number.err" &
				echo $! >"$remote_state/$number.pid"
				wait $!
				echo $? >"$remote_state/$number.status"
			) >/dev/null 2>&1 &
			while [ ! -s "$remote_state/$number.pid" ]; do sleep 0.05; done
			echo "$number"
		elif [ "$kind" = -i ]; then
			"${command[@]}"
		else
			"${command[@]}" </dev/null
		fi
	}
fi

# remote_device: the interface of the other side that leads here
remote_device() {
	remote ip -o route get "$LOCAL_V4" | sed -n 's/.* dev \([^ ]*\).*/\1/p'
}

# far_jobs: the processes of remote -b that have not ended
far_jobs() {
	local file
	for file in "$remote_state"/*.pid; do
		[ ! -s "$file" ] || [ -s "${file%.pid}.status" ] || cat "$file"
	done
}

# undo COMMAND...: run at exit, the last one first, whatever happened
undo_commands=()
undo() {
	local line
	printf -v line '%q ' "$@"
	undo_commands=("$line" "${undo_commands[@]}")
}
# What still runs in the background ends first, in as many seconds as $grace says: it may use what is to be undone. Nothing here
# waits without a bound.
grace=5
undo_all() {
	local line pid
	[ -z "${undoing:-}" ] || return 0
	undoing=1
	trap '' TERM INT HUP PIPE
	for pid in $(jobs -pr); do
		# shellcheck disable=SC2046 # numbers
		kill "$pid" $(cat "/proc/$pid/task/$pid/children" 2>/dev/null) 2>/dev/null
	done
	# shellcheck disable=SC2046
	kill $(far_jobs) 2>/dev/null
	for ((line = 0; line < grace * 20; line++)); do
		[ -n "$(jobs -pr; far_jobs)" ] || break
		sleep 0.05
	done
	# shellcheck disable=SC2046
	[ -z "$(jobs -pr)" ] || kill -9 $(jobs -pr) 2>/dev/null
	for line in "${undo_commands[@]}"; do eval "$line" >/dev/null 2>&1; done
	rm -rf "$tmp"
}
# ended_by SIGNAL: not by exit alone: a second signal would end what runs at exit, and half of it were not undone
ended_by() {
	[ -z "${undoing:-}" ] || return 0
	undo_all
	exit $((128 + $1))
}
# What a test writes is in $tmp, and goes with it.
tmp=$(mktemp -d) || exit
trap undo_all EXIT
trap 'ended_by 15' TERM
trap 'ended_by 2' INT
trap 'ended_by 1' HUP
trap 'ended_by 13' PIPE
remote_state=$tmp/remote
mkdir "$remote_state" || exit

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	local end=$((SECONDS + $1 * slower))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

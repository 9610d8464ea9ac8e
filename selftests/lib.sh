# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For netgpu's selftests, sourced: KTAP, the other side of the cable, setup that is undone at exit.
#
# Environment: NETIF the interface under test; LOCAL_V4/V6 and REMOTE_V4/V6 the addresses; REMOTE_TYPE how commands
# reach the other side: lab (the lab's virtual machine), ssh (REMOTE_ARGS: user@host), netns (REMOTE_ARGS: its name).
# LAB_SLOWER says how many times longer than usual things may take here; MORE, when it is set, that there is time for all of a test.

KSFT_SKIP=4
slower=${LAB_SLOWER:-1}
MORE=${MORE:+1}

ktap_count=0
ktap_failed=0
ktap_planned=0

# ktap_plan N: how many results will follow
ktap_plan() {
	ktap_planned=$1
	echo "TAP version 13"
	echo "1..$1"
}

# ktap_ok NAME STATUS: one result; STATUS 0 passed, else failed
ktap_ok() {
	ktap_count=$((ktap_count + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $ktap_count $1"
	else
		echo "not ok $ktap_count $1"
		ktap_failed=$((ktap_failed + 1))
	fi
}

# ktap_skip NAME WHY
ktap_skip() {
	ktap_count=$((ktap_count + 1))
	echo "ok $ktap_count $1 # SKIP $2"
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
	if [ "$ktap_count" -ne "$ktap_planned" ]; then
		ktap_say "planned $ktap_planned results, saw $ktap_count"
		exit 1
	fi
	exit $((ktap_failed > 0))
}

# more COMMAND...: where there is time for it (see check.py)
more() {
	[ -z "$MORE" ] || "$@"
}

# skip_all WHY: nothing of this test can run here
skip_all() {
	echo "TAP version 13"
	echo "1..0 # SKIP $1"
	exit $KSFT_SKIP
}

# need_programs NAME...: or skip
need_programs() {
	local program
	for program; do
		command -v "$program" >/dev/null || skip_all "the program $program is not here"
	done
}

# need_netif: an interface and another side to talk to, or skip
need_netif() {
	[ -n "${NETIF:-}" ] || skip_all "NETIF does not name an interface"
	[ -d "/sys/class/net/$NETIF" ] || skip_all "there is no interface $NETIF"
	[ -n "${REMOTE_TYPE:-}" ] || skip_all "REMOTE_TYPE does not say how to reach the other side"
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
	remote_state=$(mktemp -d)
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
			cat "$remote_state/$1.out"
			cat "$remote_state/$1.err" >&2
			return "$(cat "$remote_state/$1.status" 2>/dev/null || echo 143)"
		fi
		if [ $# -eq 1 ]; then line=$1; else printf -v line '%q ' "$@"; fi
		local command=(ip netns exec "${REMOTE_ARGS:-}" bash -c "$line")
		[ "$REMOTE_TYPE" = netns ] || command=(ssh -o BatchMode=yes "${REMOTE_ARGS:-}" "$line")
		if [ "$kind" = -b ]; then
			number=$(find "$remote_state" -name '*.pid' | wc -l)
			(
				"${command[@]}" </dev/null >"$remote_state/$number.out" 2>"$remote_state/$number.err" &
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

# undo COMMAND...: run at exit, the last one first, whatever happened
undo_commands=()
undo() {
	local line
	printf -v line '%q ' "$@"
	undo_commands=("$line" "${undo_commands[@]}")
}
undo_all() {
	local line
	for line in "${undo_commands[@]}"; do eval "$line" >/dev/null 2>&1; done
	[ -z "${remote_state:-}" ] || rm -rf "$remote_state"
}
trap undo_all EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	local end=$((SECONDS + $1 * slower))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

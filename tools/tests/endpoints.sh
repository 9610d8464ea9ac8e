# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # tmp is lib.sh's
# For tests of endpoints between this machine and the other side of the cable, sourced after selftests/lib.sh and vram.sh.

# endpoints NAME PORT PROGRAM MEMORY: endpoint_peer listens there, and PROGRAM, which is that or built for more kinds of memory,
# connects from here with what it receives in MEMORY: its results as KTAP, and one that both have ended well. $tmp/peer has its words
endpoints() {
	local name=$1 port=$2 program=$3 memory=$4 listener line status

	# Not what another one has said.
	: >"$tmp/peer"
	: >"$tmp/listener"
	listener=$(remote -b "build/tools/tests/endpoint_peer listen $port")
	wait_for 20 remote "ss -Hltn sport = :$port | grep -q ." && "$program" connect "$REMOTE_V4" "$port" "$NETIF" 1 "$memory" >"$tmp/peer" 2>&1
	status=$?
	while read -r line; do
		case $line in
		"ok "*) ktap_ok "$name: ${line#ok * }" 0 ;;
		"not ok "*) ktap_ok "$name: ${line#not ok * }" 1 ;;
		*) ktap_say "$line" ;;
		esac
	done <"$tmp/peer"
	remote -k "$listener" >"$tmp/listener" 2>&1
	[ $status -eq 0 ] && grep -q '^ended 0' "$tmp/listener"
	ktap_ok "$name: both have ended well" $?
}

# moved_by_gpu: the endpoints' payload was moved to its place by the GPU, all of it
moved_by_gpu() {
	grep -q '^# in place 0, moved \([1-9][0-9]*\) (\1 by the GPU)' "$tmp/peer"
}

# both PEER PROGRAM HOW: one on the other side of the cable, one here, which moves much until something ends it
both() {
	port=$((port + 1))
	# shellcheck disable=SC2034 # for who ends it
	peer=$(remote -b "echo \$\$ >\"\$LAB_RUN/peer\"; exec build/tools/tests/in_place ${1/PORT/$port}")
	wait_for 20 remote "ss -Hltn sport = :$port | grep -q ." || return 1
	in_place "$2" "$REMOTE_V4" $port "$NETIF" 1 "$memory" 1000000 1048576 16 "$3" >"$tmp/here" 2>&1 &
	here=$!
	wait_for 30 moves
}

# more than 4 MiB have gone one way or the other
moves() {
	local bytes
	bytes=$(ss -tinH "dport = :$port" | sed -n 's/.*bytes_\(sent\|received\):\([0-9]*\).*/\2/p; s/.*bytes_received:\([0-9]*\).*/\1/p' | sort -n | tail -n 1)
	[ "${bytes:-0}" -gt $((4 << 20)) ]
}

# Here it has ended by itself, and well, with this error.
ended() {
	local status=0
	# shellcheck disable=SC2154 # slower is from lib.sh
	for _ in $(seq $((600 * slower))); do
		kill -0 "$here" 2>/dev/null || break
		sleep 0.1
	done
	kill -0 "$here" 2>/dev/null && status=1 && kill -9 "$here"
	wait "$here" || status=1
	grep -v 'event' "$tmp/here" | sed 's/^/# /'
	[ $status = 0 ]
}

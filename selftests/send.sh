# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # tmp is lib.sh's
# Sourced by tests that send out of memory with zc_send; the other side looks at every byte.

BYTES=$((16 << 20))
port=9300

# expect: somebody listens on the next port, and reads all, or as much as $stall until the connection has ended
expect() {
	port=$((port + 1))
	listener=$(remote -b "pattern_recv $port ${stall:-}")
	wait_for 10 remote "ss -Hltn sport = :$port | grep -q ."
}
# send NAME ARG...
send() {
	local name=$1
	shift
	# Not what one of that name has said before.
	rm -f "$tmp/$name" "$tmp/listener"
	expect && send_to "$name" "$@"
}
# send_to NAME ARG...: the same, to whoever listens on $port
send_to() {
	local name=$1 status
	shift
	zc_send -i "$NETIF" -a "${to:-$REMOTE_V4}" -p "$port" "$@" >"$tmp/$name" 2>&1
	status=$?
	remote -w "$listener" >"$tmp/listener" 2>&1
	sed 's/^/# /' "$tmp/$name"; sed 's/^/# listener: /' "$tmp/listener"
	return $status
}
# arrives NAME ARG...: all of it does, and none was copied
arrives() {
	local bytes=${bytes:-$BYTES}

	send "$@" -n "$bytes" && [ "$(said "$1" sent)" = "$bytes" ] && [ "$(said "$1" notified)" = "$bytes" ] &&
		[ "$(said "$1" copied)" = 0 ] && [ "$(said "$1" error)" = 0 ] && [ "$(said listener received)" = "$bytes" ] &&
		[ "$(said listener correct)" = 1 ]
}
# revoked NAME ARG...: the exporter takes the memory away while more is under way than the other side reads; everybody hears of it
revoked() {
	# shellcheck disable=SC2154 # slower is from lib.sh
	stall=1000000 send "$@" -n $((64 << 20)) && [ "$(said "$1" revoke_us)" -lt $((1000000 * slower)) ] &&
		[ "$(said "$1" error)" = ENODEV ] && [ "$(said listener correct)" = 1 ] &&
		[ "$(said listener error)" = ECONNRESET ]
}
# each_memory WAY...: a result for each way and each kind of memory
each_memory() {
	local way memory size
	for way; do
		for memory in "vfio:$VRAM_PCI" heap udmabuf scattered; do
			size=$((4 << 20))
			[ "${memory%%:*}" = vfio ] && size=0
			arrives stream -w "$way" -m "$memory" -s $size
			ktap_ok "$way: from ${memory%%:*}" $?
		done
	done
}
# refused NAME ERROR ARG...: nothing is sent, and the connection is what it was
refused() {
	local name=$1 error=$2
	shift 2
	send "$name" "$@" -n 65536 && [ "$(said "$name" error)" = "$error" ] && [ "$(said "$name" sent)" = 0 ] &&
		[ "$(said listener received)" = 0 ] && [ "$(said listener error)" = 0 ]
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by tests that look at device memory from outside of the lab's machine, while data is sent to it.

[ "${REMOTE_TYPE:-}" = lab ] || skip_all "only the lab's machine can be looked at from outside"

# flood_start: datagrams to all of the queues that $NETIF's RSS table names, without end, and not more than a slow machine
# takes beside a connection
flood_start() {
	remote ip neigh replace "$LOCAL_V4" lladdr "$(cat "/sys/class/net/$NETIF/address")" dev tap0 nud permanent
	# shellcheck disable=SC2154 # slower is from lib.sh
	remote -b flood "$LOCAL_V4" $((600 * slower)) $((250 * slower * slower)) >/dev/null
}

sent_bytes() {
	remote ip -s link show tap0 | awk '/TX:/ { getline; print $1 }'
}

# changes SECONDS: in how many MiB of the memory (of the file that $look_at names, on the sender's side) something changes
look_at=LAB_VRAM
changes() {
	remote "LAB_VRAM=\$$look_at proof watch $1" | sed -n 's/.*"changed": \([0-9]*\),.*/\1/p'
}

# quiet: for two seconds and more not a byte of the memory changes, although at least 1 MiB is sent
quiet() {
	local before after changed
	before=$(sent_bytes)
	changed=$(changes 2.5)
	after=$(sent_bytes)
	echo "# $changed MiB changed while $(((after - before) >> 20)) MiB were sent"
	[ "$changed" = 0 ] && [ $((after - before)) -gt $((1 << 20)) ]
}

# still: the same, where nothing can be sent to the device
still() {
	[ "$(changes 2.5)" = 0 ]
}

# stream NAME PORT BYTES: pattern into a region of the device's memory, every byte right
stream() {
	local name=$1 port=$2 bytes=$3
	receive "$name" -p "$port" -n "$bytes" -r -m "vfio:$VRAM_PCI" && remote pattern_send "$LOCAL_V4" "$port" "$bytes" &&
		wait "${receiver:?}" && [ "$(said "$name" received)" = "$bytes" ] && [ "$(said "$name" correct)" = 1 ]
}

# victim NAME PORT ARG...: a receiver, and a sender that does not end; back when data flows
victim() {
	local name=$1 port=$2
	shift 2
	receive "$name" -p "$port" -r -m "vfio:$VRAM_PCI" "$@" &&
		remote -b pattern_send "$LOCAL_V4" "$port" $((64 << 30)) >/dev/null
}

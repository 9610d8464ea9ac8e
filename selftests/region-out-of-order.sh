#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Packets that wait for what is missing are given up when they have all buffers. Each connection's first packet is lost for 3
# seconds, and what follows takes all of the memory: nothing was received any more.
# lab: kernel=netgpu
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue vram
need_programs devmem_recv lossy

SIZE=$((2 << 20))

# counted NAME: by TCP, since it began
counted() {
	awk -v name="$1" '/^TcpExt:/ { for (i = 1; i <= NF; i++) if (key[i] == name) print $i; split($0, key) }' /proc/net/netstat
}

# arrives PORT FLOWS BYTES SIZE LOSS [ARGUMENTS OF THE RECEIVER]: each sends so much, and some of it is lost
arrives() {
	local port=$1 flows=$2 bytes=$3 size=$4 loss=$5 linear sender
	shift 5
	waited=$(counted TCPOFOQueue)
	pruned=$(counted OfoPruned)
	receive "$port" -t $((30 * slower)) -p "$port" -m heap -s "$size" "$@" || return
	# shellcheck disable=SC2086
	sender=$(remote -b lossy $loss tap0 10.77.0.9 4148 bash -c "ip route replace 10.77.0.0/24 dev bad0 initcwnd 1000
		for _ in \$(seq $flows); do pattern_send $LOCAL_V4 $port $bytes & done
		wait
		while [ -n \"\$(ss -tnH)\" ]; do sleep 0.1; done")
	wait "$receiver"
	status=$?
	sed 's/^/# /' "$tmp/$port"
	waited=$(($(counted TCPOFOQueue) - waited))
	pruned=$(($(counted OfoPruned) - pruned))
	echo "# $waited packets waited, and were given up $pruned times"
	remote -k "$sender" >"$tmp/sender" 2>&1
	[ $status = 0 ] || sed 's/^/# sender: /' "$tmp/sender"
	linear=$(said "$port" linear) # of packets so short that the device did not split them, by devmem TCP
	[ $status = 0 ] && [ $(($(said "$port" received) + ${linear:-0})) = $((flows * bytes)) ] && [ "$(said "$port" correct)" = 1 ] && [ "$(said "$port" error)" = 0 ]
}

# missing PORT FLOWS BYTES [ARGUMENTS OF THE RECEIVER]: the first packet of each connection
missing() {
	arrives "$1" "$2" "$3" $SIZE "-f 3000" "${@:4}" && [ "$pruned" -gt 0 ]
}

ktap_plan 8
vram_bind
steer_to_queue 1
rmem=$(sysctl -n net.ipv4.tcp_rmem)
undo sysctl -qw net.ipv4.tcp_rmem="$rmem"
# windows beyond the memory
sysctl -qw net.ipv4.tcp_rmem="4096 $((3 * SIZE)) $((6 * SIZE))"
missing 9101 1 $((8 << 20)) -r
ktap_ok "a connection, into a region" $?
missing 9102 16 $((2 << 20)) -r -C 16
ktap_ok "16 connections, into a region" $?
missing 9103 1 $((8 << 20)) -r -M
ktap_ok "a connection, with completions merged" $?
missing 9104 1 $((8 << 20)) -r -L 16384
ktap_ok "a connection, buffers of 16 KiB" $?
missing 9105 1 $((8 << 20))
ktap_ok "a connection, into a dma-buf that is no region" $?
receive_with=devmem_recv
missing 9106 1 $((8 << 20))
ktap_ok "by devmem TCP" $?
sysctl -qw net.ipv4.tcp_rmem="$rmem"

# Less than the ring of the device wants, and enough for the window: what was lost comes soon.
receive_with=zcrx_recv
in_vain=$(asked_in_vain)
arrives 9107 1 $((16 << 20)) $((SIZE / 2)) "-d 89" -r && [ "$waited" -gt 0 ] && [ "$pruned" = 0 ] && [ "$(asked_in_vain)" -gt "$in_vain" ]
ktap_ok "what does not wait in vain is kept, also where there are no more buffers" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic afterwards" $?
ktap_end

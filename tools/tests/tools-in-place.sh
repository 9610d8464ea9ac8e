#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Messages that the network device puts where they belong: into the buffers that were posted, of another device's memory.
# lab: topology=switch
# lab: timeout=400
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools:$top/build/tools/tests
need_netif
need_programs netgpu in_place in_place_mix lossy
[ -n "${VRAM_PCI:-}" ] || skip_all "there is no device with memory"
memory=vfio:$VRAM_PCI
port=5240

# received COUNT SIZES WINDOW [HOW]: so many are sent from the other side of the cable, and received here: every byte of them is right, and
# none beside. $tmp/received has the words; $through: what the sender is run by, $from: its address then
through="" from=$REMOTE_V4
received() {
	local sender status
	port=$((port + 1))
	sender=$(remote -b "$through build/tools/tests/in_place send $port $1 $2")
	if [ -n "$through" ]; then
		ip neigh flush dev "$NETIF" # it may be another machine than the last
		wait_for 20 ping -q -c 1 -W 1 "$from" >/dev/null
	else
		wait_for 20 remote "ss -Hltn sport = :$port | grep -q ."
	fi && in_place receive "$from" $port "$NETIF" 1 "$memory" "$@" >"$tmp/received" 2>&1
	status=$?
	remote -k "$sender" >"$tmp/sent" 2>&1
	sed 's/^/# /' "$tmp/received" "$tmp/sent" | grep -v 'Operation canceled$'
	return $status
}

# mixed COUNT SIZE WINDOW HOW: the same by in_place_mix; with a second sender where there are two
mixed() {
	local senders=() status i
	port=$((port + 2))
	for i in 0 1; do
		[ "$i" = 0 ] || [ "$4" = two ] || continue
		senders+=("$(remote -b "build/tools/tests/in_place_mix send $((port + i)) $1 $2")")
		wait_for 20 remote "ss -Hltn sport = :$((port + i)) | grep -q ." || return 1
	done
	in_place_mix receive "$from" "$port" "$NETIF" 1 "$memory" "$@" >"$tmp/received" 2>&1
	status=$?
	for i in "${senders[@]}"; do
		remote -k "$i"
	done >"$tmp/sent" 2>&1
	sed 's/^/# /' "$tmp/received" "$tmp/sent"
	return $status
}

# How much comes in place depends on what is lost on a busy machine; "make bench T=in-place" measures it.
value() {
	sed -n "s/^$1 //p" "$tmp/received"
}

# in_place_share LEAST MOST: of a thousand bytes so many came where they belong
in_place_share() {
	[ "$(value share)" -ge "$1" ] && [ "$(value share)" -le "$2" ]
}

ktap_plan 28
freed_without_network
vram_bind
ktap_run "netgpu setup" netgpu setup "$NETIF" --queue 1 --all-flows
undo netgpu reset "$NETIF"
both_mtu 4148 && ethtool -X "$NETIF" weight 1 1
ktap_ok "RSS spreads over two queues, packets fill a page" $?

# The first 4 MiB are in landing memory, which the device has from the beginning.
received 128 1048576 16 && in_place_share 300 1000
ktap_ok "128 messages of 1 MiB" $?
received 1024 65536 64 && in_place_share 50 1000
ktap_ok "1024 messages of 64 KiB" $?
received 96 1048576,5000,100,300001 16 && in_place_share 50 1000
ktap_ok "messages of different lengths, some in the control lane" $?
received 6 8388608 3 && in_place_share 100 1000
ktap_ok "messages that are larger than landing memory" $?
received 64 1048576 16 odd && in_place_share 0 0
ktap_ok "buffers that do not begin with a page: all is moved" $?
received 64 1048576 16 kept && in_place_share 0 0
ktap_ok "an mr that is not for that: all is moved" $?
received 32 1048576 1 && in_place_share 0 500
ktap_ok "one buffer at a time: nobody knows what comes next" $?
received 64 1048576 16 abort && [ "$(value restarts)" -gt 0 ]
ktap_ok "an endpoint that is aborted: its buffers are the program's, and nothing more is written there" $?
received_again() {
	local another status
	another=$(remote -b "build/tools/tests/in_place send $((port + 2)) 64 1048576")
	wait_for 20 remote "ss -Hltn sport = :$((port + 2)) | grep -q ." && received 64 1048576 16 again &&
		[ "$(value restarts)" -gt 0 ]
	status=$?
	remote -k "$another" >/dev/null 2>&1
	port=$((port + 1))
	return $status
}

received_again
ktap_ok "and another endpoint receives after that, into the same mr" $?
IN_PLACE_RESTARTS_FAIL=10 received_again
ktap_ok "the queue is restarted only after a while: nobody hears of the end before" $?
IN_PLACE_RESTARTS_FAIL=26 received_again && grep -q "queue 1 of network device [0-9]* cannot be restarted (Cannot allocate memory)" "$tmp/received"
ktap_ok "only after ten seconds: it is said, and nothing is lost" $?
! IN_PLACE_RESTART_ERROR=95 in_place receive "$from" $port "$NETIF" 1 "$memory" 1 4096 1 >"$tmp/refused" &&
	grep -q "queue 1 of the network device cannot be restarted" "$tmp/refused"
ktap_ok "a queue that can never be restarted: no mr for that" $?
memory=udmabuf received 128 1048576 16 && in_place_share 300 1000
ktap_ok "in memory of the host that is a dma-buf" $?
mixed 64 1048576 16 reads && in_place_share 50 1000
ktap_ok "messages, and what is read from the peer meanwhile" $?
mixed 128 200000 16 unbuffered && in_place_share 50 1000
ktap_ok "messages without a buffer among them" $?
mixed 64 1048576 16 short && in_place_share 10 1000
ktap_ok "messages that are longer than the buffers" $?
mixed 64 1048576 16 two && in_place_share 10 900 && [ "$(value restarts)" -gt 0 ]
ktap_ok "a second endpoint comes half way" $?
IN_PLACE_HALFWAY="ip link set $NETIF mtu 1500 && remote ip link set tap0 mtu 1500" received 64 1048576 16 &&
	in_place_share 50 700
ktap_ok "packets become short half way" $?
IN_PLACE_HALFWAY="ip link set $NETIF mtu 4148 && remote ip link set tap0 mtu 4148" received 64 1048576 16
ktap_ok "and long" $?

through="lossy -d 997 tap0 10.77.0.9 4148" from=10.77.0.9
received 256 1048576 16 && in_place_share 100 999
ktap_ok "one packet of a thousand is lost" $?
through="lossy -d 89 -o 7 tap0 10.77.0.9 4148"
received 32 1048576 16
ktap_ok "many are lost, and more come late" $?
through="" from=$REMOTE_V4

both_mtu 1500 && received 64 1048576 16 && in_place_share 0 0
ktap_ok "short packets: all is moved" $?
received 256 1448,4096,700 2
ktap_ok "one packet at a time" $?
both_mtu 2100 && received 128 1048576 16
ktap_ok "two packets fill a page" $?
both_mtu 4148 && ethtool -X "$NETIF" start 1 equal 1 && received 64 1048576 16 && in_place_share 0 0
ktap_ok "all flows on one queue: all is moved" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A queue whose buffers user space keeps is filled soon after it has them back, and netpoll does not fill it.
# A receiver that was asleep goes on as soon as its senders do.
# lab: kernel=netgpu
# lab: timeout=400
# lab: modules=queue_fault
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue vram
need_programs zcrx_starve

MODULES=${GATE_MODULES:-$(dirname "$0")}/queue_fault

ktap_plan 12
vram_bind
steer_to_queue 1
: >"$tmp/stay-dry"
timeout $((90 * slower)) zcrx_starve "$NETIF" 1 9100 5 "$tmp/stay-dry" >"$tmp/starve" 2>&1 &
starve=$!
wait_for 10 grep -q '^listening' "$tmp/starve" && remote -b pattern_send "$LOCAL_V4" 9100 $((64 << 30)) >/dev/null
wait_for 30 grep -q '^dry 0' "$tmp/starve"
ktap_ok "a queue whose buffers are all with user space is dry" $?
if [ -e "$MODULES/queue_fault.ko" ]; then
	undo rmmod queue_fault
	insmod "$MODULES/queue_fault.ko" netdev="$NETIF" && echo 1 >/sys/module/queue_fault/parameters/poll &&
		allocs=$(cat /sys/module/queue_fault/parameters/poll_allocs) && [ "$allocs" = 0 ]
	ktap_ok "a poll without a budget asks for no buffer: $allocs" $?
else
	ktap_skip "a poll without a budget asks for no buffer" "the module queue_fault is not built"
fi
rm "$tmp/stay-dry"
wait $starve
status=$?
ktap_ok "it runs dry $(said starve rounds) times" $status
sed 's/^/# /' "$tmp/starve"
asks=$(said starve asks)
# A driver that does not look again asks once each time.
[ "${asks:-0}" -ge $((2 * $(said starve rounds))) ]
ktap_ok "as long as it is, the driver asks for buffers: $asks times in a second" $?
us=$(said starve waited_us)
[ "${us:-9999999}" -lt $((150000 * slower)) ]
ktap_ok "and not in vain soon after they are back, each time: $us us" $?

# Buffers that hold the payload of several packets: none is free before most of these have come back. As only 512 of them were
# looked at each time, it asked 8 and 18 times.
ip link set "$NETIF" mtu 1500 && remote ip link set tap0 mtu 1500 && wait_for_carrier
port=9102
for buffer in 4096 65536; do
	rm -f "$tmp/parts"
	timeout $((90 * slower)) zcrx_starve "$NETIF" 1 $port 3 "$tmp/stay-dry" $buffer >"$tmp/parts" 2>&1 &
	starve=$!
	wait_for 10 grep -q "^listening $port" "$tmp/parts" && remote -b pattern_send "$LOCAL_V4" $port $((64 << 30)) >/dev/null
	wait $starve
	status=$?
	sed 's/^/# /' "$tmp/parts"
	ktap_ok "buffers of $buffer bytes that hold $((buffer / 2048)) packets each" $status
	vain=$(said parts vain)
	[ "${vain:-99}" -le 4 ]
	ktap_ok "come back part by part, and are there at once: asked for $vain times in vain" $?
	port=$((port + 1))
done
ip link set "$NETIF" mtu 4148 && remote ip link set tap0 mtu 4148 && wait_for_carrier

# 16 flows, half of the memory with the device, few completions, and nobody there for 2 seconds. The senders try again
# after a time that they double, so about as much again may pass. It was 8 s.
zcrx_recv -i "$NETIF" -q 1 -p 9101 -m heap -s $((2 << 20)) -r -C 16 -Q 128 -Z 2000 -n $((16 << 20)) -t $((60 * slower)) >"$tmp/late" 2>&1 &
receiver=$!
numbers=
if wait_for 10 grep -q '^listening' "$tmp/late"; then
	in_vain=$(asked_in_vain)
	for _ in {1..16}; do
		numbers+=" $(remote -b pattern_send "$LOCAL_V4" 9101 $((64 << 20)))"
	done
fi
wait $receiver && [ "$(said late correct)" = 1 ] && [ "$(said late error)" = 0 ] && [ -n "$in_vain" ] && [ "$(asked_in_vain)" -gt "$in_vain" ]
status=$?
sed 's/^/# /' "$tmp/late"
echo "# asked in vain: ${in_vain:-} times before, $(asked_in_vain) afterwards"
ktap_ok "16 flows into little memory, which runs dry, and a receiver that is asleep for a while" $status
ms=$(said late gap_ms)
[ "${ms:-99999}" -lt $((4000 * slower)) ]
ktap_ok "it has payload again soon after it is awake: $ms ms at most without" $?
for number in $numbers; do
	remote -w "$number" >"$tmp/sender" 2>&1
	[ "$(said late error)" = 0 ] || sed "s/^/# sender $number: /" "$tmp/sender"
done

nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic afterwards" $?
ktap_end

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # receiver and slower are those of who sources this
# Sourced by zcrx-answers.sh and zcrx-answers-upstream.sh: what zero-copy receive does for a program that never heard of netgpu,
# on a kernel that has it and on one that has not.

nic=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")
driver=$(basename "$(readlink "/sys/class/net/$NETIF/device/driver")")
QUEUED=$((32 << 10))

no_pools() {
	[ "$(page_pools leaked)" = 0 ]
}

ktap_plan 7
vram_bind
freed_without_network
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

zcrx_answers "$NETIF" 1 "vfio:$VRAM_PCI" >"$tmp/answers" 2>&1
status=$?
sed 's/^/    /' "$tmp/answers"
ktap_ok "each call is answered as expected" $status

# Payload that came on another queue.
ethtool -X "$NETIF" start 0 equal 1
receive stray -p 9001 -m heap -s $((4 << 20)) -n $QUEUED -E && sender=$(remote -b pattern_send "$LOCAL_V4" 9001 $QUEUED) && wait "$receiver"
remote -w "$sender" >/dev/null 2>&1
ktap_say "$(grep -E '^(received|error) ' "$tmp/stray")"
stray "$(said stray received)" "$(said stray error)"
ktap_ok "stray payload: as expected" $?
ethtool -X "$NETIF" start 1 equal 1

# The network device goes away, and what it has received is in the socket.
touch "$tmp/delay"
receive gone -p 9002 -m heap -s $((4 << 20)) -n $QUEUED -D "$tmp/delay"
remote -b pattern_send -w $((60 * slower)) "$LOCAL_V4" 9002 $QUEUED >/dev/null
wait_for 30 flows 9002 $((QUEUED - 1))
ktap_ok "$QUEUED bytes are received, and in the socket" $?
echo "$nic" >"/sys/bus/pci/drivers/$driver/unbind"
[ ! -e "/sys/class/net/$NETIF" ]
ktap_ok "the device is gone" $?
rm "$tmp/delay"
wait "$receiver"
[ "$(said gone received)" = $QUEUED ] && [ "$(said gone correct)" = 1 ] && [ "$(said gone error)" = 0 ]
ktap_ok "what is queued is received afterwards" $?
wait_for 60 no_pools
ktap_ok "no page pool is left" $?
ktap_end

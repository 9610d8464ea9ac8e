#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A queue whose buffers user space keeps is filled soon after it has them back, and netpoll does not fill it.
# lab: kernel=netgpu
# lab: timeout=120
# lab: modules=queue_fault
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"

MODULES=${GATE_MODULES:-$(dirname "$0")}/queue_fault

need_netif
ktap_plan 6
vram_bind
steer_to_queue 1
: >/tmp/stay-dry
zcrx_starve "$NETIF" 1 9100 5 /tmp/stay-dry >/tmp/starve 2>&1 &
starve=$!
wait_for 10 grep -q '^listening' /tmp/starve && remote -b pattern_send "$LOCAL_V4" 9100 $((64 << 30)) >/dev/null
wait_for 30 grep -q '^dry 0' /tmp/starve
ktap_ok "a queue whose buffers are all with user space is dry" $?
if [ -e "$MODULES/queue_fault.ko" ] && insmod "$MODULES/queue_fault.ko" netdev="$NETIF"; then
	undo rmmod queue_fault
	echo 1 >/sys/module/queue_fault/parameters/poll
	allocs=$(cat /sys/module/queue_fault/parameters/poll_allocs)
	[ "$allocs" = 0 ]
	ktap_ok "a poll without a budget asks for no buffer: $allocs" $?
else
	ktap_skip "a poll without a budget asks for no buffer" "the module queue_fault is not built"
fi
rm /tmp/stay-dry
wait $starve
status=$?
ktap_ok "it runs dry $(said starve rounds) times" $status
sed 's/^/# /' /tmp/starve
asks=$(said starve asks)
[ "${asks:-0}" -ge $((40 / slower)) ]
ktap_ok "as long as it is, the driver asks for buffers: $asks times in a second" $?
us=$(said starve waited_us)
[ "${us:-9999999}" -lt $((150000 * slower)) ]
ktap_ok "and not in vain soon after they are back, each time: $us us" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic afterwards" $?
ktap_end

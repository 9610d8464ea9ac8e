#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# igb suspends when it has no link. It resumes under the instance lock: its caller's where that one holds it, and else when
# it gets it, not while somebody else has it.
# lab: kernel=netgpu
# lab: timeout=150
# lab: modules=queue_fault
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab netif

MODULES=${GATE_MODULES:-$(dirname "$0")}/queue_fault
PARAMETERS=/sys/module/queue_fault/parameters
need_programs ethtool xdp_attach
[ -e "$MODULES/queue_fault.ko" ] || skip_all "the modules are not built: GATE_MODULES=$GATE_MODULES"
device=$(readlink -f "/sys/class/net/$NETIF/device")
[ "$(basename "$(readlink -f "$device/driver")")" = igb ] || skip_all "$NETIF is not driven by igb"
[ -w "$device/power/control" ] && [ "$(cat "$device/power/runtime_status")" = active ] || skip_all "no runtime power management"

status() {
	cat "$device/power/runtime_status"
}

is() {
	[ "$(status)" = "$1" ]
}

cable() {
	remote qmp set_link '{"name": "nic0", "up": '"$1"'}' >/dev/null
}

held() {
	[ "$(cat $PARAMETERS/held)" = Y ]
}

ktap_plan 15
keep_settings # as it wakes, the driver has as many queues as it would take by itself
insmod "$MODULES/queue_fault.ko" netdev="$NETIF" && undo rmmod queue_fault
undo eval "echo $(cat "$device/power/control") >$device/power/control"
undo cable true

cable false && wait_for 10 grep -q 0 "/sys/class/net/$NETIF/carrier"
ktap_ok "the cable is unplugged" $?
echo auto >"$device/power/control"
wait_for 30 is suspended
ktap_ok "the controller suspends" $?
ethtool -g "$NETIF" >/dev/null
ktap_ok "ethtool wakes it, under the lock that it holds" $?
wait_for 30 is suspended
ktap_ok "and it suspends again" $?

echo 5000 >$PARAMETERS/hold &
holder=$!
wait_for 5 held
ktap_ok "somebody holds the lock" $?
echo on >"$device/power/control" &
waker=$!
wait_for 5 eval '! is suspended'
too_soon=0
waited=0
while held; do
	if is active && held; then too_soon=1; fi
	if is resuming && held; then waited=1; fi
done
[ $too_soon = 0 ] && [ $waited = 1 ]
ktap_ok "who does not hold it waits for it before the controller is active" $?
wait $holder && wait $waker && is active
ktap_ok "and then it is" $?

echo auto >"$device/power/control"
wait_for 30 is suspended
ktap_ok "it suspends once more" $?
# Each of them may find the other at it.
failed=0
for _ in 1 2 3 4; do
	wait_for 30 is suspended || failed=1
	ethtool -g "$NETIF" >/dev/null &
	echo on >"$device/power/control"
	echo auto >"$device/power/control"
	wait $! || failed=1
done
ktap_ok "woken from two sides, neither waits for the other" $failed

# in_time COMMAND: it ends, and well. Who waits for a lock of his own cannot be killed, and is not waited for.
in_time() {
	local pid

	eval "$1" &
	pid=$!
	wait_for 20 eval "! kill -0 $pid 2>/dev/null" && wait $pid
}

# All close and open the device, or what it has; it is closed, and its resume opens it.
wait_for 30 is suspended && ! in_time "xdp_attach $NETIF true 2>$tmp/xdp" && grep -q "Invalid argument" "$tmp/xdp"
ktap_ok "an XDP program is refused while it is suspended, as frames are too large for that" $?
echo on >"$device/power/control" && ip link set "$NETIF" mtu 1500 && echo auto >"$device/power/control" &&
	wait_for 30 is suspended && in_time "xdp_attach $NETIF true"
ktap_ok "with small frames it comes and goes" $?
if [ -w "$device/sriov_numvfs" ]; then
	undo eval "echo 0 >$device/sriov_numvfs" # before the settings, which take the queues
	wait_for 30 is suspended && in_time "echo 1 >$device/sriov_numvfs"
	ktap_ok "a virtual function comes while it is suspended" $?
	wait_for 30 is suspended && in_time "echo 0 >$device/sriov_numvfs"
	ktap_ok "and goes" $?
else
	for _ in 1 2; do ktap_skip "virtual functions" "the kernel has no PCI_IOV, or the controller none"; done
fi

cable true && echo on >"$device/power/control" && wait_for_carrier
ktap_ok "the cable is plugged in" $?
wait_for 10 ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

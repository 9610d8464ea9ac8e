#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# igb is closed and opened for other virtual functions, which ignores that it could not be opened, and allocations fail, one after
# the other. Such an interface is up without having rings: it can be asked and set up, closed, and opened again.
# lab: kernel=debug
# lab: timeout=240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fault.sh"
need netif

need_programs ethtool
[ -w /proc/self/fail-nth ] || skip_all "the kernel injects no faults"
device=$(readlink -f "/sys/class/net/$NETIF/device")
[ "$(basename "$(readlink -f "$device/driver")")" = igb ] || skip_all "$NETIF is not driven by igb"
[ -w "$device/sriov_numvfs" ] || skip_all "the kernel has no PCI_IOV, or the controller no virtual functions"
MTU=$(cat "/sys/class/net/$NETIF/mtu")
FAULTS=30	# what comes later are buffers, without which a ring starts as well

# reopens NTH: another number of virtual functions, with the NTH fault in what opens
reopens() {
	(
		echo "$1" >"/proc/$BASHPID/fail-nth"
		echo $(($1 % 2)) >"$device/sriov_numvfs"
		echo 0 >"/proc/$BASHPID/fail-nth"
	) 2>/dev/null
}

# set_up: what finds it running, and stops and starts it
set_up() {
	ip link set "$NETIF" mtu 1500 && ethtool -G "$NETIF" rx 128 && ethtool -G "$NETIF" rx 256 &&
		ethtool -K "$NETIF" rxvlan off && ethtool -K "$NETIF" rxvlan on && ip link set "$NETIF" mtu "$MTU"
}

# in_time COMMAND...: it ends, and well. Who waits for NAPI for ever cannot be killed, and is not waited for.
in_time() {
	local pid

	"$@" >"$tmp/in_time" 2>&1 &
	pid=$!
	wait_for 30 eval "! kill -0 $pid 2>/dev/null" && wait $pid && return
	sed 's/^/# /' "$tmp/in_time"
	return 1
}

[ -e /sys/kernel/debug/failslab/require-start ] || skip_all "the kernel does not choose faults by their callers"
ktap_plan 5
undo eval "echo 0 >$device/sriov_numvfs"
only_in __igb_open failslab fail_page_alloc
ktap_ok "faults are chosen by their callers" $?
failed=0 bad=0
for ((nth = 1; nth <= FAULTS && !bad; nth++)); do
	dmesg -C
	in_time reopens $nth || bad=$nth
	if dmesg | grep -q "Unable to allocate memory for the .x descriptor ring"; then
		failed=$((failed + 1))
		in_time set_up || bad=$nth
	fi
	in_time ip link set "$NETIF" down && in_time ip link set "$NETIF" up || bad=$nth
done
[ $failed -gt 2 ]
ktap_ok "of $FAULTS opens $failed failed" $?
[ $bad = 0 ]
ktap_ok "each time it can be set up, closed and opened ($bad)" $?
in_time eval "echo 0 >$device/sriov_numvfs"
ktap_ok "without faults the virtual functions go" $?
wait_for 20 grep -q 1 "/sys/class/net/$NETIF/carrier" && ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null
ktap_ok "ordinary traffic afterwards" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the selftests change of a card and of the machine is as before when they have passed, and when they are ended half way.
# lab: long=selftests-undo
# lab: kernel=netgpu
# lab: modules=queue_fault
# lab: timeout=1800
# lab: append=pci=realloc
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/machine_state.sh"
need lab netif
need_programs ethtool
[ "$(basename "$(readlink -f "/sys/class/net/$NETIF/device/driver")")" = igb ] || skip_all "$NETIF is not driven by igb"

# Not what a test of ours gets by itself: a ring of another size, three queues, RSS to two of them, and a route.
set_up() {
	ethtool -G "$NETIF" rx 512 && wait_for 20 grep -q 1 "/sys/class/net/$NETIF/carrier" && ethtool -L "$NETIF" combined 3 &&
		ethtool -X "$NETIF" weight 1 2 0 && ip route add 198.51.100.0/24 dev "$NETIF" # which goes with the link
}
set_up || skip_all "the card does not take a ring of 512, three queues, and RSS to two of them"
modprobe -a vfio-pci vfio_iommu_type1 2>/dev/null

# left: what is not as before
left() {
	wait_for 20 grep -q 1 "/sys/class/net/$NETIF/carrier"
	card_state >"$tmp/after"
	diff "$tmp/before" "$tmp/after"
}
passes() { # TEST
	timeout -k 60 $((500 * slower)) "$selftests/$1.sh" >"$tmp/out" 2>&1 || { tail -n 30 "$tmp/out"; return 1; }
}
# ended TEST RESULT: by SIGTERM, after that many results
ended() {
	local pid
	"$selftests/$1.sh" >"$tmp/out" 2>&1 &
	pid=$!
	wait_for 300 eval "grep -q '^ok $2 ' '$tmp/out' || ! kill -0 $pid 2>/dev/null"
	grep -q "^ok $2 " "$tmp/out" || { tail -n 30 "$tmp/out"; kill "$pid"; wait "$pid"; return 1; }
	kill "$pid"
	wait "$pid"
	[ $? = 143 ] || { tail -n 30 "$tmp/out"; return 1; }
}

tests="igb-split igb-queue-api igb-runtime-pm igb-sriov region-receive region-switch"
halves="igb-split:10 igb-queue-api:14 igb-queue-api:21 igb-runtime-pm:8 igb-runtime-pm:12 igb-sriov:3"
# shellcheck disable=SC2086 # words
ktap_plan $((2 * $(wc -w <<<"$tests $halves")))
card_state >"$tmp/before"
for test in $tests; do
	ktap_run "$test passes" passes "$test"
	ktap_run "$test leaves nothing" left
done
for half in $halves; do
	ktap_run "$half: ended" ended "${half%:*}" "${half#*:}"
	ktap_run "$half: leaves nothing" left
done
ktap_end

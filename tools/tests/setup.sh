#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu setup and reset: what was there comes back exactly, and each refusal says why.
# lab: topology=switch
# lab: timeout=120
. "$(dirname "$0")/../../selftests/lib.sh"
need_netif
need_programs netgpu ethtool ip xdp_attach

snapshot() {
	ethtool -g "$NETIF"
	ethtool -x "$NETIF" | grep '^ *[0-9]*: '
	ip -o link show "$NETIF" | grep -o 'mtu [0-9]*'
}
refuses() { # WORDS COMMAND...: it fails, says the words, and changes nothing
	local words=$1 before after status out
	shift
	before=$(snapshot)
	out=$("$@" 2>&1)
	status=$?
	after=$(snapshot)
	if [ "$status" -eq 0 ] || [ "$status" -ge 126 ] || ! grep -q -e "$words" <<<"$out" || [ "$before" != "$after" ]; then
		echo "$out"
		return 1
	fi
}
carrier() {
	wait_for 20 grep -q 1 "/sys/class/net/$NETIF/carrier"
}
set_up_and_reset() {
	netgpu setup "$NETIF" --queue 1 --all-flows && netgpu reset "$NETIF"
}
states() {
	ls /run/netgpu/*.json 2>/dev/null
}
ktap_plan 36

# A table that somebody has written keeps the number of queues from going below what it names.
ktap_run "setup and reset, where nobody has written the RSS table" set_up_and_reset
ktap_run "the kernel does not take it for somebody's: there may be fewer queues" ethtool -L "$NETIF" combined 1
ethtool -L "$NETIF" combined 2
carrier

# The driver may not know its table until it is asked for: compare what RSS does, so set one.
ethtool -X "$NETIF" equal 2
start=$(snapshot)
mtu=$(cat "/sys/class/net/$NETIF/mtu")

ktap_run "--dry-run" netgpu setup "$NETIF" --queue 1 --all-flows -n
ktap_ok "--dry-run changes nothing" "$([ "$(snapshot)" = "$start" ] && [ -z "$(states)" ]; echo $?)"

ktap_run "refused: no queue named" refuses "which queue" netgpu setup "$NETIF"
ktap_run "refused: no flows named" refuses "which flows" netgpu setup "$NETIF" --queue 1
ktap_run "refused: more than one kind" refuses "which flows" netgpu setup "$NETIF" --queue 1 --all-flows --port 5201
ktap_run "refused: no port" refuses "is not from 1 to 65535" netgpu setup "$NETIF" --queue 1 --port 65536
ktap_run "refused: a driver without rules by port" refuses "only RSS can steer\|Only RSS can steer" netgpu setup "$NETIF" --queue 1 --port 5201
ktap_run "refused: a queue that is not there" refuses "there is no queue 77" netgpu setup "$NETIF" --queue 77 --all-flows
ktap_run "refused: no such device" refuses "no network device nosuch0" netgpu setup nosuch0 --queue 0 --all-flows
ktap_run "refused: a device in another namespace" refuses "in this network namespace" unshare -n netgpu setup "$NETIF" --queue 1 --all-flows
ktap_run "refused: a driver without queues" refuses "receive queues" netgpu setup lo --queue 0 --all-flows
ktap_run "refused: rings larger than they can be" refuses "at most" netgpu setup "$NETIF" --queue 1 --all-flows --rx 100000
ethtool -K "$NETIF" rx off
ktap_run "refused: no checksum offload" refuses "ethtool -K $NETIF rx on" netgpu setup "$NETIF" --queue 1 --all-flows
ethtool -K "$NETIF" rx on
ktap_run "refused: no capability" refuses "CAP_NET_ADMIN\|not permitted\|cannot be kept" setpriv --reuid 65534 --regid 65534 --clear-groups netgpu setup "$NETIF" --queue 1 --all-flows
if modprobe netdevsim 2>/dev/null; then
	ip link add dummy9 type dummy 2>/dev/null && ip link set dummy9 up
	echo "9 1" >/sys/bus/netdevsim/new_device
	sim=$(ls /sys/bus/netdevsim/devices/netdevsim9/net/)
	ip link set "$sim" up
	undo modprobe -r netdevsim
	ktap_run "refused: a driver without an RSS table" refuses "$sim" netgpu setup "$sim" --queue 5 --all-flows
else
	ktap_skip "refused: a driver without an RSS table" "no netdevsim"
fi

ktap_run "setup" netgpu setup "$NETIF" --queue 1 --all-flows --mtu 2000 --rx 512
ktap_ok "split is on" "$(ethtool -g "$NETIF" | grep -q 'TCP data split:.*on'; echo $?)"
ktap_ok "all flows go to the queue" "$(ethtool -x "$NETIF" | grep '^ *[0-9]*: ' | cut -d: -f2 | grep -q '[^ 1[:space:]]'; echo $((! $?)))"
ktap_ok "ring and MTU are set" "$([ "$(cat "/sys/class/net/$NETIF/mtu")" = 2000 ] && ethtool -g "$NETIF" | sed -n '/Current/,$p' | grep -q '^RX:.*512'; echo $?)"
ktap_run "setup again, differently" netgpu setup "$NETIF" --queue 0 --all-flows
ktap_run "setup again, with the queue set apart" netgpu setup "$NETIF" --queue 1 --spread
ktap_ok "no flow goes to that queue" "$(ethtool -x "$NETIF" | grep '^ *[0-9]*: ' | cut -d: -f2 | grep -q 1; echo $((! $?)))"

netgpu bench --server --iface "$NETIF" --queue 1 --gpu host >/dev/null 2>&1 &
server=$!
wait_for 10 grep -q ':1451 .* 0A ' /proc/net/tcp /proc/net/tcp6
ktap_run "refused: reset while the queue is used" refuses "cannot be put back" netgpu reset "$NETIF"
kill $server
wait $server
ktap_run "reset" netgpu reset "$NETIF"
ktap_ok "all is as it was before the first setup" "$([ "$(snapshot)" = "$start" ]; echo $?)"
ktap_run "refused: reset when there is nothing" refuses "nothing to put back" netgpu reset "$NETIF"

# Half of a second setup: the MTU is changed, and then a program for packets in one piece keeps header and data together.
half() {
	xdp_attach "$NETIF" netgpu setup "$NETIF" --queue 1 --all-flows --mtu 1400
}
ktap_run "setup with an MTU" netgpu setup "$NETIF" --queue 1 --all-flows --mtu 1300
ethtool -G "$NETIF" tcp-data-split off
carrier
ktap_run "a second setup that fails half-way goes back to the first" refuses "split cannot be switched on" half
ktap_run "reset, and all is as before the first" netgpu reset "$NETIF"
ktap_ok "the MTU is, too" "$([ "$(snapshot)" = "$start" ]; echo $?)"

ktap_run "setup of a device that gets another name" netgpu setup "$NETIF" --queue 1 --all-flows --mtu 1300
ip link set "$NETIF" name lan0
ktap_run "reset by that name" netgpu reset lan0
ip link set lan0 name "$NETIF"

ip link set "$NETIF" down
ktap_run "refused: a device that is down" refuses "is down" netgpu setup "$NETIF" --queue 1 --all-flows
ip link set "$NETIF" up
carrier
ktap_ok "the MTU is untouched" "$([ "$(cat "/sys/class/net/$NETIF/mtu")" = "$mtu" ]; echo $?)"
ktap_end

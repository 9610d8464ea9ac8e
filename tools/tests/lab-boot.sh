#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The lab's machine is what the other tests take it for.
# lab: kernel=netgpu
# lab: topology=switch
# lab: timeout=90
. "$(dirname "$0")/../../selftests/lib.sh"
need_netif
need_programs ethtool iperf3 ping
[ "$REMOTE_TYPE" = lab ] || skip_all "REMOTE_TYPE is not lab"

ktap_plan 8

ktap_run "$NETIF is driven by igb" grep -qx "driver: igb" <(ethtool -i "$NETIF")

vram_bar() {
	# start, end, flags of BAR 2
	read -r start end _ < <(sed -n 3p "/sys/bus/pci/devices/$VRAM_PCI/resource")
	[ $((end - start + 1)) -eq $((256 << 20)) ]
}
ktap_run "VRAM has a BAR of 256 MiB" vram_bar

same_switch() {
	# both paths up to the switch's upstream port: .../root port/upstream port/downstream port/device
	local nic vram
	nic=$(readlink -f "/sys/class/net/$NETIF/device")
	vram=$(readlink -f "/sys/bus/pci/devices/$VRAM_PCI")
	[ "${nic%/*/*}" = "${vram%/*/*}" ] && [ "${nic%/*}" != "${vram%/*}" ]
}
ktap_run "VRAM and $NETIF are below one switch" same_switch

ktap_run "the other side answers over IPv4" ping -c 2 -i 0.2 -W 5 "$REMOTE_V4"
ktap_run "the other side answers over IPv6" ping -6 -c 2 -i 0.2 -W 5 "$REMOTE_V6"

remote_status() {
	local out
	out=$(remote "echo over there; exit 7")
	[ $? -eq 7 ] && [ "$out" = "over there" ] && [ "$(remote printf '%s|' "a b" "c'd")" = "a b|c'd|" ] &&
		[ "$(printf 'in\nput' | remote -i cat)" = $'in\nput' ]
}
ktap_run "remote gives output, input and status" remote_status

remote_background() {
	local job
	job=$(remote -b "echo started; sleep 100")
	sleep 0.5
	[ "$(remote -k "$job")" = started ]
}
ktap_run "remote runs and ends a command in the background" remote_background

receive() {
	iperf3 -s -1 >/dev/null &
	wait_for 10 grep -q :1451 /proc/net/tcp6
	remote iperf3 -c "$LOCAL_V4" -n 32M
	local status=$?
	wait $!
	return "$status"
}
ktap_run "iperf3 receives over the stack" receive
ktap_end

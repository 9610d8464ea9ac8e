#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# igb splits headers from payload when asked to, says why when it cannot, and
# carries ordinary traffic either way.
# lab: also=upstream
# lab: timeout=240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netif v6
need_remote iperf3

need_programs ethtool iperf3
[ "$(basename "$(readlink -f "/sys/class/net/$NETIF/device/driver")")" = igb ] ||
	skip_all "$NETIF is not driven by igb"

mtu=$(cat "/sys/class/net/$NETIF/mtu")

carrier() {
	wait_for 20 grep -q 1 "/sys/class/net/$NETIF/carrier"
}

set_split() {
	ethtool -G "$NETIF" tcp-data-split "$1" && carrier
}

# refused WHAT COMMAND...: fails, and says WHAT
refused() {
	local what=$1 out
	shift
	out=$("$@" 2>&1) && return 1
	grep -qF "$what" <<<"$out"
}

# Both families, in one packet and in fragments, which are of the other side's
# size: they need an MTU here that is not smaller.
pings() {
	ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null &&
	ping -q -c 2 -W 5 "$REMOTE_V6" >/dev/null || return 1
	[ "$(cat "/sys/class/net/$NETIF/mtu")" -lt "$mtu" ] ||
		ping -q -c 2 -W 5 -s 20000 "$REMOTE_V4" >/dev/null
}

# A stream from the other side, by each family.
streams() {
	local address
	for address in "$LOCAL_V4" "$LOCAL_V6"; do
		iperf3 -s -1 -p 5301 >/dev/null &
		wait_for 10 grep -q :14B5 /proc/net/tcp6 /proc/net/tcp
		remote iperf3 -c "$address" -p 5301 -n 16M >/dev/null || return 1
		wait $!
	done
}

traffic() {
	local size=$1
	ip link set "$NETIF" mtu "$size"
	carrier && pings && streams
}

ktap_plan 21
keep_settings
# one queue is asked for below
ethtool -X "$NETIF" default

# shellcheck disable=SC2329 # ktap_run calls it
shows() {
	[ "$(split)" = "$1" ]
}

ktap_run "off when nobody has asked" shows off
traffic "$mtu"
ktap_ok "off: traffic" $?

set_split on
ktap_ok "turned on" $?
ktap_run "shown as on" shows on
ethtool -g "$NETIF" | grep -q '^HDS thresh:[[:space:]]*0$'
ktap_ok "the threshold is shown, and 0" $?
refused "requested ring size exceeds maximum" ethtool -G "$NETIF" hds-thresh 1
ktap_ok "another threshold is refused" $?
traffic "$mtu"
ktap_ok "on: traffic" $?
traffic 1500
ktap_ok "on: traffic in small packets" $?
traffic 9000
ktap_ok "on: traffic in packets of several buffers" $?
ip link set "$NETIF" mtu "$mtu"

ethtool -G "$NETIF" rx 64 && carrier && [ "$(split)" = on ] && pings && streams
ktap_ok "on: a small ring" $?
ethtool -G "$NETIF" rx 4096 && carrier && [ "$(split)" = on ] && pings && streams
ktap_ok "on: the largest ring" $?
ethtool -G "$NETIF" rx 256 && carrier
ethtool -L "$NETIF" combined 1 && carrier && [ "$(split)" = on ] && pings && streams
ktap_ok "on: one queue" $?
ethtool -L "$NETIF" combined 2 && carrier && [ "$(split)" = on ] && pings && streams
ktap_ok "on: two queues again" $?
keep_addresses
ip link set "$NETIF" down && ip link set "$NETIF" up && carrier && [ "$(split)" = on ]
result=$?
addresses_back
[ $result -eq 0 ] && pings && streams
ktap_ok "on: down and up" $?
self_test && pings
ktap_ok "on: the self-test passes, and traffic after it" $?

refused "Invalid argument" ethtool --set-priv-flags "$NETIF" legacy-rx on
ktap_ok "on: legacy-rx is refused" $?

set_split auto && [ "$(split)" != on ]
ktap_ok "auto is off" $?
set_split off && [ "$(split)" = off ]
ktap_ok "turned off" $?
traffic "$mtu"
ktap_ok "off again: traffic" $?
ethtool --set-priv-flags "$NETIF" legacy-rx on && carrier &&
	refused "does not go with the private flag legacy-rx" ethtool -G "$NETIF" tcp-data-split on
ktap_ok "refused with legacy-rx on, which it says" $?
pings && streams
ktap_ok "legacy-rx: traffic" $?
ktap_end

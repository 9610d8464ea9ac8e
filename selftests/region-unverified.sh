#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the card does not verify the CPU cannot: no memory for a queue while the offload is off, no turning it off while
# a queue has such memory, and packets that come unverified all the same are dropped, counted, and nothing is said.
# Nor does it read what is urgent.
# lab: kernel=netgpu
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue v6 vram
need_programs devmem_recv rx_csum
need_remote unverified_send

COUNT=20
provider="can't disable rx-checksumming while device has memory provider enabled"

offload() { # on|off: what ethtool says it is
	ethtool -k "$NETIF" | grep -q "^rx-checksumming: $1"
}
stays_on() {
	local out
	out=$(ethtool -K "$NETIF" rx off 2>&1) && return 1
	grep -q "$provider" <<<"$out" && offload on && return
	echo "# $out"
	return 1
}
end_receiver() {
	kill "$receiver"
	wait "$receiver" 2>/dev/null
}

mib() { # PROTOCOL NAME
	awk -v protocol="$1:" -v name="$2" '$1 == protocol {
		if (n++) print $column; else for (i = 1; i <= NF; i++) if ($i == name) column = i }' /proc/net/snmp
}

# What is unverified TCP counts as wrong, and IP does not put together.
found() {
	echo $(($(mib Tcp InCsumErrors) + $(mib Ip ReasmFails) + $(awk '$1 == "Ip6ReasmFails" { print $2 }' /proc/net/snmp6)))
}

dropped() {
	cat "/sys/class/net/$NETIF/statistics/rx_dropped"
}

# COUNT segments of a kind to a queue that receives into the region. Then $errors packets were found unverified, which the
# region says, too, $drops were dropped by the driver, and $resets were taken for good, but of no connection.
unverified() { # KIND HOST
	receive stream -q 0 -m "vfio:$VRAM_PCI" -s $((4 << 20)) -r -p 9001 || return 1
	errors=$(found)
	drops=$(dropped)
	resets=$(mib Tcp OutRsts)
	remote unverified_send "$1" "$2" 9 $COUNT || return 1
	# A stream behind them: they have arrived, and it does not suffer.
	remote pattern_send "$LOCAL_V4" 9001 $((4 << 20))
	wait "$receiver"
	errors=$(($(found) - errors))
	drops=$(($(dropped) - drops))
	resets=$(($(mib Tcp OutRsts) - resets))
	echo "# $errors found, $drops dropped by the driver, $resets good, the region says $(said stream unverified)"
	[ "$(said stream received)" = $((4 << 20)) ] && [ "$(said stream correct)" = 1 ] &&
		[ "$(said stream unverified)" = $errors ] && return
	sed 's/^/# /' "$tmp/stream"
	return 1
}

ktap_plan 17
vram_bind
steer_to_queue 1
undo ethtool -K "$NETIF" rx on

receive bound -B -m "vfio:$VRAM_PCI" -r && stays_on
ktap_ok "the offload cannot be turned off: io_uring, a region" $?
[ "$(rx_csum "$NETIF" 0)" = on ] && [ "$(rx_csum "$NETIF" 1)" = on ]
ktap_ok "nor by ioctl" $?
ethtool -K "$NETIF" gro off && ethtool -K "$NETIF" gro on
ktap_ok "other features can be turned off" $?
end_receiver
receive bound -B -m "vfio:$VRAM_PCI" && stays_on
ktap_ok "the offload cannot be turned off: io_uring, a dma-buf" $?
end_receiver
receive_with=devmem_recv
receive bound -p 9002 -m "vfio:$VRAM_PCI" && stays_on
ktap_ok "the offload cannot be turned off: devmem" $?
end_receiver
receive_with=zcrx_recv
nothing_left && ethtool -K "$NETIF" rx off && offload off
ktap_ok "it can be when nothing receives into such memory" $?

receive refused -B -m "vfio:$VRAM_PCI" -r >/dev/null
wait "$receiver"
[ -n "$(said refused error)" ] && [ "$(said refused error)" != 0 ]
status=$?
ktap_ok "without it: a region is refused: $(said refused error)" $status
receive refused -B -m "vfio:$VRAM_PCI" >/dev/null
wait "$receiver"
[ "$(said refused error)" = EINVAL ]
ktap_ok "without it: a dma-buf is refused: EINVAL" $?
receive_with=devmem_recv
receive refused -p 9003 -m "vfio:$VRAM_PCI" >/dev/null
wait "$receiver"
[ "$(said refused error)" = EINVAL ] && said refused message | grep -q "rx-checksumming is disabled"
ktap_ok "without it: devmem is refused: EINVAL, and a sentence" $?
receive_with=zcrx_recv
nothing_left
ktap_ok "refusals leave nothing" $?
ethtool -K "$NETIF" rx on && offload on
ktap_ok "it can be turned on again" $?

# Fragments have no ports to hash, so RSS of some cards leaves them to queue 0.
steer_to_queue 0
unverified plain "$LOCAL_V4" && [ "$errors $resets" = "0 $COUNT" ]
ktap_ok "packets that the card verifies" $?
# Some cards look behind these, some do not.
unverified options "$LOCAL_V6" && { [ "$errors $resets" = "0 $COUNT" ] || [ "$errors $resets" = "$COUNT 0" ]; }
ktap_ok "extension headers of IPv6: all are dropped, or none" $?
# Each is in three at least. Some cards split the IP header from them. Of others the driver drops them, as it has no header to look at.
unverified fragments "$LOCAL_V4" && [ $((errors + drops)) -ge $((3 * COUNT)) ] && [ "$resets" = 0 ]
ktap_ok "fragments, IPv4: all are dropped, and counted" $?
unverified fragments "$LOCAL_V6" && [ $((errors + drops)) -ge $((3 * COUNT)) ] && [ "$resets" = 0 ]
ktap_ok "fragments, IPv6: all are dropped, and counted" $?
receive urgent -q 0 -m "vfio:$VRAM_PCI" -r -p 9004 && remote pattern_send -u "$LOCAL_V4" 9004 $((1 << 20)) && wait "$receiver" &&
	[ "$(said urgent received)" = $((1 << 20)) ] && [ "$(said urgent correct)" = 1 ] && [ "$(said urgent error)" = 0 ]
ktap_ok "urgent data stays in the stream" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, and ordinary traffic afterwards" $?
ktap_end

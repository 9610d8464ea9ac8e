#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Sending out of the memory of a device, and of other dma-bufs, by each way there is: what arrives is right, nothing was copied,
# and the exporter gets its memory back while it is being sent from.
# lab: kernel=netgpu
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/send.sh"
need netgpu queue v6 vram
need_programs zc_send
need_remote pattern_recv

ktap_plan 36
vram_bind
each_memory registered vector cmsg
send stream -w sendmsg -m "vfio:$VRAM_PCI" -s 0 -n $((4 << 20)) -l $((64 << 10)) && [ "$(said listener received)" = $((4 << 20)) ] &&
	[ "$(said listener correct)" = 1 ]
ktap_ok "sendmsg: from vfio" $?

for length in 8 1000 4104 1048576; do
	bytes=$((length * 32)) arrives stream -m "vfio:$VRAM_PCI" -s 0 -l $length
	ktap_ok "in parts of $length bytes" $?
done
arrives stream -m "vfio:$VRAM_PCI" -s 0 -o 1048576
ktap_ok "from a part of the memory" $?
to=$REMOTE_V6 arrives stream -m "vfio:$VRAM_PCI" -s 0
ktap_ok "by IPv6" $?
steer_to_queue 1
arrives stream -m "vfio:$VRAM_PCI" -s 0 -R
ktap_ok "from a region that is for receiving, too" $?
both_mtu 1500
arrives stream -m "vfio:$VRAM_PCI" -s 0
ktap_ok "in packets of 1500 bytes" $?
both_mtu 4148
ethtool -K "$NETIF" tso off
arrives stream -m "vfio:$VRAM_PCI" -s 0
ktap_ok "without TSO" $?
ethtool -K "$NETIF" tso on
ethtool -K "$NETIF" tx off
refused no-checksum EOPNOTSUPP -m "vfio:$VRAM_PCI" -s 0
ktap_ok "without transmit checksums: EOPNOTSUPP" $?
ethtool -K "$NETIF" tx on sg off
refused no-scatter EOPNOTSUPP -m "vfio:$VRAM_PCI" -s 0
ktap_ok "without scatter-gather: EOPNOTSUPP" $?
ethtool -K "$NETIF" sg on tso on
refused twice EFAULT -w twice -m heap -s $((4 << 20))
ktap_ok "a second control message takes back what the first has named: EFAULT" $?
timeout $((60 * slower)) pattern_recv 9290 >"$tmp/own" 2>&1 &
own=$!
wait_for 10 grep -q '^listening' "$tmp/own" && zc_send -i "$NETIF" -a "$LOCAL_V4" -p 9290 -m "vfio:$VRAM_PCI" -s 0 -n 65536 >"$tmp/loop" 2>&1
wait $own && [ "$(said loop error)" = ENODEV ] && [ "$(said own received)" = 0 ] && [ "$(said own error)" = 0 ]
ktap_ok "to an address of its own, by the loopback device: ENODEV" $?
arrives stream -m "vfio:$VRAM_PCI" -s 0
ktap_ok "and again as it should be" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?

for how in disable reset close; do
	revoked gone -m "vfio:$VRAM_PCI" -s 0 -x $how
	status=$?
	ktap_ok "$how: the memory is back after $(said gone revoke_us) us, ENODEV and a reset" $status
	[ "$(said gone notif_error)" = ENODEV ]
	ktap_ok "$how: what was pending says so" $?
done
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
arrives stream -m "vfio:$VRAM_PCI" -s 0
ktap_ok "a new region is sent from" $?
ktap_end

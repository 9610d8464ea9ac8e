#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The netlink socket of a devmem binding, the TCP socket that has received into it, the NIC and the memory go in all orders in
# which one of them could use what is gone. KASAN sees that (make check-debug); what is mapped, and what the socket says, any
# kernel shows.
# lab: kernel=netgpu
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram
need_programs devmem_recv devmem_send
need_remote pattern_recv
. "$(dirname "$0")/devmem.sh"

taken() {
	step "$1" revoke && [ "$(said "$1" revoke_us)" -lt 5000000 ]
}

# unheard NAME: 1 MiB is sent from a dma-buf to who receives it, but whose acknowledgments get lost
unheard() {
	port=$((port + 1))
	rm -f "$tmp/steps" "$tmp/$1"
	mkfifo "$tmp/steps"
	exec 7<>"$tmp/steps"
	listener=$(remote -b "pattern_recv $port")
	wait_for 10 remote "ss -Hltn sport = :$port | grep -q ." || return 1
	devmem_send -i "$NETIF" -a "$REMOTE_V4" -p $port -s $SENT -c "$tmp/steps" -t $((30 * slower)) >"$tmp/$1" 2>&1 7>&- &
	receiver=$!
	wait_for 10 grep -q '^connected' "$tmp/$1" &&
		remote ip neigh replace "$LOCAL_V4" lladdr 02:00:00:00:00:99 dev "$there" nud permanent &&
		step "$1" send && [ "$(said "$1" sent)" = $SENT ]
}

# attached N: so many devices are attached to dma-bufs
attached() {
	[ "$(awk '/^Total .* devices attached/ { n += $2 } END { print n + 0 }' /sys/kernel/debug/dma_buf/bufinfo)" = "$1" ]
}

heard() {
	remote ip neigh replace "$LOCAL_V4" lladdr "$mac" dev "$there" nud reachable
}

ktap_plan 41
mac=$(cat "/sys/class/net/$NETIF/address")
there=$(remote ip -o route get "$LOCAL_V4" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
undo heard
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
memory=vfio:$VRAM_PCI size=0
devmem_orders

# Nothing but its netlink socket tells a binding for transmit that the NIC is gone.
memory=udmabuf size=$((4 << 20))
start transmit -g && wait_for 20 grep -q '^transmit 0' "$tmp/transmit"
ktap_ok "transmit: bound" $?
nic_goes
ktap_ok "transmit: the NIC goes" $?
step transmit netlink
ktap_ok "transmit: the netlink socket is closed" $?
kill "$receiver"
wait "$receiver" 2>/dev/null
nic_comes && nothing_left && ordinary_traffic
ktap_ok "transmit: the NIC is back, nothing is left, ordinary traffic" $?

# What is to be sent is sent, also when nobody can bind it any more.
unheard queued
ktap_ok "queued: 1 MiB is sent from a dma-buf, and not acknowledged" $?
# If it were let go, that would be after RCU and by a work item.
step queued netlink && [ "$(said queued again)" = EINVAL ] && ! wait_for 1 attached 0 && attached 1
ktap_ok "queued: the netlink socket is closed: it stays attached, and cannot be named any more" $?
heard
echo end >&7
wait "$receiver" && [ "$(said queued left)" = 0 ]
ktap_ok "queued: all of it is acknowledged" $?
remote -w "$listener" >"$tmp/listener"
[ "$(said listener received)" = $SENT ] && [ "$(said listener correct)" = 1 ]
ktap_ok "queued: and was right" $?
wait_for 10 attached 0
ktap_ok "queued: nothing is attached" $?

unheard lost
ktap_ok "lost: 1 MiB is sent from a dma-buf, and not acknowledged" $?
# its socket still names it
step lost netlink && attached 1 && nic_goes && [ "$(region_count mapped)" = 0 ]
ktap_ok "lost: the netlink socket is closed, the NIC goes: nothing is mapped" $?
kill "$receiver"
wait "$receiver" 2>/dev/null
remote -k "$listener" >/dev/null
heard
nic_comes && wait_for 10 ping -q -c 1 -W 2 "$REMOTE_V4"
ktap_ok "lost: the NIC is back" $?
nothing_left && attached 0 && ordinary_traffic
ktap_ok "lost: nothing is left, ordinary traffic" $?
ktap_end

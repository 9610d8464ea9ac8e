#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Buffers that user space holds: the device gets what is pushed into the refill ring, in the order of that, and nothing else; and
# user space has them back when the queue is restarted, whatever that does to the stream.
# lab: long=tools-in-place,zcrx-merge
# lab: kernel=netgpu
# lab: timeout=420
# lab: modules=queue_fault
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue vram

MODULES=${GATE_MODULES:-$(dirname "$0")}/queue_fault

need_programs ethtool zcrx_held

# held PORT END: run it, with a sender that sends what it is told to; its results are ours
held() {
	local word rest sender=
	while read -r word rest; do
		case $word in
		listening) sender=$(remote -b pattern_send -f "$fifo" "$LOCAL_V4" "$1" $((1 << 30))) ;;
		send) remote "echo $rest >$fifo" ;;
		result) ktap_ok "${rest#* }" "${rest%% *}" ;;
		skip) for _ in $(seq "${rest%% *}"); do ktap_skip "a restart fails" "${rest#* }"; done ;;
		*) echo "${word/#[^#]/# &} $rest" ;;
		esac
	done < <(timeout $((200 * slower)) zcrx_held "$NETIF" 1 "$1" "vfio:$VRAM_PCI" "$2" 2>&1; echo "result $? it ends")
	[ -z "$sender" ] || remote -k "$sender" >/dev/null 2>&1
}

# once: nothing is sent again because the answer is late, the window does not end in the middle of a packet, and nobody asks for
# routers: a packet without payload takes a descriptor, whose buffer is used when the ring has been around
once() {
	local net=${LOCAL_V4%.*}.0/24 name
	for name in net.ipv4.tcp_early_retrans net.ipv6.conf.tap0.accept_ra; do
		undo remote sysctl -qw "$name=$(remote sysctl -n "$name")"
		remote sysctl -qw "$name=0" || return 1
	done
	sysctl -qw net.ipv4.tcp_rmem="4096 $((8 << 20)) $((16 << 20))" &&
		ip route replace "$net" dev "$NETIF" scope link quickack 1 &&
		remote ip route replace "$net" dev tap0 scope link rto_min 2s
}

ktap_plan 95
vram_bind
freed_without_network
steer_to_queue 1
ethtool -G "$NETIF" rx 64 && wait_for_carrier
ktap_ok "queue 1 splits headers, receives all flows and has 64 descriptors" $?
undo sysctl -qw net.ipv4.tcp_rmem="$(sysctl -n net.ipv4.tcp_rmem)"
once
ktap_ok "each packet is sent once" $?
if [ -e "$MODULES/queue_fault.ko" ]; then
	undo rmmod queue_fault
	insmod "$MODULES/queue_fault.ko" netdev="$NETIF"
fi
directory=$(remote mktemp -d) && undo remote rm -r "$directory"
fifo=$directory/more
remote mkfifo "$fifo"

held 9001 exit
nothing_left
ktap_ok "nothing is left" $?
held 9002 disable
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic afterwards" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Peers that make it hard to send out of the memory of a device: who reads late, or never, who loses packets, who ends in the
# middle; and the memory is taken back meanwhile.
# lab: kernel=netgpu
# lab: timeout=300
# lab: more=450
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/send.sh"
need netgpu lab netif v6 vram
need_programs lossy pattern_send zc_send

ways=(registered) reluctant=(registered)
more eval 'ways+=(vector cmsg) reluctant+=(cmsg)'
ktap_plan $((14 + ${MORE:-0} * 6))
vram_bind
BYTES=$((8 << 20))
# late PORT: a peer that does not read for two seconds; never: for as long as there is a connection
late='
import socket, sys, time
s = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET)
s.settimeout(60)
c = s.accept()[0]
c.settimeout(60)
time.sleep(float(sys.argv[3]))
'
count='
n, right = 0, 1
while True:
    try:
        b = c.recv(1 << 20)
    except OSError as e:
        print("error", e.errno)
        break
    if not b:
        break
    for i in range(-n % 8, len(b) - 7, 8):
        right &= int.from_bytes(b[i:i + 8], "little") == (n + i) // 8
    n += len(b)
print("received", n)
print("correct", right)
'
peer() { # PROGRAM ARG...: in the place of pattern_recv
	port=$((port + 1))
	listener=$(remote -b python3 -c "$1" "$REMOTE_V4" $port "${@:2}")
	wait_for 10 remote "ss -Hltn sport = :$port | grep -q ."
}

peer "$late$count" 2
send_to late -m "vfio:$VRAM_PCI" -s 0 -n $BYTES && [ "$(said late notified)" = $BYTES ] && [ "$(said listener received)" = $BYTES ] &&
	[ "$(said listener correct)" = 1 ]
ktap_ok "a peer that reads late, whose window is closed" $?

# lost on that side: by its queueing discipline
dropped() {
	remote tc -s qdisc show dev tap0 | sed -n 's/.* (dropped \([0-9]*\),.*/\1/p'
}
if remote 'tc qdisc add dev tap0 root netem loss 20% limit 10000 2>/dev/null'; then
	arrives lossy -m "vfio:$VRAM_PCI" -s 0 && [ "$(dropped)" -gt 0 ]
	ktap_ok "acknowledgments are lost" $?
	remote tc qdisc del dev tap0 root
else
	ktap_skip "acknowledgments are lost" "the sender's side has no netem"
fi
# What is sent is lost before the network device, from a queueing discipline. It is large there (TSO): with 10 % lost, none of the
# 130 packets or more is in one run of a million.
modprobe sch_netem && tc qdisc add dev "$NETIF" root netem loss 10% limit 10000
lossy=$?
undo tc qdisc del dev "$NETIF" root
again() {
	awk '/^Tcp: [0-9]/ { print $13 }' /proc/net/snmp
}
# of what the peer has received
out_of_order() {
	remote cat /proc/net/netstat | awk '/^TcpExt:/ { for (i = 1; i <= NF; i++) if (name[i] == "TCPOFOQueue") print $i; split($0, name) }'
}
# sent_again ARG...: all arrives, and some of it was sent a second time
sent_again() {
	local before

	before=$(again)
	arrives lossy -m "vfio:$VRAM_PCI" -s 0 "$@" && [ "$(again)" -gt "$before" ]
}
for way in "${ways[@]}"; do
	if [ $lossy = 0 ]; then
		sent_again -w "$way" -l 100000
		ktap_ok "$way: data is lost, and sent again (SACK)" $?
	else
		ktap_skip "$way: data is lost, and sent again (SACK)" "there is no netem"
	fi
done
if [ $lossy = 0 ]; then
	sack=$(sysctl -n net.ipv4.tcp_sack)
	undo sysctl -qw net.ipv4.tcp_sack="$sack"
	sysctl -qw net.ipv4.tcp_sack=0
	sent_again
	ktap_ok "the same without SACK" $?
	sysctl -qw net.ipv4.tcp_sack="$sack"
	if [ -n "$MORE" ]; then
		to=$REMOTE_V6 sent_again
		ktap_ok "the same by IPv6" $?
		tc qdisc replace dev "$NETIF" root netem delay 2ms reorder 25% 50% limit 10000
		before=$(out_of_order)
		arrives lossy -m "vfio:$VRAM_PCI" -s 0 && [ "$(out_of_order)" -gt "$before" ]
		ktap_ok "packets out of order" $?
	fi
	tc qdisc replace dev "$NETIF" root netem loss 30% delay 20ms limit 10000
	# the reset may be lost as well
	expect
	undo remote -k "$listener"
	zc_send -i "$NETIF" -a "$REMOTE_V4" -p "$port" -m "vfio:$VRAM_PCI" -s 0 -n $((64 << 20)) -x disable >"$tmp/gone" 2>&1
	sed 's/^/# /' "$tmp/gone"
	[ "$(said gone revoke_us)" -lt $((1000000 * slower)) ] && [ "$(said gone notif_error)" = ENODEV ]
	status=$?
	ktap_ok "the memory is taken back while much is lost, and much waits: after $(said gone revoke_us) us" $status
	# All at once nothing leaves the machine, and the peer has nothing to say that would be answered by a reset (LAST_ACK).
	tc qdisc del dev "$NETIF" root
	peer "$late"'
c.shutdown(socket.SHUT_WR)
'"$count" 0
	{ sleep 1; tc qdisc replace dev "$NETIF" root netem delay 4s limit 100000; } &
	silencer=$!
	send_to ending -m "vfio:$VRAM_PCI" -s 0 -n $((64 << 30)) -x disable -e
	wait $silencer && [ "$(said ending revoke_us)" -lt $((1000000 * slower)) ] && [ "$(said listener error)" = 104 ]
	ktap_ok "both directions are closed, and the memory is taken back: the peer that still reads is told" $?
	tc qdisc del dev "$NETIF" root
else
	for what in "both directions are closed, and the memory is taken back: the peer that still reads is told" \
		 "the same without SACK" ${MORE:+"the same by IPv6" "packets out of order"} "the memory is taken back while much is lost, and much waits"; do
		ktap_skip "$what" "there is no netem"
	done
fi

old=$(sysctl -n net.ipv4.tcp_mtu_probing)
undo sysctl -qw net.ipv4.tcp_mtu_probing="$old" net.ipv4.tcp_probe_threshold="$(sysctl -n net.ipv4.tcp_probe_threshold)"
sysctl -qw net.ipv4.tcp_mtu_probing=2 net.ipv4.tcp_probe_threshold=1
probes() {
	awk '/^TcpExt:/ { for (i = 1; i <= NF; i++) if (name[i] ~ /^TCPMTUP/) n += $i; split($0, name) } END { print n }' /proc/net/netstat
}
before=$(probes)
expect && pattern_send "$REMOTE_V4" "$port" $BYTES && remote -w "$listener" >"$tmp/listener" && [ "$(said listener received)" = $BYTES ] &&
	[ "$(probes)" -gt "$before" ]
ktap_ok "the path's MTU is probed with ordinary payload" $?
before=$(probes)
arrives probing -m "vfio:$VRAM_PCI" -s 0 && [ "$(probes)" = "$before" ]
ktap_ok "and not with the device's" $?
sysctl -qw net.ipv4.tcp_mtu_probing="$old"

peer "$late"'
import struct
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
c.recv(1000000)
c.close()' 0
send_to reset -m "vfio:$VRAM_PCI" -s 0 -n $((64 << 20))
[ "$(said reset error)" = ECONNRESET ] || [ "$(said reset error)" = EPIPE ]
status=$?
ktap_ok "a peer that resets in the middle: $(said reset error)" $status
nothing_left
ktap_ok "nothing is left of it" $?

peer "$late"'
c.shutdown(socket.SHUT_WR)
'"$count" 0
send_to half -m "vfio:$VRAM_PCI" -s 0 -n $BYTES && [ "$(said listener received)" = $BYTES ] && [ "$(said listener correct)" = 1 ]
ktap_ok "a peer that has closed its own direction" $?

for way in "${reluctant[@]}"; do
	# Notifications of what was named by a control message are Linux's, and say nothing of it.
	told=notif_error
	[ "$way" != cmsg ] || told=error
	peer "$late$count" 60
	send_to never -w "$way" -m "vfio:$VRAM_PCI" -s 0 -n $((64 << 20)) -l $((1 << 20)) -x disable
	[ "$(said never revoke_us)" -lt $((1000000 * slower)) ] &&
		[ "$(said never $told)" = ENODEV ] && [ "$(said listener received)" -gt 0 ] &&
		[ "$(said listener received)" -lt $((64 << 20)) ] && [ "$(said listener correct)" = 1 ]
	status=$?
	ktap_ok "$way: a peer that never reads, and the memory is taken back after $(said never revoke_us) us" $status
	nothing_left 20
	ktap_ok "$way: nothing is left" $?
done
arrives stream -m "vfio:$VRAM_PCI" -s 0 && nothing_left && ordinary_traffic
ktap_ok "afterwards as ever" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Again and again, while data is sent out of the memory of a device: the exporter takes it back, the sender is killed, the
# network device or the memory's is unplugged. Nothing is left of it, the memory is back within bounded time, and what arrives
# is right.
# CHURN_REVOCATIONS, CHURN_KILLS and CHURN_UNPLUGS say how often.
# lab: long=zc-send
# lab: kernel=netgpu
# lab: timeout=600
# lab: soak=netgpu CHURN_KILLS=200 CHURN_REVOCATIONS=500 CHURN_UNPLUGS=50
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/send.sh"
need netgpu queue vram
need_remote pattern_recv
. "$(dirname "$0")/plug.sh"
need_programs zc_send ethtool

revocations=${CHURN_REVOCATIONS:-$((100 / slower))}
kills=${CHURN_KILLS:-$((20 / slower))}
unplugs=${CHURN_UNPLUGS:-$((20 / slower))}

progress() { # NUMBER OF WHAT
	[ $(($1 % (($2 + 9) / 10))) -ne 0 ] || ktap_say "$1 of $2 $3, $SECONDS s"
}
# A sender that does not end, its process is $sender; back when data flows.
endless() {
	sender=
	expect && { zc_send -i "$NETIF" -a "$REMOTE_V4" -p "$port" -n $((64 << 30)) "$@" >"$tmp/endless" 2>&1 & } && sender=$! &&
		wait_for 20 sent_some
}
sent_some() {
	[ "$(ss -tinH "dport = :$port" | sed -n 's/.* bytes_acked:\([0-9]*\).*/\1/p')" -gt 1000000 ]
}
heard() { # what came until then was right
	remote -w "$listener" >"$tmp/listener" 2>&1
	[ "$(said listener correct)" = 1 ] || { ktap_say "$(cat "$tmp/listener")"; return 1; }
}

ktap_plan 7
vram_bind
freed_without_network
hows=(disable reset close)
ways=(registered vector cmsg sendmsg)
bad=0
: >"$tmp/times"
for ((round = 1; round <= revocations; round++)); do
	{
		send gone -m "vfio:$VRAM_PCI" -s 0 -w "${ways[round % 4]}" -n $((8 << 20)) -x "${hows[round % 3]}" &&
			[ -n "$(said gone revoke_us)" ] && [ "$(said listener correct)" = 1 ] && nothing_left 30
	} >"$tmp/round" 2>&1 || { bad=$((bad + 1)); cat "$tmp/round"; }
	said gone revoke_us >>"$tmp/times"
	progress $round "$revocations" revocations
done
ktap_ok "$revocations revocations while data is sent: $bad times something was left, or wrong" $bad
read -r median worst < <(sort -n "$tmp/times" | awk '{ us[NR] = $1 } END { print us[int((NR + 1) / 2)], us[NR] }')
[ "${worst:-9999999}" -lt $((1000000 * slower)) ]
ktap_ok "from revocation to unmapped: median $median us, worst $worst us" $?

bad=0
for ((round = 1; round <= kills; round++)); do
	endless -m "vfio:$VRAM_PCI" -s 0 -w "${ways[round % 4]}" || bad=$((bad + 1))
	sleep "0.$(printf %03d $((RANDOM % 200)))"
	kill -9 "$sender" || bad=$((bad + 1))
	wait "$sender" 2>/dev/null
	heard && nothing_left 30 || bad=$((bad + 1))
	progress $round "$kills" kills
done
ktap_ok "killed $kills times: $bad times something was left, or wrong" $bad

bad=0
for ((round = 1; round <= unplugs; round++)); do
	endless -m "vfio:$VRAM_PCI" -s 0 -w "${ways[round % 4]}" || bad=$((bad + 1))
	unplug || bad=$((bad + 1))
	[ "$(region_count mapped)" = 0 ] || bad=$((bad + 1))
	kill -9 "$sender" 2>/dev/null
	wait "$sender" 2>/dev/null
	remote -k "$listener" >/dev/null 2>&1
	plug || bad=$((bad + 1))
	progress $round "$unplugs" unplugs
done
ktap_ok "the network device unplugged $unplugs times: $bad times still mapped, or not back" $bad
nothing_left
ktap_ok "nothing is left" $?
arrives last -m "vfio:$VRAM_PCI" -s 0 && ordinary_traffic
ktap_ok "a new region is sent from, and ordinary traffic" $?
# of lockdep, the lab looks at the console
! dmesg | grep -E 'WARNING: \S+:[0-9]+ at|BUG:'
ktap_ok "no warning from the kernel" $?
ktap_end

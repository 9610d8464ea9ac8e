#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Again and again, while data flows: the receiver is killed, the exporter takes
# its memory back, the network device is unplugged. Nothing is left of it, and
# the memory is always back within bounded time.
# CHURN_KILLS, CHURN_REVOCATIONS and CHURN_UNPLUGS say how often.
# lab: long=region-kill
# lab: kernel=netgpu
# lab: timeout=300
# lab: soak=netgpu CHURN_KILLS=1000 CHURN_REVOCATIONS=200 CHURN_UNPLUGS=50
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram
. "$(dirname "$0")/plug.sh"
need_programs zcrx_recv devmem_recv pattern_send page_pools ethtool

PORT=9100
kills=${CHURN_KILLS:-$((30 / slower))}
revocations=${CHURN_REVOCATIONS:-5}
unplugs=${CHURN_UNPLUGS:-3}
# A pause of up to so many ms.
pause() {
	sleep "0.$(printf %03d $((RANDOM % $1)))"
}
progress() { # NUMBER OF WHAT
	[ $(($1 % (($2 + 19) / 20))) -ne 0 ] || ktap_say "$1 of $2 $3, $SECONDS s"
}

ktap_plan 9
vram_bind
freed_without_network
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
sender=$(remote -b "while :; do pattern_send $LOCAL_V4 $PORT $((1 << 30)) 2>&- || sleep 0.05; done")
undo remote -k "$sender"

bad=0
with_data=0
for ((round = 1; round <= kills; round++)); do
	receive kill -p $PORT -m "vfio:$VRAM_PCI" -r || bad=$((bad + 1))
	[ $((round % 4)) -eq 0 ] || wait_for 10 flows $PORT 100000
	pause 200
	flows $PORT 100000 && with_data=$((with_data + 1))
	kill -9 "$receiver" || bad=$((bad + 1))
	wait "$receiver" 2>/dev/null
	nothing_left 30 || bad=$((bad + 1))
	progress $round "$kills" kills
done
ktap_ok "killed $kills times, $with_data of them while data flowed: $bad times something was left" $bad
[ $with_data -ge $((kills / 2)) ]
ktap_ok "data flowed most times" $?

bad=0
: >"$tmp/times"
for ((round = 1; round <= revocations; round++)); do
	how=disable
	[ $((RANDOM % 2)) -eq 0 ] || how=reset
	receive_with=zcrx_recv
	region=-r
	case $((round % 4)) in
	0) region= ;;
	1)
		receive_with=devmem_recv
		region=
		;;
	esac
	# shellcheck disable=SC2086
	receive revoked -p $PORT -m "vfio:$VRAM_PCI" $region -x $how -a $((RANDOM * 512))
	wait "$receiver" || bad=$((bad + 1))
	[ -n "$(said revoked revoke_us)" ] || bad=$((bad + 1))
	said revoked revoke_us >>"$tmp/times"
	nothing_left 30 || bad=$((bad + 1))
	progress $round "$revocations" revocations
done
receive_with=zcrx_recv
ktap_ok "$revocations revocations while data flowed: $bad times without result or end" $bad
read -r median worst < <(sort -n "$tmp/times" | awk '{ us[NR] = $1 } END { print us[int((NR + 1) / 2)], us[NR] }')
[ "${worst:-9999999}" -lt 5000000 ]
ktap_ok "from revocation to unmapped: median $median us, worst $worst us" $?

bad=0
for ((round = 1; round <= unplugs; round++)); do
	receive unplugged -p $PORT -m "vfio:$VRAM_PCI" -r -b || bad=$((bad + 1))
	wait_for 10 flows $PORT 100000 || bad=$((bad + 1))
	pause 200
	unplug || bad=$((bad + 1))
	[ "$(region_count mapped)" = 0 ] || bad=$((bad + 1))
	kill -9 "$receiver" 2>/dev/null
	wait "$receiver" 2>/dev/null
	plug || bad=$((bad + 1))
	progress $round "$unplugs" unplugs
done
ktap_ok "unplugged $unplugs times while data flowed: $bad times still mapped, or not back" $bad

remote -k "$sender" >/dev/null
nothing_left
ktap_ok "nothing is left" $?
receive last -p 9200 -m "vfio:$VRAM_PCI" -r &&
	remote pattern_send "$LOCAL_V4" 9200 $((8 << 20)) && wait "$receiver" &&
	[ "$(said last correct)" = 1 ] && [ "$(said last received)" = $((8 << 20)) ] && ordinary_traffic
ktap_ok "a stream into a new region, and ordinary traffic" $?
# of lockdep, the lab looks at the console
! dmesg | grep -E 'WARNING: \S+:[0-9]+ at|BUG:'
ktap_ok "no warning from the kernel" $?
ktap_end

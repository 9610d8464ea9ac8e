#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel's own test of io_uring zero-copy receive, unmodified, over igb:
# each queue, each of its ways to receive. Flows are steered by the RSS table.
# lab: also=upstream
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need queue v6
need_remote iou-zcrx

need_programs ethtool iou-zcrx

carrier() {
	wait_for 20 grep -q 1 "/sys/class/net/$NETIF/carrier"
}

# once QUEUE "SERVER OPTIONS" "CLIENT OPTIONS"
port=9900
once() {
	local server status client
	port=$((port + 1))
	# shellcheck disable=SC2086 # options
	iou-zcrx -s -p $port -i "$NETIF" -q "$1" $2 >"$tmp/server" 2>&1 &
	server=$!
	wait_for 5 grep -q "$(printf ':%04X' $port)" /proc/net/tcp6
	# shellcheck disable=SC2086
	remote iou-zcrx -c -h "$LOCAL_V6" -p $port $3
	client=$?
	wait $server
	status=$?
	[ $client -eq 0 ] && [ $status -eq 0 ] && return
	ktap_say "client $client, server $status: $(cat "$tmp/server")"
	return 1
}

# transfer ...: the program gives itself 5 s, which is not always enough for a slow machine
transfer() {
	local attempts=$slower
	until once "$@"; do ((--attempts)) || return 1; done
}

ktap_plan 9
keep_settings
[ "$(split)" = off ] || ethtool -G "$NETIF" tcp-data-split off

! out=$(iou-zcrx -s -p 9900 -i "$NETIF" -q 1 -d 2>&1) && grep -q register_ifq <<<"$out"
ktap_ok "refused while headers are not split" $?

split_on && ethtool -G "$NETIF" rx 64 && carrier
ktap_ok "headers are split" $?

for queue in 0 1; do
	ethtool -X "$NETIF" start $queue equal 1
	# the address of the other side is known before the clock of the test runs
	ping -q -c 1 -W 5 "$REMOTE_V6" >/dev/null
	transfer $queue "" "-l 12840"
	ktap_ok "queue $queue, multishot" $?
	transfer $queue "-o 4" "-l 4096 -z 16384"
	ktap_ok "queue $queue, oneshot" $?
done

pages=/proc/sys/vm/nr_hugepages
if [ ! -w $pages ]; then
	ktap_skip "queue 1, buffers of two pages" "the kernel has no huge pages"
else
	undo sh -c "echo $(cat $pages) >$pages"
	[ "$(cat $pages)" -ge 64 ] || echo 64 >$pages
	transfer 1 "-x 2" "-l 12840"
	ktap_ok "queue 1, buffers of two pages" $?
fi

ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null && ping -q -c 2 -W 5 "$REMOTE_V6" >/dev/null
ktap_ok "ordinary traffic afterwards" $?
ethtool -X "$NETIF" default && ethtool -G "$NETIF" tcp-data-split off && carrier &&
	ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null
ktap_ok "ordinary traffic with the split off again" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu probe says in words and as JSON what the kernel has found; netgpu regions shows the counters.
# lab: kernel=netgpu
# lab: timeout=90
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
need_programs netgpu python3

probe() { # MEMORY [OPTION...]: words in $tmp/words, JSON in $tmp/json; both have the same status
	local memory=$1 status
	shift
	netgpu probe "$NETIF" --queue 1 --gpu "$memory" "$@" >"$tmp/words"
	status=$?
	netgpu probe "$NETIF" --queue 1 --gpu "$memory" --json "$@" >"$tmp/json"
	[ $? = $status ] && return $status
	return 9
}
field() { # NAME
	python3 -c 'import json, sys; print(json.load(open(sys.argv[2]))[sys.argv[1]])' "$1" "$tmp/json"
}
fields() {
	echo "$(field ok) $(field error) $(field placement) $(field path) $(field distance)"
}

ktap_plan 16
vram_bind
probe "vfio:$VRAM_PCI"
[ $? = 1 ] && grep -q "cannot receive into vfio $VRAM_PCI BAR 2: tcp-data-split is disabled: .netgpu setup" "$tmp/words" &&
	[ "$(fields)" = "False EINVAL unknown unknown None" ]
ktap_ok "split off: refused, with the kernel's words" $?
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
probe "vfio:$VRAM_PCI" && grep -q "peer-to-peer through PCI bridges" "$tmp/words" && grep -q "^distance 4" "$tmp/words" && grep -q "^buffers of up to 64 KiB" "$tmp/words"
ktap_ok "device memory: in words" $?
[ "$(fields)" = "True  device switch 4" ]
ktap_ok "device memory: as JSON" $?
sending() {
	python3 -c 'import json, sys; s = json.load(open(sys.argv[1]))["send"]; print(s["ok"], s["error"], s["placement"], s["path"])' "$tmp/json"
}
grep -q "^$NETIF can send from vfio $VRAM_PCI BAR 2, peer-to-peer through PCI bridges" "$tmp/words" && [ "$(sending)" = "True  device switch" ]
ktap_ok "device memory: and what is sent" $?
ethtool -K "$NETIF" rx off
probe "vfio:$VRAM_PCI"
grep -q "cannot receive into" "$tmp/words" && grep -q "can send from" "$tmp/words" && [ "$(sending)" = "True  device switch" ]
ktap_ok "one without the other" $?
ethtool -K "$NETIF" rx on
probe udmabuf && grep -q "in host memory: the buffer is host memory" "$tmp/words" && [ "$(fields)" = "True  host host None" ]
ktap_ok "udmabuf: can, in host memory" $?
probe udmabuf --require-p2p
[ $? = 1 ] && grep -q "cannot receive into udmabuf: the buffer is host memory" "$tmp/words" &&
	[ "$(fields)" = "False EXDEV unknown unknown None" ]
ktap_ok "udmabuf with --require-p2p: refused" $?
netgpu probe "$NETIF" --queue 99 --gpu udmabuf | grep -q "queue index out of range: they are counted from 0"
ktap_ok "queue out of range: refused" $?
netgpu probe nosuch0 --queue 1 --gpu udmabuf 2>&1 | grep -q "no such network device"
ktap_ok "no such device: refused" $?
netgpu probe "$NETIF" --gpu udmabuf 2>&1 | grep -q "which receive queue"
ktap_ok "no queue given: refused" $?
nothing_left 1
ktap_ok "nothing is left of it" $?

ethtool -X "$NETIF" start 0 equal 1
receive copied -p 9001 -m udmabuf -s $((16 << 20)) -r
sender=$(remote -b pattern_send -w $((20 * slower)) "$LOCAL_V4" 9001 $((1 << 20)))
counted() {
	[ "$(netgpu regions | awk '$2 == "zcrx_recv" { print $10 " " $11 " " $12 }')" = "$1" ]
}
wait_for 10 counted "$((1 << 20)) 0 0"
ktap_ok "netgpu regions: bytes that were copied" $?
kill "$receiver"
remote -w "$sender" >/dev/null 2>&1
wait "$receiver" 2>/dev/null
name=$'\e[31mred'
ln -s "$(command -v zcrx_recv)" "$tmp/$name"
receive_with="$tmp/$name" receive named -p 9003 -m udmabuf -s $((16 << 20)) -r
netgpu regions | grep -F '\x1b[31mred' | grep -qv $'\e'
ktap_ok "the name of a process does nothing to a terminal" $?
kill "$receiver"
wait "$receiver" 2>/dev/null
receive refused -p 9002 -m "vfio:$VRAM_PCI" -r &&
	remote pattern_send "$LOCAL_V4" 9002 4096 >/dev/null 2>&1
wait "$receiver"
[ "$(said refused error)" = EOPNOTSUPP ]
ktap_ok "a receive that would need the CPU in device memory ends" $?
nothing_left
ktap_ok "nothing is left" $?
ktap_end

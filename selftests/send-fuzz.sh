#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Regions are registered, sent out of, unregistered and closed at random, from several threads, while the exporter takes its
# memory back and the network device changes: the kernel survives, and nothing is left.
# FUZZ_SECONDS and FUZZ_SEED make it longer and different.
# lab: kernel=netgpu
# lab: timeout=150
# lab: soak=debug FUZZ_SECONDS=1800
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/send.sh"
. "$(dirname "$0")/coverage.sh"
need netgpu netif vram
need_remote socat
need_programs send_fuzz ethtool
seconds=${FUZZ_SECONDS:-20}

ktap_plan 5
vram_bind
keep_addresses
reader=$(remote -b "socat -u TCP-LISTEN:9299,fork,reuseaddr /dev/null")
wait_for 10 remote "ss -Hltn sport = :9299 | grep -q ."
send_fuzz -i "$NETIF" -a "$REMOTE_V4" -p 9299 -m "vfio:$VRAM_PCI" -t "$seconds" -s "${FUZZ_SEED:-1}" >"$tmp/fuzz" 2>&1
status=$?
sed 's/^/# /' "$tmp/fuzz"
ktap_ok "$seconds s" $status
many() { # WHAT RESULT NUMBER
	[ "$(sed -n "s/^$1 .*\b$2:\([0-9]*\).*/\1/p" "$tmp/fuzz")" -ge "$3" ]
}
many sends 0 $((100 / slower)) && many sends EFAULT $((100 / slower)) && many sends EOPNOTSUPP $((10 / slower)) &&
	many notifications 0 $((100 / slower)) && many notifications ENODEV 1 && many commands 0 $((100 / slower))
ktap_ok "sends and commands succeed and fail" $?
remote -k "$reader" >/dev/null 2>&1
nothing_left
ktap_ok "nothing is left" $?
addresses_back
wait_for_carrier && ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
arrives last -m "vfio:$VRAM_PCI" -s 0
ktap_ok "a new region is sent from" $?
coverage
ktap_end

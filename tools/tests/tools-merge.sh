#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Merged completions by libnetgpu: every byte is where a completion says, few tell of many, and go back together.
# lab: kernel=netgpu
# lab: timeout=120
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools/tests
need_programs merge
need_netif
BYTES=$((64 << 20))

# gets NAME PORT SIZE ARG...: the stream comes whole and right
gets() {
	local name=$1 port=$2 pid
	rm -f "$tmp/$name"
	timeout $((60 * slower)) merge "$NETIF" 1 "vfio:$VRAM_PCI" "$3" "$port" "${@:4}" >"$tmp/$name" 2>&1 &
	pid=$!
	wait_for 10 grep -q '^listening' "$tmp/$name" && remote pattern_send "$LOCAL_V4" "$port" $BYTES
	wait $pid && [ "$(said "$name" bytes)" = $BYTES ] && [ "$(said "$name" correct)" = 1 ] && [ "$(said "$name" error)" = 0 ]
}

# rings BUFFER SIZE: how many completions may wait
rings() {
	merge "$NETIF" 1 "vfio:$VRAM_PCI" "$2" 0 "$1" >"$tmp/rings" 2>&1
	said rings entries
}

ktap_plan 9
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
gets full 9120 $((16 << 20))
ktap_ok "packets that fill their buffers" $?
number=$(said full completions)
[ "${number:-999999}" -lt $((BYTES / 4096 / 8)) ]
ktap_ok "a completion tells of many: $number of them for $((BYTES / 4096)) packets" $?
entries="$(rings 0 $((4 << 20))) $(rings 0 $((64 << 20))) $(rings 65536 $((64 << 20)))"
[ "$entries" = "1024 2048 2048" ]
ktap_ok "as many completions may wait as there are pages, and no more than 2048: $entries" $?

ip link set "$NETIF" mtu 1500 && remote ip link set tap0 mtu 1500 && wait_for_carrier && gets short 9122 $((16 << 20))
ktap_ok "packets that leave a gap" $?
stride=$(said short stride)
[ "$stride" = 2048 ]
ktap_ok "each takes its part of one: $stride bytes" $?
gets held 9121 $((128 << 20)) 0 64 100
ktap_ok "100 are kept, and returned where there is room for 64" $?
flushes=$(said held flushes)
[ "${flushes:-0}" -gt 0 ]
ktap_ok "the ring was emptied for that: $flushes times" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic afterwards" $?
ktap_end

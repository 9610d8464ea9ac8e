#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Structs that are almost right, from several threads, while descriptors, link
# and memory go away under them: the kernel survives, and nothing is left.
# FUZZ_SECONDS and FUZZ_SEED make it longer and different.
# lab: kernel=netgpu
# lab: timeout=150
# lab: soak=debug FUZZ_SECONDS=1800
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/coverage.sh"
need netgpu queue vram
need_programs region_fuzz ethtool
corpus=$(dirname "$0")/corpus
seconds=${FUZZ_SECONDS:-20}

ktap_plan 6
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
keep_addresses
# The kernel writes where mutated structs tell it to, which may be the program itself: then with another seed.
for ((seed = ${FUZZ_SEED:-1}, last = seed + 2; seed <= last; seed++)); do
	region_fuzz -i "$NETIF" -q 1 -c "$corpus" -m "vfio:$VRAM_PCI" -t "$seconds" -s "$seed" 2>&1 |
		tee "$tmp/fuzz" | sed -u 's/^#* */# /'
	status=${PIPESTATUS[0]}
	[ "$status" -gt 128 ] || break
	ktap_say "region_fuzz -s $seed was ended by signal $((status - 128))"
done
calls=$(said fuzz calls)
ktap_ok "$calls calls in $seconds s" "$status"
[ "$(said fuzz regions)" -ge 10 ] && [ "$(said fuzz queues)" -ge 2 ] && [ "$(said fuzz probes)" -ge 10 ] &&
	[ "$(said fuzz distinct)" -ge 12 ]
status=$?
successes="$(said fuzz successes) succeed, with $(said fuzz regions) regions, $(said fuzz queues) queues and $(said fuzz probes) probes"
ktap_ok "$successes, the others have $(said fuzz distinct) different errors" $status
nothing_left
ktap_ok "nothing is left" $?
addresses_back
wait_for_carrier && ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
receive last -p 9200 -m "vfio:$VRAM_PCI" -r &&
	remote pattern_send "$LOCAL_V4" 9200 $((8 << 20)) && wait "$receiver" &&
	[ "$(said last correct)" = 1 ] && [ "$(said last received)" = $((8 << 20)) ]
ktap_ok "a stream into a new region" $?
coverage
ktap_end

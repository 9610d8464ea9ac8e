# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # driver, and bytes and large if they are to be less, are those of who sources this
# Data is received into the VRAM of the emulated GPU that $driver drives: all of it is there, nothing in host memory.

need netgpu queue
need_programs devmem_recv gpu_keep gpu_pressure netgpu

BYTES=${bytes:-$((32 << 20))}

need_lab_gpu_of "$driver"
results=17
[ "$driver" = nouveau ] || results=18
ktap_plan $results
! dmesg | grep -i "$driver .*\(failed\|error\|timeout\|hang\)"
ktap_ok "it has nothing to complain about" $?
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

# in_vram NAME PROGRAM OPTION...: receive marked data, and look for it from outside
port=9001
in_vram() {
	local name=$1

	port=$((port + 1))
	receive_with=$2
	shift 2
	receive "$name" -p $port -m "gpu:$node" -s $((2 * BYTES)) -k "$tmp/extents" "$@"
	remote proof make "$BYTES" && marked "$name"
	ktap_ok "$name: data is received into a buffer in VRAM" $?
	let_go
	[ "$(said "$name" received)" = "$BYTES" ] && [ "$(said "$name" error)" = 0 ]
	ktap_ok "$name: all of it, without an error" $?
	all_in_vram "$name" "$BYTES"
}
in_vram zcrx zcrx_recv -r -P
in_vram devmem devmem_recv
[ "$(said zcrx placement)" = device ]
ktap_ok "zcrx: the region's placement is device" $?
receive_with=zcrx_recv

found=$(netgpu probe "$NETIF" -q 1 -g "$node" --region-size "$BYTES" 2>&1 | head -1)
[[ $found = *$driver*peer-to-peer* ]]
ktap_ok "netgpu probe: $found" $?

# Payload that comes in host memory, into all of a buffer too large for one block of VRAM: nor of blocks in a row, as there is another
undo rm -f "$tmp/keeping"
gpu_keep "$node" "$tmp/keeping" $((16 << 20)) >"$tmp/keep" 2>&1 &
keeper=$!
large=${large:-$(several_blocks $((${LAB_GPU#*/} << 20)))}
much=$(most_held "$large")
wait_for 60 grep -q ^holding "$tmp/keep" && comes_elsewhere stray "$large" "$much" -P
ktap_ok "$((much >> 20)) MiB that came on the other queue are copied into a buffer of $((large >> 20)) MiB in VRAM, byte for byte" $?
rm -f "$tmp/keeping"
wait_for 60 process_ended "$keeper" || kill -9 "$keeper"
wait "$keeper" && ! dmesg | grep "$gpu_hangs"
ktap_ok "who had the other buffer has it to the end, and no job has hung" $?

# Engines are reset, VRAM is not: the NIC goes on. nouveau has no such reset.
if [ "$driver" != nouveau ]; then
	port=$((port + 1))
	much=$((1 << 30))
	resets=0
	dmesg -C
	receive reset -p $port -m "gpu:$node" -s $((2 * BYTES)) -r -P && remote -b pattern_send "$LOCAL_V4" $port $much >/dev/null
	while [ $resets -lt 3 ] && wait_for 20 flows $port $(((resets + 1) * BYTES)) && gpu_reset_engines; do resets=$((resets + 1)); done
	[ $resets = 3 ] && [ "$(dmesg | grep -c "Resetting chip\|reset done")" = 3 ] && flows $port 1
	status=$?
	wait "$receiver"
	[ $status = 0 ] && [ "$(said reset received)" = $much ] && [ "$(said reset correct)" = 1 ] &&
		gpu_pressure "$node" $((64 << 20)) >"$tmp/pressure" 2>&1 && [ "$(said pressure intact)" = "$(said pressure buffers)" ]
	status=$?
	ktap_ok "$resets times all engines are reset: $(said reset received) bytes are right, and the engines work" $status
fi

zcrx_recv -i "$NETIF" -q 1 -m "gpu-hidden:$node" -s $(((${LAB_GPU#*/} + 16) << 20)) -r -P -t $((30 * slower)) >"$tmp/large" 2>&1
status=$?
if [ "${LAB_GPU%/*}" -gt "${LAB_GPU#*/}" ]; then
	error=$(said large error)
	[ -n "$error" ] && [ "$error" != 0 ]
	status=$?
	ktap_ok "a buffer that is larger than the BAR is refused with $error: $(said large message)" $status
else
	[ $status != 0 ] && grep -q GEM_CREATE "$tmp/large"
	status=$?
	ktap_ok "$driver makes no buffer that is larger than the BAR, which is all of VRAM: $(tail -1 "$tmp/large")" $status
fi

nothing_left
ktap_ok "nothing is left" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

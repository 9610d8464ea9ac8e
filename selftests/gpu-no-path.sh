# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # driver and at_end are those of who sources this
# The NIC has no peer-to-peer path to the emulated GPU that $driver drives: that is said, and what lands in host memory is reported as
# such. When the GPU goes then, the receive ends with $at_end; 0: it goes on, as the memory is not the GPU's.

need netgpu queue
need_programs netgpu

BYTES=$((8 << 20))

need_lab_gpu_of "$driver"
ktap_plan 14
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
zcrx_recv -i "$NETIF" -q 1 -m "gpu:$node" -s $((2 * BYTES)) -r -P -t $((30 * slower)) >"$tmp/refused" 2>&1
error=$(said refused error)
[ "$error" = EXDEV ]
status=$?
ktap_ok "REQUIRE_P2P is refused with $error" $status
message=$(said refused message)
[[ $message = *"declined peer-to-peer"* ]]
status=$?
ktap_ok "and the reason: $message" $status
# Intel's drivers do not move a buffer that its program wants in VRAM alone; the others do.
alone=EOPNOTSUPP
[[ $driver != amdgpu && $driver != nouveau ]] || alone=EXDEV
zcrx_recv -i "$NETIF" -q 1 -m "gpu-hidden:$node" -s $((2 * BYTES)) -r -P -t $((30 * slower)) >"$tmp/hidden" 2>&1
error=$(said hidden error)
message=$(said hidden message)
[ "$error" = $alone ] && [[ $message = *"no path to it"* || $message = *"declined peer-to-peer"* ]]
status=$?
ktap_ok "one that is for VRAM alone, with $error: $message" $status
# The probe's buffer is such a one.
netgpu probe "$NETIF" -q 1 -g "$node" --region-size $BYTES >"$tmp/probe" 2>&1
found=$(head -1 "$tmp/probe")
if [ $alone = EXDEV ]; then [[ $found = *host* ]]; else [[ $found = *"no path to it"* ]]; fi
ktap_ok "netgpu probe says so before: $found" $?

port=9002
receive host -p $port -m "gpu:$node" -s $((2 * BYTES)) -r -k "$tmp/extents" && remote proof make $BYTES && marked host
ktap_ok "without it, data is received" $?
let_go
placement=$(said host placement)
[ "$(said host received)" = $BYTES ] && [ "$placement" = host ]
ktap_ok "and the placement is $placement" $?
vram=$(json_value "$tmp/host.json" gpu.bytes)
ram=$(json_value "$tmp/host.json" ram.marks)
[ "$vram" = 0 ] && [ "$ram" -gt 0 ]
ktap_ok "where it is: $vram bytes in VRAM, $ram marks in RAM" $?

# What comes on the other queue is copied there, too: the CPU writes to the buffer where it is.
comes_elsewhere stray $((2 * BYTES)) $BYTES
ktap_ok "what came on the other queue is copied into it, byte for byte" $?
nothing_left
ktap_ok "nothing is left" $?

# TTM frees host memory with the GPU, although it is pinned; amdgpu says so before. Half of the data is not sent before it has gone.
port=9004
much=$((1 << 28))
receive gone -p $port -m "gpu:$node" -s $((2 * BYTES)) -r -b && sends_when_told $much &&
	tell $((much / 2)) && wait_for 20 flows $port $((1 << 20))
ktap_ok "data flows into host memory again" $?
echo "$GPU_PCI" >"/sys/bus/pci/drivers/$driver/unbind"
if [ "$at_end" = 0 ]; then
	tell $((much / 2))
	wait "$receiver"
	[ "$(said gone error)" = 0 ] && [ "$(said gone received)" = $much ]
else
	wait "$receiver"
	remote -k "$sender" >/dev/null 2>&1
	[ "$(said gone error)" = "$at_end" ]
fi
status=$?
ktap_ok "the GPU goes, and the receive ends: $(said gone error), after $(said gone received) of $much bytes" $status
nothing_left
ktap_ok "nothing is left of that either" $?
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
ktap_end

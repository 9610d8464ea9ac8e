# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # driver, submission and hang are those of who sources this
# What $driver does with the emulated DG1 by itself: it drives it without a complaint, by the GuC or by execlists, as $submission
# says; clears and moves buffers with the blitter; and survives to be unbound, reset (when it says $hang), and to lose an interrupt.

need_programs gpu_pressure
need_lab_gpu

figure() { # NAME
	gpu_control summary >"$tmp/summary" && json_value "$tmp/summary" "$1"
}

# moves NAME: buffers of one and a half times local memory come and go
moves() {
	local before after status

	before=$(figure bytes_copied)
	gpu_pressure "$node" $((${LAB_GPU%/*} * 3 / 2 << 20)) >"$tmp/pressure" 2>&1 && [ "$(said pressure buffers)" -gt 0 ] &&
		[ "$(said pressure intact)" = "$(said pressure buffers)" ]
	status=$?
	ktap_ok "$1: $(said pressure buffers) buffers of 1.5 times local memory are intact" $status
	after=$(figure bytes_copied)
	[ $((after - before)) -gt $((${LAB_GPU%/*} << 18)) ]
	status=$?
	ktap_ok "$1: and the blitter has moved $(((after - before) >> 20)) MiB" $status
}

dmesg -C
need_lab_gpu_of "$driver"
ktap_plan 17
gpu_silent ""
ktap_ok "it has nothing to complain about" $?
loads=$(figure guc_loads)
case $submission in
guc) [ "$loads" -gt 0 ] ;;
execlists) [ "$loads" = 0 ] ;;
esac
ktap_ok "it has loaded the GuC $loads times, as it is to" $?
requests=$(figure requests)
[ "$requests" -gt 0 ]
ktap_ok "its engines have executed $requests requests" $?
moves evict

echo "$GPU_PCI" >"/sys/bus/pci/drivers/$driver/unbind"
[ ! -e "$node" ]
ktap_ok "unbound, it has no render node" $?
echo "$GPU_PCI" >"/sys/bus/pci/drivers/$driver/bind"
gpu_node
ktap_ok "bound again, it has one" $?
moves "bound again"
gpu_silent ""
ktap_ok "all that without a complaint" $?
[ "$(figure unknown_packets)" = 0 ] && [ "$(figure faults)" = 0 ] && [ "$(figure unreachable_bytes)" = 0 ]
ktap_ok "no command was unknown, and no address" $?
reads=$(figure register_reads)
writes=$(figure register_writes)
[ "$(figure unknown_registers)" = 0 ]
ktap_ok "nor a register, of $reads reads and $writes writes" $?

# More than the GuC's buffer of requests takes at once
for ((i = 0; i < 100; i++)); do
	gpu_pressure "$node" $((128 << 20)) >"$tmp/pressure" 2>&1 && [ "$(said pressure buffers)" -gt 0 ] &&
		[ "$(said pressure intact)" = "$(said pressure buffers)" ]
	status=$?
	[ "$status" = 0 ] && [ "$(figure requests)" -lt 1000 ] || break
done
requests=$(figure requests)
wraps=$(figure wraps)
[ "$status" = 0 ] && [ "$requests" -ge 1000 ] && { [ "$submission" != guc ] || [ "$wraps" -gt 0 ]; }
ktap_ok "after $requests jobs, and the end of the buffer of requests $wraps times, buffers are intact" $?
[ "$(figure unheard)" = 0 ]
ktap_ok "and no message between driver and GuC was lost" $?
! dmesg | grep "$gpu_hangs"
ktap_ok "no engine has hung until one is to" $?
gpu_control hang bcs0 >/dev/null
gpu_pressure "$node" $((64 << 20)) >"$tmp/pressure" 2>&1
gpu_pressure "$node" $((64 << 20)) >"$tmp/pressure" 2>&1 && [ "$(said pressure intact)" = "$(said pressure buffers)" ] &&
	dmesg | grep -q "$hang"
ktap_ok "an engine that hangs is reset, and works again" $?
lost=$(figure interrupts_lost)
gpu_control interrupts lose 2 >/dev/null
gpu_pressure "$node" $((64 << 20)) >"$tmp/pressure" 2>&1 && [ "$(said pressure intact)" = "$(said pressure buffers)" ] &&
	[ "$(figure interrupts_lost)" -gt "$lost" ]
ktap_ok "lost interrupts only cost time" $?
ktap_end

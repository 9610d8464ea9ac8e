#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A queue has to be taken from its memory provider, and the driver fails: at every step, once or for good. The memory is
# given back when the device has stopped writing to it, seen from outside; where the queue cannot be stopped, the device is
# restarted, and says so.
# lab: kernel=netgpu
# lab: timeout=240
# lab: more=480
# lab: modules=queue_fault
# lab: console=cut here|WARNING: .*netdev_rx_queue
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue v6 vram
. "$(dirname "$0")/outside.sh"

MODULES=${GATE_MODULES:-$(dirname "$0")}/queue_fault
PARAMETERS=/sys/module/queue_fault/parameters
ENOMEM=12
EOPNOTSUPP=95
[ -e "$MODULES/queue_fault.ko" ] || skip_all "the modules are not built: GATE_MODULES=$GATE_MODULES"
need_programs ethtool zcrx_recv devmem_recv queues

# fault STEP=TIMES... : what fails from now on
fault() {
	local step
	for step in alloc=0 stop=0 start=0 error=$ENOMEM "$@"; do
		echo "${step#*=}" >"$PARAMETERS/${step%=*}"
	done
}

failures() {
	cat $PARAMETERS/failed
}

# said_so: the kernel has told of it, once
said_so() {
	[ "$(dmesg | grep -c "$NETIF: Rx queue 1 keeps its memory provider")" = 1 ]
}

# The IPv6 address goes when the interface goes down.
addresses() {
	wait_for_carrier
	ip addr add "$LOCAL_V6/64" dev "$NETIF" nodad 2>/dev/null
	ordinary_traffic
}

# ends: who received has been told, and not before the memory was given back
ends() {
	wait "$receiver" && [ "$(said run error)" = ENODEV ] && [ "$(said run mapped)" = 0 ]
}

# takes WITH HOW RESTART STEP=TIMES...: a receiver's queue is taken away while data flows (HOW: by the exporter, or because
# the receiver is killed) and the driver fails so; it takes a RESTART (yes) or does not (no). WITH plain: by zcrx_recv, as
# programs do that know of no regions
port=9000
takes() {
	local with=$1 how=$2 restart=$3 before arguments=(-m "vfio:$VRAM_PCI")
	local what="$with, $how, ${*:4}"
	shift 3
	port=$((port + 10))
	receive_with=${with/plain/zcrx_recv}
	case $with in
	zcrx_recv) arguments+=(-r -e) ;;
	plain) arguments+=(-e) ;;
	devmem_recv) [ "$how" = kill ] || arguments+=(-T) ;;
	esac
	[ "$how" = kill ] || arguments+=(-x "$how" -a $((16 << 20)))
	dmesg -C
	before=$(failures)
	receive run -p $port "${arguments[@]}" && fault "$@" && remote -b pattern_send "$LOCAL_V4" $port $((64 << 30)) >/dev/null &&
		if [ "$how" = kill ]; then
			wait_for 30 flows $port $((8 << 20)) && kill "$receiver"
		else
			wait_for 30 grep -q '^revoke_us' "$tmp/run"
		fi && nothing_mapped
	ktap_ok "$what: the memory is given back" $?
	quiet
	ktap_ok "$what: seen from outside, nothing in it changes any more" $?
	if [ "$how" = kill ]; then
		wait "$receiver" 2>/dev/null
	else
		ends
		ktap_ok "$what: the receive ends" $?
	fi
	[ "$(failures)" -gt "$before" ] && if [ "$restart" = yes ]; then said_so; else ! said_so; fi
	ktap_ok "$what: it did fail, restart: $restart" $?
	fault
	addresses
	ktap_ok "$what: ordinary traffic afterwards" $?
	nothing_left
	ktap_ok "$what: nothing is left" $?
}

nothing_mapped() {
	wait_for 30 eval '[ "$(region_count mapped)" = 0 ]'
}

ktap_plan $((39 + ${MORE:-0} * 41))
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
flood_start
insmod "$MODULES/queue_fault.ko" netdev="$NETIF" && undo rmmod queue_fault
ktap_ok "faults can be had" $?

takes zcrx_recv disable no alloc=2			# tried again
more takes zcrx_recv disable yes alloc=-1		# there never is memory
more takes zcrx_recv disable yes alloc=-1 error=$EOPNOTSUPP	# as mlx5 says with HTB
takes zcrx_recv disable yes stop=-1
more takes zcrx_recv disable no start=1		# the old queue goes on, until it is tried again
takes zcrx_recv disable no start=2			# nor does that start again
more takes zcrx_recv disable yes start=-1		# none ever starts
more takes plain disable no alloc=2
more takes plain disable yes stop=-1
takes zcrx_recv kill yes stop=-1
takes devmem_recv disable yes stop=-1
more takes devmem_recv kill yes stop=-1

receive_with=zcrx_recv
stream again 9900 $((8 << 20))
ktap_ok "a new region is bound and receives" $?
# Does the watch see anything at all?
receive control -p 9901 -r -m "vfio:$VRAM_PCI"
changed=$(changes 1)
[ "$changed" -gt 0 ]
ktap_ok "the control, with a receiver: $changed MiB change" $?
kill "$receiver"
wait "$receiver" 2>/dev/null
nothing_left
ktap_ok "nothing is left" $?

# A driver that gets fewer interrupts when it comes up again has fewer queues.
receive gone -p 9902 -r -m "vfio:$VRAM_PCI"
queues "$NETIF" | grep -q '^rx 1 .*io_uring'
ktap_ok "a queue with a provider" $?
ip link set "$NETIF" down && echo 1 >$PARAMETERS/rx_queues
ktap_ok "goes" $?
kill "$receiver"
wait "$receiver" 2>/dev/null
nothing_left
ktap_ok "its provider goes, too" $?
echo 2 >$PARAMETERS/rx_queues && ip link set "$NETIF" up && addresses && ! queues "$NETIF" | grep -q io_uring
ktap_ok "and does not come back with the queue" $?
steer_to_queue 1 && stream back 9903 $((8 << 20)) && nothing_left
ktap_ok "which receives for another one" $?
ktap_end

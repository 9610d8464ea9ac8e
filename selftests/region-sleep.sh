#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The machine sleeps while data is received. Regions in the memory of a device end before it does, and not a byte of that
# changes any more; those in host memory go on when it is awake.
# lab: long=amdgpu-sleep,amdgpu-suspend
# lab: kernel=netgpu
# lab: topology=switch,sleep
# lab: timeout=300
# lab: append=no_console_suspend
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue vram
. "$(dirname "$0")/outside.sh"
. "$(dirname "$0")/asleep.sh"

ENDLESS=$((1 << 40))

ktap_plan 18
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
flood_start

# sleeps NAME STATE [LEVEL]
port=9000
sleeps() {
	local name=$1 sender='' before=''
	shift
	port=$((port + 10))
	victim "$name" $port -b && wait_for 30 flows $port $((1 << 20)) && [ "$(changes 1)" -gt 0 ]
	ktap_ok "$name: data flows, seen from outside" $?
	asleep "$@"
	ktap_ok "$name: the machine sleeps, and wakes" $?
	quiet
	ktap_ok "$name: not a byte of the device's memory changes any more" $?
	wait "$receiver" && [ "$(said "$name" error)" = ENODEV ]
	ktap_ok "$name: the receive has ended with ENODEV" $?
	nothing_left && ordinary_traffic
	ktap_ok "$name: nothing is left, ordinary traffic afterwards" $?
	stream again $((port + 1)) $((8 << 20))
	ktap_ok "$name: a new region is bound and receives" $?

	receive host -p $((port + 2)) -r -m udmabuf -s $((32 << 20)) -t $((120 * slower)) &&
		sender=$(remote -b pattern_send "$LOCAL_V4" $((port + 2)) $ENDLESS) && wait_for 30 flows $((port + 2)) $((1 << 20)) &&
		asleep "$@" && before=$(came $((port + 2))) && [ -n "$before" ] &&
		wait_for 30 flows $((port + 2)) $((before + (1 << 20)))
	ktap_ok "$name: it sleeps while data flows into host memory, which goes on" $?
	before=$(came $((port + 2)))
	remote -k "$sender" >/dev/null
	wait "$receiver" && [ -n "$before" ] && [ "$(said host received)" -ge "$before" ] && [ "$(said host error)" = 0 ] &&
		[ "$(said host correct)" = 1 ]
	ktap_ok "$name: and the same region has received all that came, every byte right" $?
}
sleeps idle freeze
sleeps memory mem core
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic at the end" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who waits for data learns of a revocation at once, although no more data comes: the receive ends with ENODEV, the ring
# gets its event, a devmem socket its error.
# lab: kernel=netgpu
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram
need_programs devmem_recv

BYTES=$((4 << 20))
SENDER_WAITS=$((90 * slower))	# seconds until the sender closes: longer than a receiver waits, so that it cannot end by that

ktap_plan 23
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

port=9000
for kind in region dmabuf; do
	port=$((port + 1))
	flag=
	[ $kind = region ] && flag=-r
	# shellcheck disable=SC2086
	receive $kind -e -p $port -m "vfio:$VRAM_PCI" $flag -x disable -a $BYTES &&
		sender=$(remote -b pattern_send -w $SENDER_WAITS "$LOCAL_V4" $port $BYTES) && wait "$receiver"
	ktap_ok "$kind: the receiver ends by itself, without more data" $?
	[ "$(said $kind received)" = $BYTES ]
	ktap_ok "$kind: everything sent was received before" $?
	[ "$(said $kind error)" = ENODEV ]
	ktap_ok "$kind: the pending receive ends with ENODEV" $?
	[ "$(said $kind event)" = 31 ]
	ktap_ok "$kind: the ring gets the event, once, although it has the queue twice" $?
	[ "$(said $kind late)" = ENODEV ]
	status=$?
	ktap_ok "$kind: a receive that would wait for data first ends with ENODEV: $(said $kind late)" $status
	[ "$(said $kind late_async)" = ENODEV ]
	status=$?
	ktap_ok "$kind: and so does one that another thread would wait for: $(said $kind late_async)" $status
	[ "$(said $kind late_linked)" = ENODEV ]
	status=$?
	ktap_ok "$kind: and one that the ring has had since before: $(said $kind late_linked)" $status
	remote -w "$sender" >/dev/null
	nothing_left
	ktap_ok "$kind: nothing is left" $?
done

receive_with=devmem_recv receive devmem -p 9011 -m "vfio:$VRAM_PCI" -x disable -a $BYTES &&
	sender=$(remote -b pattern_send -w $SENDER_WAITS "$LOCAL_V4" 9011 $BYTES) && wait "$receiver"
ktap_ok "devmem: the receiver ends by itself" $?
[ "$(said devmem error_polled)" = 1 ]
ktap_ok "devmem: poll reports an error" $?
[ "$(said devmem error)" = ENODEV ]
ktap_ok "devmem: recvmsg ends with ENODEV" $?
remote -w "$sender" >/dev/null
nothing_left
ktap_ok "devmem: nothing is left" $?

ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?
nothing_left
ktap_ok "nothing is left at the end" $?
ktap_end

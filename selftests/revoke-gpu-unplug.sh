#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device whose memory is received into is unplugged, or its driver unbound. Its user is asked to let go of it and does,
# or does not until it is killed; then not a byte of the memory changes any more.
# lab: long=region-unplug,revoke-outside
# lab: kernel=netgpu
# lab: timeout=420
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu lab queue vram
. "$(dirname "$0")/outside.sh"

dev=/sys/bus/pci/devices/$VRAM_PCI

unplug() {
	remote qmp device_del '{"id": "vram"}' >/dev/null
}

# QEMU takes a memory backend only once: the same file, as another.
plugs=0
plug() {
	local id=vram$((++plugs)) size=$((LAB_VRAM_MIB << 20))
	# shellcheck disable=SC2016,SC2086 # expanded by qmp; a name and a number
	remote qmp object-add '{"qom-type": "memory-backend-file", "id": "'$id'", "size": '$size', "share": true,
		"mem-path": "$LAB_VRAM"}' >/dev/null &&
		remote qmp device_add '{"driver": "ivshmem-plain", "id": "vram", "bus": "d1", "memdev": "'$id'"}' >/dev/null &&
		wait_for 20 test -e "$dev/driver_override" && vram_bind
}

# A removed device has left QEMU a moment later.
unplugged() {
	wait_for 30 test ! -e "$dev" && sleep 1
}

unbind() {
	echo "$VRAM_PCI" >/sys/bus/pci/drivers/vfio-pci/unbind &
}

rebind() {
	vram_bind
}

unbound() {
	wait_for 30 test ! -e "$dev/driver"
}

ktap_plan 24
vram_bind
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
flood_start

port=9000
for how in unbind unplug; do
	[ $how = unplug ] && back=plug || back=rebind
	[ $how = unplug ] && gone=unplugged || gone=unbound
	port=$((port + 10))
	victim $how $((port + 1)) -x request -a $((8 << 20)) && wait_for 30 grep -q '^waiting' "$tmp/$how"
	ktap_ok "$how: data flows" $?
	$how
	wait_for 20 grep -q '^revoke_us' "$tmp/$how"
	ktap_ok "$how: the user is asked, and has let go" $?
	quiet
	ktap_ok "$how: seen from outside, nothing in the memory changes" $?
	wait "$receiver" && [ "$(said $how error)" = ENODEV ] && [ "$(said $how hangup)" = 1 ]
	ktap_ok "$how: the receive ends with ENODEV, poll reports the hangup" $?
	$gone
	ktap_ok "$how: the device is gone" $?
	nothing_left && ordinary_traffic
	ktap_ok "$how: nothing is left, ordinary traffic afterwards" $?
	$back && stream again $((port + 2)) $((8 << 20))
	ktap_ok "$how: when it is back, a new region is bound and receives" $?

	victim stubborn $((port + 3)) -b
	$how
	sleep 8
	kill -0 "$receiver" && [ -e "$dev" ] && [ "$(changes 1)" -gt 0 ]
	ktap_ok "$how: a user who does not let go is waited for, and receives" $?
	kill -9 "$receiver"
	wait "$receiver" 2>/dev/null
	$gone
	ktap_ok "$how: it is killed: the device is gone" $?
	quiet
	ktap_ok "$how: nothing in the memory changes" $?
	$back && stream again $((port + 4)) $((8 << 20))
	ktap_ok "$how: when it is back, a new region is bound and receives" $?
done
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic at the end" $?
ktap_end

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # driver and slot are those of who sources this
# The emulated GPU that $driver drives, the device $slot of the machine, is unbound and unplugged while data flows into its VRAM,
# and while another program has buffers of it: the NIC stops first, the receive ends with ENODEV, and what both have outlives
# the GPU.

need netgpu queue
. "$(dirname "$0")/gpu-revoke.sh"

need_programs gpu_keep
need_lab_gpu_of "$driver"

# More than there is VRAM, so that some are in system memory, unless who sources this says otherwise
KEEP=${keep:-$((${LAB_GPU%/*} + 64))}

# keep NAME: a program has buffers of the GPU
keep() {
	undo rm -f "$tmp/keeping"
	gpu_keep "$node" "$tmp/keeping" $((KEEP << 20)) >"$tmp/keep-$1" 2>&1 &
	keeper=$!
	wait_for 60 grep -q ^holding "$tmp/keep-$1"
}

# kept NAME: it goes on, and ends
kept() {
	local name=keep-$1 status gone=ENODEV

	# xe has the GPU awake first, which runtime PM refuses for what is not on the bus
	[ "$driver $1" != "xe unplug" ] || gone=EACCES

	rm -f "$tmp/keeping"
	wait_for 60 process_ended "$keeper" || kill -9 "$keeper"
	wait "$keeper"
	status=$?
	[ $status = 0 ] && [ "$(said "$name" pages)" = "$KEEP" ] && [ "$(said "$name" ioctl)" = $gone ]
	status=$?
	[ $status = 0 ] || ktap_say "$(cat "$tmp/$name")"
	ktap_ok "$1: who has $KEEP MiB of buffers mapped goes on, and gets $gone from the GPU's file" $status
}

ktap_plan 17
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
flood_start

keep unbind && flowing unbind -r
ktap_ok "data flows" $?
echo "$GPU_PCI" >"/sys/bus/pci/drivers/$driver/unbind"
ends unbind
kept unbind
echo "$GPU_PCI" >"/sys/bus/pci/drivers/$driver/bind"
works unbind

keep unplug && flowing unplug -r
ktap_ok "data flows" $?
remote qmp device_del '{"id": "'"$slot"'"}' >/dev/null
ends unplug
gone unplug
kept unplug
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# For each GPU here, whatever drives it: data is received into its own memory, stays while others want that memory, and is
# taken back when the GPU goes away. A line for each GPU says what to put into README.md's table.
# GPU_PCI is the address of the only one to try. GPU_DESTRUCTIVE=1 allows to take it away from its other users.
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
need netgpu queue

BYTES=$((32 << 20))
RESULTS=7	# of each GPU

need_programs zcrx_recv region_probe gpu_pressure pattern_send
gpus
[ ${#gpus[@]} -gt 0 ] || skip_all "no GPU here is driven by amdgpu, i915, nouveau or xe"
ktap_plan $((1 + RESULTS * ${#gpus[@]}))
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?

# bar_size DEVICE: bytes of the largest prefetchable BAR
bar_size() {
	local start end flags size=0
	while read -r start end flags; do
		((flags & 0x2000 && end - start + 1 > size)) && size=$((end - start + 1))
	done < <(head -n 6 "$1/resource")
	echo $size
}

# pressure_bytes BAR: one and a half times as much, if that fits into host memory twice
pressure_bytes() {
	local free
	free=$(awk '/^MemAvailable/ { print $2 * 1024 }' /proc/meminfo)
	[ $(($1 * 3)) -lt "$free" ] && echo $(($1 * 3 / 2))
}

port=9000
try_gpu() { # ADDRESS
	local dev=/sys/bus/pci/devices/$1 driver name bar path placement message bytes result=failed status

	GPU_PCI=$1
	gpu_node
	driver=$(basename "$(readlink "$dev/driver")")
	name=$(lspci -s "$1" 2>/dev/null | sed 's/^[^:]*:[^:]*: //')
	[ -n "$name" ] || name="$(cat "$dev/vendor"):$(cat "$dev/device")"
	bar=$(bar_size "$dev")

	region_probe -i "$NETIF" -q 1 -m "gpu:$node" -s $((2 * BYTES)) >"$tmp/probe" 2>&1
	path=$(said probe path)
	placement=$(said probe placement)
	message=$(said probe message)
	if [ -z "$placement" ]; then
		ktap_say "row: $driver, $name, $((bar >> 20)) MiB, -, -, $(tail -n 1 "$tmp/probe")"
		for _ in $(seq $RESULTS); do ktap_skip "$driver" "$(tail -n 1 "$tmp/probe")"; done
		return
	fi
	[ "$(said probe create)" = 0 ] && [ "$(said probe create_placement)" = "$placement" ]
	ktap_ok "$driver: a region is what the probe says: $placement, by $path${message:+: $message}" $?

	port=$((port + 1))
	receive received -p $port -m "gpu:$node" -s $((2 * BYTES)) -r -k "$tmp/extents" && remote pattern_send "$LOCAL_V4" $port $BYTES &&
		holds received && [ "$(said received received)" = $BYTES ] && [ "$(said received correct)" = 1 ]
	status=$?
	ktap_ok "$driver: $BYTES bytes are received, and read back through the BAR" $status
	if [ "$placement" = device ]; then
		[ "$(said received placement)" = device ]
		ktap_ok "$driver: into memory of the device" $?
	else
		ktap_skip "$driver: into memory of the device" "$message"
	fi
	bytes=$(pressure_bytes "$bar")
	if [ -n "$bytes" ]; then
		gpu_pressure "$node" "$bytes" >"$tmp/pressure" 2>&1 && [ "$(said pressure buffers)" -gt 0 ] &&
			[ "$(said pressure intact)" = "$(said pressure buffers)" ]
		status=$?
		ktap_ok "$driver: $(said pressure buffers) buffers, of together 1.5 times the BAR, come and go" $status
	else
		ktap_skip "$driver: others want the memory" "host memory is too small for what has to leave"
	fi
	let_go
	[ "$(said received still)" = 1 ]
	ktap_ok "$driver: what was received is where it was" $?
	[ $status -ne 0 ] || [ "$(said received still)" != 1 ] || result=passed
	nothing_left
	ktap_ok "$driver: nothing is left" $?

	if gpu_may_be_taken; then
		port=$((port + 1))
		receive unplugged -p $port -m "gpu:$node" -s $((2 * BYTES)) -r -b &&
			remote -b pattern_send "$LOCAL_V4" $port $((4 << 30)) >/dev/null && wait_for 20 flows $port $((1 << 20)) &&
			echo 1 >"$dev/remove" && wait "$receiver" && [ "$(said unplugged error)" = ENODEV ] && nothing_left
		status=$?
		# else it has the queue while the next GPU is tried
		if jobs -pr | grep -qx "$receiver"; then
			kill -9 "$receiver"
			wait "$receiver" 2>/dev/null
			nothing_left
		fi
		ktap_ok "$driver: removed while data flows, the receive ends with ENODEV, and nothing is left" $status
		[ $status -eq 0 ] && result+=", also removed"
		echo 1 >/sys/bus/pci/rescan
	else
		ktap_skip "$driver: removed while data flows" "only with GPU_DESTRUCTIVE=1"
	fi
	ktap_say "row: $driver, $name, $((bar >> 20)) MiB, $path, $placement, $result"
}

for gpu in "${gpus[@]}"; do try_gpu "$gpu"; done
ktap_end

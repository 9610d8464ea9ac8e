# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # port, receiver and slower are those of who sources this
# Sourced by tests with a GPU: one of the lab's emulated ones, or the machine's own.
#
# GPU_PCI is its address (default: the first that amdgpu can drive, or all). GPU_DESTRUCTIVE=1 allows what takes the GPU away from
# other users: unbind, reset, unplug. In the lab that is no question.

amd_display() { # DEVICE: is it a display controller of AMD's?
	[ "$(cat "$1/vendor")" = 0x1002 ] && [[ $(cat "$1/class") = 0x03* ]]
}

# need_amd_gpu: one that amdgpu drives, or in the lab will; its address is in $GPU_PCI
need_amd_gpu() {
	local dev

	need_root
	if [ -z "${GPU_PCI:-}" ]; then
		for dev in /sys/bus/pci/devices/*; do
			[ -e "$dev/class" ] && amd_display "$dev" && GPU_PCI=${dev##*/} && break
		done
	fi
	[ -n "${GPU_PCI:-}" ] || skip_all "there is no GPU of AMD's here (GPU_PCI=ADDRESS names one)"
	if [ -n "${LAB_GPU:-}" ]; then
		modprobe -nq amdgpu || skip_all "the kernel has no amdgpu"
	elif [ "$(basename "$(readlink "/sys/bus/pci/devices/$GPU_PCI/driver")")" != amdgpu ]; then
		skip_all "amdgpu does not drive the GPU at $GPU_PCI"
	fi
}

# gpu_load: amdgpu drives the GPU; its render node is in $node
gpu_load() {
	need_amd_gpu
	modprobe amdgpu 2>/dev/null
	gpu_node
}

# gpus: the addresses of those that drivers of DRM have which export their memory are in the array of that name
gpus() {
	local dev
	gpus=()
	for dev in /sys/bus/pci/devices/*; do
		[[ $(cat "$dev/class" 2>/dev/null) = 0x03* ]] && [ "${GPU_PCI:-${dev##*/}}" = "${dev##*/}" ] || continue
		# elsewhere it may have none because its owner wants that
		[ -z "${LAB_GPU:-}" ] || [ -e "$dev/driver" ] || modprobe "$(cat "$dev/modalias")" 2>/dev/null
		case $(readlink "$dev/driver") in
		*/amdgpu | */i915 | */nouveau | */xe) gpus+=("${dev##*/}") ;;
		esac
	done
}

# gpu_receives: gpu_load, for a test that receives into the GPU
gpu_receives() {
	need_programs amdgpu
	need_netif
	gpu_load
}

# need_lab_gpu: only the emulated GPU shows its memory from outside
need_lab_gpu() {
	[ -n "${LAB_GPU:-}" ] || skip_all "only the emulated GPU shows its memory from outside"
}

# need_lab_gpu_of DRIVER: which drives it, else this test has failed; its address is in $GPU_PCI, its render node in $node
need_lab_gpu_of() {
	need_lab_gpu
	modprobe -nq "$1" || skip_all "the kernel has no $1"
	gpus
	GPU_PCI=${gpus[0]:-none}
	[ -e "/sys/bus/pci/drivers/$1/$GPU_PCI" ] && gpu_node && return
	ktap_plan 1
	ktap_ok "$1 drives the GPU, and there is a render node" 1
	ktap_end
	exit 1
}

gpu_node() {
	local dir
	for dir in "/sys/bus/pci/devices/$GPU_PCI/drm/renderD"*; do
		node=/dev/dri/${dir##*/}
		[ -e "$node" ] && return 0
	done
	return 1
}

# gpu_may_be_taken: and comes back when the test ends in between
gpu_may_be_taken() {
	[ "${REMOTE_TYPE:-}" = lab ] || [ "${GPU_DESTRUCTIVE:-}" = 1 ] || return
	undo gpu_back "$GPU_PCI"
}
gpu_back() { # ADDRESS
	local dev=/sys/bus/pci/devices/$1
	[ -e "$dev" ] || echo 1 >/sys/bus/pci/rescan
	[ -e "$dev/driver" ] || echo "$1" >/sys/bus/pci/drivers_probe
}

# room_to_evict BYTES: what leaves a GPU with so much memory, when others want one and a half times that, fits into the host's twice
room_to_evict() {
	[ "$1" -lt "$(awk '/^MemAvailable/ { print $2 * 1024 }' /proc/meminfo)" ]
}

# i915_submits: by what the test wants, in $submission: execlists, or by default the GuC
i915_submits() {
	local now=guc
	! grep -q 'i915\.enable_guc=0' /proc/cmdline || now=execlists
	submission=${submission:-guc}
	[ "$submission" = $now ] || skip_all "i915 submits by $now here (i915.enable_guc=0 on the kernel's command line: execlists)"
}

# several_blocks VISIBLE: the size of a buffer that is no one block of VRAM, that its visible part has room for, and that a user may pin
several_blocks() {
	local most
	most=$(sysctl -n net.netgpu.max_pinned_bytes)
	echo $((($1 < most ? $1 : most) * 5 / 8 / 4096 * 4096))
}

# gpu_is STATE: of runtime PM
gpu_is() {
	[ "$(cat "/sys/bus/pci/devices/$GPU_PCI/power/runtime_status")" = "$1" ]
}

# gpu_may_sleep: soon, when nobody uses it
gpu_may_sleep() {
	local file
	for file in control autosuspend_delay_ms; do
		undo eval "echo $(cat "/sys/bus/pci/devices/$GPU_PCI/power/$file") >/sys/bus/pci/devices/$GPU_PCI/power/$file"
	done
	echo 200 >"/sys/bus/pci/devices/$GPU_PCI/power/autosuspend_delay_ms"
	echo auto >"/sys/bus/pci/devices/$GPU_PCI/power/control"
	wait_for 20 gpu_is suspended
}

# gpu_control COMMAND...: to the emulated GPU; fails on others
gpu_control() {
	# shellcheck disable=SC2016 # expanded there
	[ -n "$LAB_GPU" ] && echo "$*" | remote -i 'socat -t 5 - "UNIX-CONNECT:$LAB_GPU_CONTROL"'
}

# gpu_debugfs FILE: of this GPU
gpu_debugfs() {
	cat "/sys/kernel/debug/dri/$GPU_PCI/$1" 2>/dev/null
}

# gpu_reset_engines: all of them, by what the driver of an Intel GPU has for it
gpu_reset_engines() {
	local dir=/sys/kernel/debug/dri/$GPU_PCI
	if [ -e "$dir/i915_wedged" ]; then
		echo 0xffffffff >"$dir/i915_wedged"
	else
		echo 1 >"$dir/gt0/force_reset_sync"
	fi
}

# process_ended PID: a process of this shell's
process_ended() {
	! jobs -pr | grep -qx "$1"
}

# most_held SIZE: how much of what comes in host memory a program can keep in a region of that size, beside what is in the NIC's
# ring; no more than takes some seconds
most_held() {
	local ring most=$((512 << 20)) slack=8
	ring=$(rx_ring)
	[ "${ring:-0}" -le 1024 ] || slack=$((ring / 128))
	slack=$(($1 - (slack << 20)))
	echo $((slack < most ? slack : most))
}

# comes_elsewhere NAME SIZE BYTES [OPTION]...: so much comes on the other queue for a region of SIZE in $node, where all of it is
# copied, and held, and is right; $port counts
comes_elsewhere() {
	local name=$1 size=$2 bytes=$3 status
	shift 3
	port=$((port + 1))
	ethtool -X "$NETIF" start 0 equal 1
	receive "$name" -p $port -m "gpu:$node" -s "$size" -r -k "$tmp/extents" "$@" && remote pattern_send "$LOCAL_V4" $port "$bytes" &&
		holds "$name"
	status=$?
	let_go
	ethtool -X "$NETIF" start 1 equal 1
	[ $status = 0 ] && [ "$(said "$name" received)" = "$bytes" ] && [ "$(said "$name" correct)" = 1 ] &&
		[ "$(said "$name" other_queue)" -ge "$bytes" ] && return
	ktap_say "$(cat "$tmp/$name")"
	return 1
}

# What the drivers of Intel's and AMD's GPUs say of a job or a request that is not done in time, and of the reset after that
# shellcheck disable=SC2034 # for those who source this
gpu_hangs="GPU HANG\|Timedout job\|job timeout\|fence timeout\|ring .* timeout\|failed to respond\|Resetting\|reset started"

# gpu_silent [PATTERN]: nothing was said since dmesg was cleared, at the level of a warning or worse, but what is left out
gpu_silent() {
	local said
	said=$(dmesg -l emerg,alert,crit,err,warn | grep -v "module_verify\|taint${1:+\|$1}")
	[ -z "$said" ] && return
	ktap_say "$said"
	return 1
}

# json_value FILE KEY: a figure of a JSON file that proof or the GPU wrote
json_value() {
	python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."):
    value = value[key]
print(json.dumps(value) if isinstance(value, bool) else value)' "$@"
}

# sends_when_told BYTES: $sender sends so much to port $port, as much at a time as tell says
sends_when_told() {
	local directory
	directory=$(remote mktemp -d) && undo remote rm -r "$directory"
	told=$directory/more
	remote mkfifo "$told" && sender=$(remote -b pattern_send -f "$told" "$LOCAL_V4" $port "$1")
}

# tell BYTES: which fails when nobody listens
tell() {
	remote "timeout 20 sh -c 'echo $1 >$told'"
}

# marked NAME: send the marked data to port $port, and look at the machine from outside while the receiver keeps it.
# The receiver, started with "receive NAME -k $tmp/extents", holds until let_go. The figures are in $tmp/NAME.json.
marked() {
	# shellcheck disable=SC2016 # expanded there
	remote 'socat -u "OPEN:$LAB_SENDER/data" "TCP:$LOCAL_V4:'"$port"'"' || return 1
	# A read of the GPU comes back after what has been written to it before is there.
	holds "$1" && head -c 4 "/sys/bus/pci/devices/$GPU_PCI/config" >/dev/null && remote proof scan >"$tmp/$1.json"
}

# all_in_vram NAME BYTES: two results, of what marked() saw
all_in_vram() {
	local vram ram
	vram=$(json_value "$tmp/$1.json" gpu.bytes)
	ram=$(json_value "$tmp/$1.json" ram.marks)
	[ "$vram" = "$2" ]
	ktap_ok "$1: of $2 bytes, $vram are in VRAM" $?
	[ "$ram" = 0 ]
	ktap_ok "$1: and $ram marks of it in the guest's RAM" $?
}

# let_go: the receiver ends
let_go() {
	rm -f "$tmp/extents"
	wait "$receiver"
}

# holds NAME: the receiver has all, and keeps it
holds() {
	for _ in $(seq $((400 * slower))); do
		grep -q '^holding' "$tmp/$1" && return
		kill -0 "$receiver" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

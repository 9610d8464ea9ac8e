#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu topo on machines that are not there: their sysfs is made up, one for each thing that may stand in the way.
# lab: machine=none
# lab: timeout=90
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools
need_programs netgpu python3
work=$(mktemp -d) && undo rm -rf "$work"

# machine NAME CPU HOST-BRIDGE: begins one; HOST-BRIDGE: vendor:device of its 00.0
machine() {
	root=$work/$1
	mkdir -p "$root/sys/bus/pci/devices" "$root/sys/devices/pci0000:00" "$root/proc/sys/kernel" "$root/boot" "$root/dev"
	echo 7.3.4 >"$root/proc/sys/kernel/osrelease"
	printf 'vendor_id\t: %s\ncpu family\t: %s\n\n' "${2% *}" "${2#* }" >"$root/proc/cpuinfo"
	for option in INET PAGE_POOL IO_URING IO_URING_ZCRX DMA_SHARED_BUFFER PCI_P2PDMA NETGPU; do
		echo "CONFIG_$option=y"
	done >"$root/boot/config-7.3.4"
	device 0000:00:00.0 "" 0x060000 "$3" ""
}

# device ADDRESS BELOW CLASS VENDOR:DEVICE DRIVER [BAR-MIB]; its directory is $dir afterwards
device() {
	local below=$2 path=../../../devices/pci0000:00 bar=$((${6:-0} << 20))
	[ -z "$below" ] || path=$(readlink "$root/sys/bus/pci/devices/$below")
	ln -s "$path/$1" "$root/sys/bus/pci/devices/$1"
	dir=$root/sys/bus/pci/devices/$1
	mkdir -p "$root/sys/bus/pci/devices/$path/$1/power"
	echo "$3" >"$dir/class"
	echo "0x${4%:*}" >"$dir/vendor"
	echo "0x${4#*:}" >"$dir/device"
	echo active >"$dir/power/runtime_status"
	if [ "$bar" = 0 ]; then
		echo "0x0000000000000000 0x0000000000000000 0x0000000000000000"
	else
		printf '0x%016x 0x%016x 0x%016x\n' $((1 << 40)) $(((1 << 40) + bar - 1)) 0x14220c
	fi >"$dir/resource"
	[ -z "$5" ] && return
	mkdir -p "$root/sys/bus/pci/drivers/$5" "$root/sys/module/$5"
	touch "$root/sys/module/$5/taint"
	ln -s "$root/sys/bus/pci/drivers/$5" "$dir/driver"
	[ -e "$root/sys/bus/pci/drivers/$5/module" ] || ln -s "$root/sys/module/$5" "$root/sys/bus/pci/drivers/$5/module"
}

# bridge ADDRESS BELOW [ACS]: with its configuration space, as root sees it; ACS: its control register, or "unseen"
bridge() {
	device "$1" "$2" 0x060400 8086:1234 pcieport
	[ "${3:-}" = unseen ] && { head -c 64 /dev/zero >"$dir/config"; return; }
	python3 - "${3:-0}" >"$dir/config" <<-'EOF'
		import struct, sys
		config = bytearray(4096)
		struct.pack_into("<I", config, 0x100, 0x0001 | 1 << 16 | 0x148 << 20)	# another capability before it
		struct.pack_into("<IHH", config, 0x148, 0x000d | 1 << 16, 0x7f, int(sys.argv[1], 0))
		sys.stdout.buffer.write(config)
	EOF
}

nic() { # ADDRESS BELOW [DRIVER]
	device "$1" "$2" 0x020000 14e4:1750 "${3:-bnxt_en}"
	mkdir -p "$dir/net/eth0"
	echo 100000 >"$dir/net/eth0/speed"
}

gpu() { # ADDRESS BELOW [DRIVER [BAR-MIB]]
	device "$1" "$2" 0x030000 1002:744c "${3-amdgpu}" "${4:-24576}"
	case ${3-amdgpu} in amdgpu | i915 | xe | nouveau) mkdir -p "$dir/drm/card0" "$dir/drm/renderD128" ;; esac
}

below_switch() { # [ACS]
	bridge 0000:00:01.0 "" && bridge 0000:01:00.0 0000:00:01.0 && bridge 0000:02:00.0 0000:01:00.0 "${1:-0}" &&
		bridge 0000:02:01.0 0000:01:00.0 "${1:-0}" && nic 0000:03:00.0 0000:02:00.0 && gpu 0000:04:00.0 0000:02:01.0
}

below_ports() {
	bridge 0000:00:01.0 "" && bridge 0000:00:02.0 "" && nic 0000:03:00.0 0000:00:01.0 && gpu 0000:04:00.0 0000:00:02.0 "$@"
}

topo() {
	netgpu topo --root "$root" "$@"
}

# says DIRECTION FIELD=VALUE...: of the first pair, in JSON
says() {
	topo --json >"$work/json" && python3 - "$work/json" "$@" <<-'EOF'
		import json, sys
		pair = json.load(open(sys.argv[1]))["pairs"][0][sys.argv[2]]
		wrong = [w for w in sys.argv[3:] if str(pair[w.split("=", 1)[0]]) != w.split("=", 1)[1]]
		print(*[f"# {w}: {pair}" for w in wrong], sep="\n", end="\n" if wrong else "")
		sys.exit(bool(wrong))
	EOF
}

INTEL="GenuineIntel 6" ZEN="AuthenticAMD 25" UNKNOWN_BRIDGE=8086:29c0

ktap_plan 27
machine switch "$INTEL" $UNKNOWN_BRIDGE && below_switch
says receive ok=True placement=device path=switch distance=4 asked=False && says send ok=True path=switch
ktap_ok "below one switch: peer-to-peer" $?
topo | grep -q "^eth0 and renderD128" && topo | grep -q "receive  peer-to-peer through PCI bridges that both are below, distance 4 (expected)"
ktap_ok "in words" $?
LC_ALL=C topo | grep -q '^   `- 0000:01:00.0 bridge' && LC_ALL=C.UTF-8 topo | grep -q '^   └─ 0000:01:00.0 bridge'
ktap_ok "the tree, by the locale's characters" $?
topo --svg "$work/svg" && python3 -c 'import sys, xml.dom.minidom as m; d = m.parse(sys.argv[1]); sys.exit(len(d.getElementsByTagName("rect")) != 7)' "$work/svg"
ktap_ok "the picture is XML, and has a box for each of six devices" $?
topo --svg /nosuch/file 2>&1 | grep -q "/nosuch/file: No such file" && ! topo --svg /nosuch/file 2>/dev/null
ktap_ok "a picture that cannot be written" $?

machine redirect "$INTEL" $UNKNOWN_BRIDGE && below_switch 0x1d
says receive ok=True placement=host path=host && topo --fix | grep -q "pci=disable_acs_redir=0000:02:01.0;0000:02:00.0 "
ktap_ok "ACS redirects, to a host bridge that is not known: host memory, and the port is named" $?
machine redirect-zen "$ZEN" 1022:14d8 && below_switch 0x1d
says receive ok=True placement=device path=host-bridge && topo --fix | grep -q "pci=disable_acs_redir="
ktap_ok "to one that is: through it" $?
machine unseen "$INTEL" $UNKNOWN_BRIDGE && below_switch unseen
says receive ok=None placement=device path=switch && topo | grep -q "perhaps peer-to-peer .*only root can see"
ktap_ok "who is not root does not see ACS, and is told" $?

machine ports "$INTEL" $UNKNOWN_BRIDGE && below_ports
says receive ok=True placement=host && topo | grep -q "host bridge is none that Linux knows" && says send placement=host
ktap_ok "two root ports, a host bridge that is not known: amdgpu moves the buffer to host memory" $?
machine ports-vfio "$INTEL" $UNKNOWN_BRIDGE && below_ports vfio-pci
says receive ok=False placement=unknown && topo | grep -q "^eth0 and vfio 0000:04:00.0"
ktap_ok "vfio-pci cannot, and refuses" $?
machine ports-zen "$ZEN" 1022:14d8 && below_ports
says receive ok=True placement=device path=host-bridge distance=4
ktap_ok "two root ports of a CPU that is known" $?
machine ports-xeon "$INTEL" 8086:2030 && below_ports
says receive ok=True placement=device path=host-bridge
ktap_ok "of a host bridge that is" $?
mkdir "$root/sys/bus/pci/devices/0000:03:00.0/iommu_group" && echo DMA-FQ >"$root/sys/bus/pci/devices/0000:03:00.0/iommu_group/type"
says receive ok=True placement=device path=iommu
ktap_ok "and an IOMMU that translates" $?
echo identity >"$root/sys/bus/pci/devices/0000:03:00.0/iommu_group/type"
says receive path=host-bridge
ktap_ok "or does not" $?

machine without "$INTEL" $UNKNOWN_BRIDGE && below_switch && sed -i /NETGPU/d "$root/boot/config-7.3.4"
says receive ok=True placement=host && topo | grep -q "moves the buffer to host memory, and nothing tells" &&
	topo | grep -q "^Linux 7.3.4, without netgpu; missing: CONFIG_NETGPU" && topo --fix | grep -q "^# boot a kernel with CONFIG_NETGPU=y"
ktap_ok "a kernel without netgpu: what Linux does, and what would help" $?
machine p2pdma "$INTEL" $UNKNOWN_BRIDGE && below_switch && sed -i /P2PDMA/d "$root/boot/config-7.3.4"
says receive ok=True placement=host && topo | grep -q "without CONFIG_PCI_P2PDMA"
ktap_ok "an option that is missing is named" $?
rm "$root/boot/config-7.3.4"
topo | grep -q "options are not to be found" && says receive ok=True placement=device
ktap_ok "no configuration: it is said, and nothing claimed" $?

machine driverless "$INTEL" $UNKNOWN_BRIDGE && below_ports ""
says receive ok=False && topo | grep -q "no driver is bound to 0000:04:00.0"
ktap_ok "a GPU without a driver" $?
machine proprietary "$INTEL" $UNKNOWN_BRIDGE && below_ports nvidia && echo PO >"$root/sys/module/nvidia/taint"
says receive ok=False && topo | grep -q "its driver, nvidia, is proprietary"
ktap_ok "a proprietary driver" $?
machine nodeless "$INTEL" $UNKNOWN_BRIDGE && below_ports simpledrm
says receive ok=False && topo | grep -q "has no render node"
ktap_ok "a driver without a render node" $?
machine e1000e "$INTEL" $UNKNOWN_BRIDGE && below_switch && rm "$root/sys/bus/pci/devices/0000:03:00.0/driver" &&
	mkdir "$root/sys/bus/pci/drivers/e1000e" && ln -s "$root/sys/bus/pci/drivers/e1000e" "$root/sys/bus/pci/devices/0000:03:00.0/driver"
says receive ok=False && says send ok=True placement=device && topo | grep -q "e1000e, cannot give one queue other memory"
ktap_ok "a card that cannot receive so, but send" $?

machine small "$INTEL" $UNKNOWN_BRIDGE && below_switch
echo $((24 << 30)) >"$dir/mem_info_vram_total" && echo $((256 << 20)) >"$dir/mem_info_vis_vram_total"
topo | grep -q "24 GiB of VRAM, of which others reach 256 MiB" && topo --fix | grep -q "Resizable BAR"
ktap_ok "a small BAR" $?
machine resize "$INTEL" $UNKNOWN_BRIDGE && below_switch && echo 0000000000007f00 >"$dir/resource0_resize"
topo | grep -q "BAR of 24 GiB" && ! topo --fix | grep -q "Resizable BAR"
ktap_ok "one that is as large as it can be" $?
echo 000000000001ff00 >"$dir/resource0_resize"
topo | grep -q "its BAR could be 64 GiB" && topo --fix | grep -q "Resizable BAR"
ktap_ok "one that could be larger" $?
echo suspended >"$dir/power/runtime_status"
topo | grep -q "GPU renderD128 .*asleep"
ktap_ok "a GPU that sleeps" $?

machine empty "$INTEL" $UNKNOWN_BRIDGE
topo | grep -q "no network device on PCI" && topo --json | python3 -c 'import json, sys; sys.exit(json.load(sys.stdin)["pairs"] != [])'
ktap_ok "a machine with neither" $?
netgpu topo --root /nosuch 2>&1 | grep -q "there is no PCI here" && ! netgpu topo --root /nosuch 2>/dev/null && ! netgpu topo eth0 2>/dev/null
ktap_ok "errors" $?
ktap_end

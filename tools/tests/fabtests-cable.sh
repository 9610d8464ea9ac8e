#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# libfabric's own tests between two machines: messages, writes and reads, in host memory, and here in memory behind a dma-buf
# (tools/libfabric/fabtests/memory.c): VRAM that amdgpu drives, and udmabuf. The other side has host memory and no netgpu. A BAR
# under vfio-pci is not among them: who imports such a buffer cannot map it, and here the CPU puts payload into its place.
# lab: topology=switch,novram,radeon
# lab: source=libfabric
# lab: timeout=900
# lab: more=700
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/../../selftests/gpu.sh"
. "$(dirname "$0")/../libfabric/fabtests/fabtests.sh"
PATH=$PATH:$top/build/tools:$top/build/fabtests
need_netif
gpu_load
[ -x "$top/build/fabtests/fi_msg" ] || skip_all "fabtests are not built: libfabric's source could not be fetched"

# runfabtests.sh reaches both hosts by ssh: here, and across the cable.
bin=$(mktemp -d)
undo rm -rf "$bin"
cat >"$bin/ssh" <<'S'
#!/bin/bash
while [ "${1#-}" != "$1" ]; do [ "$1" != -o ] || shift; shift; done
host=$1
shift
here=$(dirname "$0")
listens() {
	ss -Hltn | grep -q "$LOCAL_V4:"
}
waits() { # COMMAND...: for 20 seconds
	for _ in $(seq 200); do
		"$@" && return
		sleep 0.1
	done
	return 1
}
silent() {
	! listens
}
case $*,$host in
*"kill -9"*,$LOCAL_V4) # all that is named fi_*: here what was started here
	for group in $(cat "$here/groups" 2>/dev/null); do kill -9 -- "-$group" 2>/dev/null; done
	rm -f "$here/groups"
	exit ;;
*"kill -9"*) # there it has ended, and its time is limited
	exit ;;
esac
if [ "$host" = "$LOCAL_V4" ]; then
	rm -f "$here/ready"
	waits silent || echo "what was there before still listens"
	: >"$here/ready"
	echo $$ >>"$here/groups" # timeout leads one, which outlives it when it is killed
	exec bash -c "$FAB_LOCAL exec timeout 120 $*"
fi
# The side here has been started a second ago, and listens when its memory is there.
waits test -e "$here/ready" && waits listens
rm -f "$here/ready"
exec remote "PATH=\$PATH:\$PWD/build/fabtests FI_PROVIDER_PATH=\$PWD/build/tools timeout 120 $*"
S
chmod +x "$bin/ssh"
PATH=$bin:$PATH
export LOCAL_V4 REMOTE_V4
hosts=("$LOCAL_V4" "$REMOTE_V4")
excluded=$bin/exclude

# runs NAME LEAST ARGUMENTS...
runs() {
	local name=$1 least=$2
	fab_run "$name" "${@:3}" -T 120
	ktap_ok "$name: $fab_passed passed, all that are not excluded" $((fab_wrong > 0 || fab_passed < least))
}

ktap_plan $((MORE ? 9 : 7))
freed_without_network
export FAB_LOCAL=
cp "$top/tools/libfabric/fabtests/exclude" "$excluded"
# Of each kind one; all of them are in fabtests.sh. What goes to and fro ten thousand times takes minutes here, and multi_ep
# wants more memory than the machine has; so do the others, if 64 messages are to be under way.
printf '%s\n' ' -U' ' -Q' multi_ep threading atomic '-I 5$' inject_test recv_cancel unexpected >>"$excluded"
runs "host memory" 13 -t functional
printf '%s\n' rdm >>"$excluded"
[ -z "$MORE" ] || runs "host memory, more bytes" 2 -t short -C "-W 2" -L "-W 2"

ktap_run "netgpu setup" netgpu setup "$NETIF" --queue 1 --all-flows
undo netgpu reset "$NETIF"
pci=$(basename "$(readlink "/sys/class/net/$NETIF/device")")
FI_NETGPU_DEVICE=$NETIF fi_info -p netgpu -v | awk '/fi_nic:/ { nic = 1 } nic' | grep -q "bus: PCI $pci"
ktap_ok "programs are told which network device it is: $pci" $?
cat "$top"/tools/libfabric/fabtests/exclude{,-device} >"$excluded"
export FAB_LOCAL="FI_NETGPU_DEVICE=$NETIF FT_MEMORY=$node"
[ -z "$MORE" ] || runs "into and out of ${node##*/}" 7 -t short -C "-W 2" -L "-D synapseai -R -W 2"
# Those that look at each byte, and writes and reads; with a DMA engine a write is enough.
printf '%s\n' pingpong 'msg_bw -I 5$' >>"$excluded"
[ -n "$MORE" ] || runs "into and out of ${node##*/}" 4 -t short -C "-W 2" -L "-D synapseai -R -W 2"
export FAB_LOCAL="FI_NETGPU_DEVICE=$NETIF FT_MEMORY=udmabuf"
[ -z "$MORE" ] || runs "into and out of udmabuf" 4 -t short -C "-W 2" -L "-D synapseai -R -W 2"
export FAB_LOCAL="FI_NETGPU_DEVICE=$NETIF FT_MEMORY=$node FI_NETGPU_SDMA=$node"
[ -n "$MORE" ] || printf '%s\n' 'msg -o read' 'msg -o writedata' >>"$excluded"
runs "by a DMA engine" $((MORE ? 4 : 2)) -t short -C "-W 2" -L "-D synapseai -R -W 2"

# by_engine: all that a program receives, but what came with control messages, an engine of the GPU has moved to its place
by_engine() {
	local server status
	env FI_NETGPU_DEVICE="$NETIF" FT_MEMORY="$node" FI_NETGPU_SDMA="$node" FI_LOG_LEVEL=info FI_LOG_PROV=netgpu \
		timeout 120 fi_msg_bw -e msg -p netgpu -s "$LOCAL_V4" -S 65536 -I 64 -D synapseai -R >"$tmp/server" 2>&1 &
	server=$!
	wait_for 20 sh -c 'ss -Hltn | grep -q "$LOCAL_V4:"' &&
		remote "PATH=\$PATH:\$PWD/build/fabtests FI_PROVIDER_PATH=\$PWD/build/tools timeout 120 fi_msg_bw -e msg -p netgpu -S 65536 -I 64 $LOCAL_V4"
	status=$?
	wait "$server" || status=1
	grep payload "$tmp/server"
	[ "$status" -eq 0 ] && grep -q 'in place 0, moved \([1-9][0-9]*\), of it by a DMA engine \1 bytes' "$tmp/server"
}
ktap_run "all of it was moved by the engine" by_engine
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
ktap_end

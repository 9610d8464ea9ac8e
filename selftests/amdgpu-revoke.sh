#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The GPU is unbound, reset, or unplugged while data flows into its VRAM: the NIC stops first, receives end with ENODEV, and
# both devices work afterwards. It is reset by hand, and because of a job that hangs with the buffer. netgpu bench that sends
# out of its VRAM hears of it, too.
# lab: long=region-revoke,revoke-outside
# lab: kernel=netgpu
# lab: topology=switch,novram,radeon
# lab: timeout=300
# lab: console=trn=2 ACK should not be sent|ring sdma. timeout
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
. "$(dirname "$0")/gpu.sh"
need netgpu queue
need_programs gpu_bind_tx
need_remote iperf3
. "$(dirname "$0")/gpu-revoke.sh"

# dmabuf PID: the descriptor of its dma-buf
dmabuf() {
	local fd
	for fd in "/proc/$1/fd"/*; do
		[[ $(readlink "$fd") != /dmabuf:* ]] || { echo "${fd##*/}"; return; }
	done
}

# reset_ms: how long the last reset took
reset_ms() {
	dmesg | sed -n 's/^\[ *\([0-9]*\)\.\([0-9]\{3\}\).*GPU reset\( begin\|([0-9]*) succeeded\).*/\1\2/p' | tail -n 2 |
		{ read -r begin && read -r end && echo $((10#$end - 10#$begin)); }
}

need_programs netgpu ss
gpu_receives
gpu_may_be_taken || skip_all "it takes the GPU away: only with GPU_DESTRUCTIVE=1"

ktap_plan 42
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
[ -z "$LAB_GPU" ] || flood_start

flowing reset -r
gpu_debugfs amdgpu_gpu_recover >/dev/null
ends reset
works reset

if [ -n "$LAB_GPU" ]; then
	# A job with the buffer hangs, and the reset that ends it takes a while, in which others want to map VRAM.
	flowing hang -r
	while [ ! -e "$tmp/enough" ]; do
		zcrx_recv -i "$NETIF" -q 0 -m "gpu:$node" -s $((1 << 20)) -r -P -w -t $((60 * slower))
	done >"$tmp/others" 2>&1 &
	others=$!
	wait_for 20 grep -q '^listening' "$tmp/others"
	rm -f "$tmp/go"
	mkfifo "$tmp/go"
	exec 8<>"$tmp/go"
	amdgpu -d "$node" use "$receiver" "$(dmabuf "$receiver")" <&8 8<&- >"$tmp/use" 2>&1 &
	user=$!
	wait_for 20 grep -q '^ready' "$tmp/use"
	gpu_control stall sdma0 >/dev/null && gpu_control stall sdma1 >/dev/null && gpu_control reset takes $((1000 * slower)) >/dev/null
	dmesg -C
	echo >&8
	wait $user
	exec 8<&-
	[ -n "$(said use result)" ] && [ "$(said use result)" != 0 ]
	status=$?
	ktap_ok "hang: a job with the buffer hangs, and ends with $(said use result)" $status
	[ $status -eq 0 ] || sed "s/^/# /" "$tmp/use"
	wait_for 30 eval "dmesg | grep -q 'GPU reset([0-9]*) succeeded'" && took=$(reset_ms) && [ "$took" -lt $((4500 * slower)) ]
	ktap_ok "hang: the reset does not wait for it, and took $took ms" $?
	touch "$tmp/enough"
	grep -q '^error EAGAIN' "$tmp/others" && grep -q '^state revoked' "$tmp/others"
	ktap_ok "hang: others are told to unmap, and cannot map again before it is over" $?
	pkill -P $others
	wait $others
	gpu_control reset takes 0 >/dev/null
	ends hang
	works hang
else
	for ((i = 0; i < 9; i++)); do ktap_skip "hang" "only the emulated GPU hangs on demand"; done
fi

flowing unbind -r
echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/unbind
ends unbind
echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/bind
works unbind

# netgpu bench sends out of VRAM meanwhile.
sent() { # BYTES: have gone out by that port
	local bytes
	bytes=$(ss -Htin sport = :5201 | grep -o 'bytes_acked:[0-9]*' | sort -t : -k 2n | tail -n 1)
	[ "${bytes#*:}" -gt "$1" ] 2>/dev/null
}
netgpu bench --server --iface "$NETIF" --queue 1 --gpu "$node" --region-size 16M --port 5201 >"$tmp/server" 2>&1 </dev/null &
server=$!
wait_for 20 eval 'ss -Hltn sport = :5201 | grep -q .'
client=$(remote -b timeout 60 iperf3 -c "$LOCAL_V4" -p 5201 -R -t 50)
wait_for 20 sent $((4 << 20))
ktap_ok "bench: it sends out of VRAM" $?
echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/unbind
wait_for 20 eval '! kill -0 $server 2>/dev/null' || kill -KILL $server
wait $server
status=$?
[ $status = 1 ] && grep -q 'was taken back by its exporter' "$tmp/server"
status=$?
ktap_ok "bench: it ends with 1, and says that the memory was taken back" $status
[ $status -eq 0 ] || sed "s/^/# /" "$tmp/server"
remote -w "$client" >"$tmp/client" 2>&1
[ $? = 1 ] && ! grep -q 'iperf Done' "$tmp/client"
ktap_ok "bench: so does its client, before its time" $?
echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/bind
works bench

flowing dmabuf
gpu_debugfs amdgpu_gpu_recover >/dev/null
ends dmabuf

if [ -n "$LAB_GPU" ]; then
	flowing unplug -r
	remote qmp device_del '{"id": "radeon"}' >/dev/null
	ends unplug
	gone unplug
	plug_again radeon
	works unplug
else
	for ((i = 0; i < 8; i++)); do ktap_skip "unplug" "only the emulated GPU"; done
fi

# Those who send from VRAM may not hear that they have to unmap: it is no use to wait for them, least for one after the other.
gpu_bind_tx "$node" "$NETIF" 5 "$tmp/sending" >"$tmp/bind-tx" 2>&1 &
sending=$!
wait_for 20 grep -q '^holding' "$tmp/bind-tx"
status=$?
ktap_ok "senders: $(said bind-tx bound) small buffers are bound for sending" $status
begin=${EPOCHREALTIME/./}
echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/unbind
took=$(((${EPOCHREALTIME/./} - begin) / 1000))
[ $took -lt $((4500 * slower)) ]
ktap_ok "senders: the GPU is unbound after $took ms" $?
rm -f "$tmp/sending"
wait $sending
dmesg -C
echo "$GPU_PCI" >/sys/bus/pci/drivers/amdgpu/bind
works senders
ktap_end

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # driver is that of who sources this
# Data is sent out of the VRAM of the emulated GPU that $driver drives, by each way there is: what arrives is right, nothing was
# copied, and the GPU can be taken away in the middle. The demo is the proof that it is VRAM which is read (demo-$driver).

. "$(dirname "$0")/send.sh"
need netgpu queue
need_programs zc_send
need_lab_gpu_of "$driver"
need_remote pattern_recv
ktap_plan 12
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
for way in registered vector cmsg; do
	arrives stream -w $way -m "gpu:$node" -s $((4 << 20))
	ktap_ok "$way: from VRAM" $?
done
bytes=$((4104 * 256)) arrives stream -m "gpu:$node" -s $((4 << 20)) -l 4104
ktap_ok "in parts of 4104 bytes" $?
arrives stream -m "gpu:$node" -s $((4 << 20)) -R
ktap_ok "from a region that is for receiving, too" $?
nothing_left
ktap_ok "nothing is left" $?

dmesg -C
revoked gone -m "gpu:$node" -s $((4 << 20)) -x unbind
status=$?
ktap_ok "unbind: the GPU's driver has let it go after $(said gone revoke_us) us, ENODEV and a reset" $status
[ "$(said gone notif_error)" = ENODEV ] && ! dmesg | grep 'were told to unmap'
ktap_ok "unbind: what was pending says so, and no mapping was left behind" $?
nothing_left && ordinary_traffic
ktap_ok "unbind: nothing is left, ordinary traffic" $?
echo "$GPU_PCI" >"/sys/bus/pci/drivers/$driver/bind"
gpu_node
ktap_ok "bound again, it has a render node" $?
arrives stream -m "gpu:$node" -s $((4 << 20))
ktap_ok "and a new region is sent from" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A program written for Linux's devmem TCP does not notice netgpu, but for what it gains: the same table on a kernel with it
# and (devmem-answers-upstream.sh) without.
# lab: kernel=netgpu
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need queue vram
need_programs devmem_answers devmem_recv
. "$(dirname "$0")/devmem.sh"

[ -c /dev/udmabuf ] || skip_all "there is no /dev/udmabuf"
limit=/proc/sys/net/netgpu/max_pinned_bytes
if [ -e $limit ]; then
	gains="0"
	# For those who make regions, not for these.
	undo eval "echo $(cat $limit) >$limit"
	echo 4096 >$limit
else
	gains="EOPNOTSUPP Failed to bind dmabuf to device"
fi

cat >"$tmp/expected" <<END
rx: no file: EBADF
rx: no dma-buf: EINVAL
rx: no interface: ENODEV
rx: an interface without such queues: EOPNOTSUPP
rx: no queue: EINVAL
rx: buffers of 5000 bytes: EINVAL rx-page-size must be a power of 2
rx: buffers of 64 KiB in memory of single pages: EINVAL dmabuf sg entry (...
tx: no file: EBADF
tx: no dma-buf: EINVAL
tx: no interface: ENODEV
tx: an interface that cannot: EOPNOTSUPP Driver does not support netmem TX
rx: 0
rx: the same queue again: EEXIST designated queue already memory provider bound
rx: the same memory, another queue: 0
tx: the same memory: 0
tx: the same memory again: 0
rx: after all that: 0
rx: nobody: EPERM
tx: nobody: 0
rx: memory that insists on peer-to-peer: $gains
tx: memory that insists on peer-to-peer: EOPNOTSUPP Failed to bind dmabuf to device
END

ktap_plan $(($(wc -l <"$tmp/expected") + 7))
vram_bind
freed_without_network
steer_to_queue 1
ktap_ok "queue 1 splits headers and receives all flows" $?
devmem_answers "$NETIF" "vfio:$VRAM_PCI" >"$tmp/answers" 2>&1
ktap_ok "the situations are gone through" $?
sed 's/^/# /' "$tmp/answers"
while read -r line; do
	grep -qxF "$line" "$tmp/answers"
	ktap_ok "$line" $?
done <"$tmp/expected"
ordinary_traffic
ktap_ok "ordinary traffic afterwards" $?

receive_with=devmem_recv
memory=udmabuf
hold kept
ktap_ok "a socket has data queued" $?
nic_goes
more kept
status=$?
ktap_ok "the NIC goes: the data can be had all the same, and is no error ($(said kept more))" $status
let_all_go kept
ktap_ok "the receiver ends" $?
nic_comes && ordinary_traffic
ktap_ok "the NIC is back, with ordinary traffic" $?
ktap_end

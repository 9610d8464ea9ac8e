/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR MIT) */
/*
 * netgpu: TCP payload straight into and out of device memory.
 *
 * A region is a dma-buf, or a page-aligned part of one, attached, pinned and
 * mapped for the DMA device of one receive queue, or of what a network device
 * sends by.  It is made on /dev/netgpu and is itself a file descriptor: closing it
 * releases the memory, of a region that was sent from a moment later, when what is
 * on its way has been acknowledged. poll() reports POLLHUP once the exporter has taken the
 * memory back.
 *
 * To receive into it, an area of an io_uring zero-copy receive queue names its
 * descriptor.  To send from it, a ring has it as a registered buffer: see
 * &struct netgpu_uring_buffer.
 *
 * Every struct of an ioctl may grow at its end.  A caller passes the size it was
 * built with in the ioctl number.  What the kernel does not know, at the end or
 * as a bit of a flag, must be zero; fields marked "out" are not read.
 */
#ifndef _UAPI_LINUX_NETGPU_H
#define _UAPI_LINUX_NETGPU_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define NETGPU_IOC_MAGIC	0xBB

/**
 * enum netgpu_region_flags - flags of &struct netgpu_region_create
 * @NETGPU_REGION_REQUIRE_P2P: fail with EXDEV instead of accepting a region
 *	of which it is not known that DMA ends in device memory.
 * @NETGPU_REGION_RX: a queue will receive into the region.
 * @NETGPU_REGION_TX: it will be sent from, by all queues of the network device.
 */
enum netgpu_region_flags {
	NETGPU_REGION_REQUIRE_P2P	= 1 << 0,
	NETGPU_REGION_RX		= 1 << 1,
	NETGPU_REGION_TX		= 1 << 2,
};

/**
 * enum netgpu_placement - where DMA to a region ends
 * @NETGPU_PLACEMENT_UNKNOWN: at least one address is neither that of system
 *	memory nor inside of a BAR, and none is that of system memory.
 * @NETGPU_PLACEMENT_HOST: at least one page of the region is system memory.
 * @NETGPU_PLACEMENT_DEVICE: all of the region is memory in the BAR of a PCI
 *	device, reached peer-to-peer.
 */
enum netgpu_placement {
	NETGPU_PLACEMENT_UNKNOWN	= 0,
	NETGPU_PLACEMENT_HOST		= 1,
	NETGPU_PLACEMENT_DEVICE		= 2,
};

/**
 * enum netgpu_path - the way DMA takes to a region
 * @NETGPU_PATH_UNKNOWN: not found out, or of mixed kind.
 * @NETGPU_PATH_HOST: to system memory.
 * @NETGPU_PATH_SWITCH: through PCI bridges that both devices are below; host
 *	bridge and IOMMU are not involved.
 * @NETGPU_PATH_HOST_BRIDGE: through the host bridge.
 * @NETGPU_PATH_IOMMU: through the host bridge, by addresses that the IOMMU
 *	translates.
 */
enum netgpu_path {
	NETGPU_PATH_UNKNOWN		= 0,
	NETGPU_PATH_HOST		= 1,
	NETGPU_PATH_SWITCH		= 2,
	NETGPU_PATH_HOST_BRIDGE		= 3,
	NETGPU_PATH_IOMMU		= 4,
};

/**
 * enum netgpu_copy_cause - why payload was in host memory and had to be copied
 * @NETGPU_COPY_HEADER: it was in the same buffer as its headers: a packet that
 *	the device found too small to split, or could not split.
 * @NETGPU_COPY_PAGE: it was in ordinary pages of the right queue: it arrived
 *	before the queue received into the region, or after.
 * @NETGPU_COPY_OTHER_QUEUE: it arrived on another queue, or device.
 */
enum netgpu_copy_cause {
	NETGPU_COPY_HEADER		= 0,
	NETGPU_COPY_PAGE		= 1,
	NETGPU_COPY_OTHER_QUEUE		= 2,
};

/**
 * enum netgpu_state - life of a region
 * @NETGPU_STATE_IDLE: mapped, no queue receives into it.
 * @NETGPU_STATE_BOUND: mapped, a queue receives into it, or it can be sent from.
 * @NETGPU_STATE_REVOKED: the exporter, the removal of the network device, or the
 *	system going to sleep has ended the region. It can only be closed.
 */
enum netgpu_state {
	NETGPU_STATE_IDLE		= 1,
	NETGPU_STATE_BOUND		= 2,
	NETGPU_STATE_REVOKED		= 3,
};

/**
 * struct netgpu_region_create - argument of NETGPU_IOC_REGION_CREATE
 * @dmabuf_fd: dma-buf to attach.
 * @flags: &enum netgpu_region_flags, with RX, TX, or both.
 * @offset: first byte of the region in the dma-buf; a multiple of the page
 *	size.
 * @length: bytes; a non-zero multiple of the page size.
 * @ifindex: network device, in the caller's network namespace.
 * @queue: with RX, receive queue of that device, 0 to its number of queues - 1;
 *	without, 0.
 * @msg_size: size in bytes of the buffer at @msg, 0 for none.
 * @msg: address of a buffer. When the call fails for a reason that has a
 *	sentence, or succeeds and the memory will not be the device's, the reason
 *	is stored here, cut to @msg_size, ending in NUL; otherwise an empty
 *	string is.
 * @placement: out, &enum netgpu_placement.
 * @resv: must be 0.
 *
 * The ioctl returns the region's file descriptor (close-on-exec), or -1 with
 * errno set:
 *
 * =============== ==========================================================
 * EPERM           RX, and no CAP_NET_ADMIN over the device's network namespace, or
 *                 the dma-buf's exporter is a proprietary module; @msg says which
 * EINVAL          unknown bit in @flags, or neither RX nor TX; @queue is not 0
 *                 without RX; the device does not split headers from data
 * EBADR           @resv is not zero
 * EMSGSIZE        struct shorter than its first version (64 bytes)
 * E2BIG           struct longer than the kernel's, and not zero there
 * EBADF           @dmabuf_fd is not open
 * EMEDIUMTYPE     @dmabuf_fd is not a dma-buf
 * ENODATA         @length is zero
 * EDOM            @offset or @length is not a multiple of the page size
 * EOVERFLOW       @offset + @length overflows
 * ERANGE          the range ends after the end of the dma-buf, or @queue is out
 *                 of range; @msg says which
 * ENODEV          no device @ifindex in this network namespace, or the
 *                 memory has already been revoked
 * EOPNOTSUPP      RX, and the driver cannot change a single queue's memory; TX, and
 *                 it cannot send what the CPU cannot read, or does not say when the
 *                 device has read it; both, and another device sends than receives;
 *                 or the exporter does not take this kind of importer
 * EEXIST          an XDP program is attached to the device
 * EBUSY           the queue is leased to another device
 * EXDEV           NETGPU_REGION_REQUIRE_P2P, and device memory is not in reach,
 *                 or it is not known whether it is
 * EDQUOT          the caller's user would have pinned more than the sysctl
 *                 net.netgpu.max_pinned_bytes allows; a dma-buf counts with
 *                 its whole size, once per user
 * EAGAIN          the system goes to sleep
 * ENOMEM, EMFILE  as usual
 * EINTR           a signal, while the exporter was being waited for; where its
 *                 handler was installed with SA_RESTART, the call goes on
 * =============== ==========================================================
 *
 * Other values come from the exporter of the dma-buf.
 */
struct netgpu_region_create {
	__s32	dmabuf_fd;
	__u32	flags;
	__aligned_u64 offset;
	__aligned_u64 length;
	__u32	ifindex;
	__u32	queue;
	__aligned_u64 msg;
	__u32	msg_size;
	__u32	placement;
	__aligned_u64 resv[2];
};

#define NETGPU_REGION_CREATE_SIZE_VER0	64

/**
 * struct netgpu_region_query - argument of NETGPU_IOC_REGION_QUERY
 * @flags: must be 0.
 * @region_flags: out, &enum netgpu_region_flags, as created.
 * @offset: out, bytes, as created.
 * @length: out, bytes, as created.
 * @ifindex: out, network device the region was made for.
 * @queue: out, receive queue the region was made for.
 * @state: out, &enum netgpu_state.
 * @placement: out, &enum netgpu_placement.
 * @path: out, &enum netgpu_path.
 * @distance: out, how far apart the devices are, counted in PCI bridges and
 *	links between them as the kernel does (2 means below the same bridge);
 *	-1 when it is not known.
 * @exporter: out, name that the exporter of the dma-buf goes by, cut to 31
 *	bytes, ending in NUL.
 * @copied_header_bytes: out, bytes of payload that the CPU had to copy into the
 *	region since it was created, because of NETGPU_COPY_HEADER.
 * @copied_page_bytes: out, the same, because of NETGPU_COPY_PAGE.
 * @copied_other_queue_bytes: out, the same, because of NETGPU_COPY_OTHER_QUEUE.
 * @copy_refused_bytes: out, bytes that it could not copy, because the exporter
 *	does not let the CPU at the memory (no vmap). Receives that met them
 *	have ended with EOPNOTSUPP.
 * @unverified_packets: out, packets that were received into the region and dropped,
 *	because the device has not verified their checksum, and the CPU cannot:
 *	IP fragments, packets in tunnels or with IPv6 extension headers.
 *
 * Errors: EINVAL when @flags is not 0, EMSGSIZE when the struct is shorter than
 * its first version (120 bytes), E2BIG as in NETGPU_IOC_REGION_CREATE.
 */
struct netgpu_region_query {
	__u32	flags;
	__u32	region_flags;
	__aligned_u64 offset;
	__aligned_u64 length;
	__u32	ifindex;
	__u32	queue;
	__u32	state;
	__u32	placement;
	__u32	path;
	__s32	distance;
	char	exporter[32];
	__aligned_u64 copied_header_bytes;
	__aligned_u64 copied_page_bytes;
	__aligned_u64 copied_other_queue_bytes;
	__aligned_u64 copy_refused_bytes;
	__aligned_u64 unverified_packets;
};

#define NETGPU_REGION_QUERY_SIZE_VER0	120

/**
 * struct netgpu_probe - argument of NETGPU_IOC_PROBE
 * @dmabuf_fd: as in &struct netgpu_region_create, like the following.
 * @flags: see there.
 * @offset: see there.
 * @length: see there.
 * @ifindex: see there.
 * @queue: see there.
 * @msg: see there.
 * @msg_size: see there.
 * @placement: out, as in &struct netgpu_region_query, like the following.
 * @path: out, see there.
 * @distance: out, see there.
 * @buffer_size: out, the largest size in bytes of a buffer that the driver of the
 *	network device and the range allow, a power of 2 from the page size on: what
 *	&io_uring_zcrx_ifq_reg.rx_buf_len may be, where 0 stands for the page size,
 *	which not every driver takes as a number; 0 when there would be no region,
 *	or the driver does not say now.
 * @resv0: must be 0.
 * @resv: must be 0.
 *
 * Would NETGPU_IOC_REGION_CREATE with the same arguments succeed, and a queue
 * be able to receive into the region? A region is made and given back at once:
 * where the exporter has to move the memory for the device to reach it, it may
 * do so.
 *
 * The ioctl returns 0, or -1 with errno set and the reason in @msg, as
 * NETGPU_IOC_REGION_CREATE does, and EBUSY when the range is being received
 * into already. Where the placement is not device memory, @msg says why, too.
 * Placement, path and distance are 0, 0 and -1 when there would be no region.
 */
struct netgpu_probe {
	__s32	dmabuf_fd;
	__u32	flags;
	__aligned_u64 offset;
	__aligned_u64 length;
	__u32	ifindex;
	__u32	queue;
	__aligned_u64 msg;
	__u32	msg_size;
	__u32	placement;
	__u32	path;
	__s32	distance;
	__u32	buffer_size;
	__u32	resv0;
	__aligned_u64 resv;
};

#define NETGPU_PROBE_SIZE_VER0		72

/**
 * struct netgpu_query - argument of NETGPU_IOC_QUERY
 * @flags: must be 0.
 * @resv: must be 0.
 * @regions: out, number of regions that were made in the caller's network
 *	namespace, also by receive paths.
 * @mapped_bytes: out, their bytes, without those that have ended.
 * @pinned_bytes: out, bytes that are charged to the caller's user.
 * @max_pinned_bytes: out, most that may be, the sysctl
 *	net.netgpu.max_pinned_bytes.
 *
 * Errors: EINVAL when @flags is not 0, EBADR when @resv is not, EMSGSIZE when the
 * struct is shorter than its first version (40 bytes), E2BIG as in
 * NETGPU_IOC_REGION_CREATE.
 */
struct netgpu_query {
	__u32	flags;
	__u32	resv;
	__aligned_u64 regions;
	__aligned_u64 mapped_bytes;
	__aligned_u64 pinned_bytes;
	__aligned_u64 max_pinned_bytes;
};

#define NETGPU_QUERY_SIZE_VER0		40

/* On /dev/netgpu. */
#define NETGPU_IOC_REGION_CREATE \
	_IOWR(NETGPU_IOC_MAGIC, 0x00, struct netgpu_region_create)

#define NETGPU_IOC_PROBE \
	_IOWR(NETGPU_IOC_MAGIC, 0x01, struct netgpu_probe)

#define NETGPU_IOC_QUERY \
	_IOWR(NETGPU_IOC_MAGIC, 0x02, struct netgpu_query)

/* On a region. */
#define NETGPU_IOC_REGION_QUERY \
	_IOWR(NETGPU_IOC_MAGIC, 0x10, struct netgpu_region_query)

/*
 * Flag in struct io_uring_zcrx_area_reg::flags, together with
 * IORING_ZCRX_AREA_DMABUF: dmabuf_fd is a region instead of a dma-buf, addr is
 * 0 and len the length of the region. The highest bit, so that it cannot meet
 * one of io_uring's own.
 */
#define NETGPU_ZCRX_AREA_REGION		0x80000000U

/*
 * Flag in struct io_uring_zcrx_area_reg::flags, together with
 * NETGPU_ZCRX_AREA_REGION: user space has the buffers of this area from the
 * beginning, as if completions had told of each. The network device gets one
 * when it is returned in the refill ring, in the order of the ring, and not
 * again before it has been returned once more. So user space knows what the
 * device will put into which buffer, as far as it knows what will arrive.
 *
 * A completion does not say that the device has done with all of a buffer: some
 * drivers put several packets into one.
 *
 * A buffer that comes back unused, of a packet that was dropped for one, goes
 * nowhere until NETGPU_ZCRX_CTRL_TAKE_BACK; the driver's own cache may use it
 * again before.
 *
 * Payload that came in on another queue is not copied into any area then: the
 * receive ends with ENOMEM, and it can be read from the socket.
 */
#define NETGPU_ZCRX_AREA_HELD		0x40000000U

/*
 * enum zcrx_ctrl_op: user space has buffers of an area with
 * NETGPU_ZCRX_AREA_HELD again that came back unused.
 */
#define NETGPU_ZCRX_CTRL_TAKE_BACK	0x80000000U

/* Restart the queue before, so that the device lets go of all that it has. */
#define NETGPU_ZCRX_TAKE_BACK_RESTART	0x1U

/**
 * struct netgpu_zcrx_take_back - in struct zcrx_ctrl, behind __resv
 * @area: the area's number: its rq_area_token >> IORING_ZCRX_AREA_SHIFT.
 * @flags: NETGPU_ZCRX_TAKE_BACK_*.
 * @indices: address of an array of __u32 for the buffers' numbers in the area,
 *	counted from 0.
 * @count: in: how many fit there. Out: how many there are; as many as fit when
 *	there may be more.
 * @resv: must be 0.
 *
 * What waits in the refill ring is not looked at: ZCRX_CTRL_FLUSH_RQ before has
 * that come back, too. With NETGPU_ZCRX_TAKE_BACK_RESTART packets that the
 * device has received and the driver has not are lost, and sent again.
 *
 * =============== ==========================================================
 * EFAULT          @indices cannot be written to: buffers whose numbers could
 *                 not be stored were not taken back
 * EINVAL          no such area; it is not held; flags or reserved fields
 * ENODEV          the queue is closed
 * EOPNOTSUPP      the queue is leased from another device
 * =============== ==========================================================
 *
 * and what the driver says when it cannot restart its queue, when nothing has
 * been taken back.
 */
struct netgpu_zcrx_take_back {
	__u32	area;
	__u32	flags;
	__u64	indices;
	__u32	count;
	__u32	resv[7];
};

/*
 * Flag in struct io_uring_zcrx_ifq_reg::flags: one completion tells of as much
 * of the stream as lies in order, and one refill entry returns as much.
 *
 * A completion with IORING_CQE_F_MORE has struct netgpu_zcrx_cqe behind it. Its
 * res is the number of bytes. An entry of the refill ring returns every buffer
 * of which off and len touch a byte (off only, when len is 0), once: what a
 * completion has told of is returned from its first byte to its last, at once
 * or in parts that end where buffers end. An entry that reaches beyond the end
 * of its area is ignored.
 *
 * With ZCRX_REG_IMPORT it is set if, and only if, it was when the ifq was made.
 */
#define NETGPU_ZCRX_REG_MERGE		0x80000000U

/**
 * struct netgpu_zcrx_cqe - a completion of a queue with NETGPU_ZCRX_REG_MERGE
 * @off: where the first byte is, as in struct io_uring_zcrx_cqe.
 * @piece: bytes that follow each other without a gap; no more than res.
 * @stride: from the start of one piece to the start of the next, in bytes, more
 *	than @piece and no more than a buffer has; 0 when there is one piece.
 *
 * Byte i of the completion is at off + i / piece * stride + i % piece. The last
 * piece may be shorter than the others.
 */
struct netgpu_zcrx_cqe {
	__u64	off;
	__u32	piece;
	__u32	stride;
};

/*
 * Event type of io_uring zero-copy receive, for the type_mask of its event
 * descriptor: the exporter of an area has taken the memory back, or its
 * network device has gone away. Posted once; receives end with ENODEV.
 */
#define NETGPU_ZCRX_EVENT_REVOKED	31

/**
 * struct netgpu_uring_buffer - &io_uring_sqe.cmd of IORING_OP_URING_CMD on a region
 * @index: of a buffer in the ring's table, see io_uring_register_buffers_sparse(3).
 * @flags: must be 0.
 * @resv: must be 0.
 *
 * &io_uring_sqe.cmd_op is one of:
 *
 * NETGPU_URING_BUFFER_REGISTER
 *	Register a region that was made for TX. IORING_OP_SEND_ZC and
 *	IORING_OP_SENDMSG_ZC with IORING_RECVSEND_FIXED_BUF send from it then, on
 *	TCP sockets whose connection goes out by the region's network device.
 *	Addresses are offsets into the region, in bytes.
 *
 * NETGPU_URING_BUFFER_UNREGISTER
 *	Take the buffer out of the table. What has been sent from it is still
 *	sent. Closing the ring, or the region, does the same.
 *
 * The completion of the command has in its result 0, or:
 *
 * =============== ==========================================================
 * EACCES          the region was not made for TX
 * ENODEV          the memory has been taken back
 * EINVAL          the ring's table does not have @index, or has nothing there to
 *                 unregister; @flags, or a flag of the command, is not 0
 * EBADR           @resv is not 0
 * EBUSY           the ring has another buffer there; to unregister: one of the
 *                 program's memory, not of a region
 * ENOTTY          unknown command
 * EOPNOTSUPP      this kernel does not send from regions
 * ENOMEM          as usual
 * =============== ==========================================================
 *
 * A send has two completions. The first says how many bytes were queued; it is
 * negative, beside what send(2) says, with
 *
 * =============== ==========================================================
 * EFAULT          not all of the range is in the region
 * EINVAL          SCM_DEVMEM_DMABUF is given, too
 * EOVERFLOW       a vector of more than 2 GiB
 * ENODEV          the memory has been taken back, or the connection goes out by
 *                 another network device
 * EOPNOTSUPP      the socket is not TCP, or what it sends is encrypted or looked
 *                 at by the kernel; or it is not connected yet (MSG_FASTOPEN); or
 *                 the network device has transmit checksums or scatter-gather
 *                 switched off
 * =============== ==========================================================
 *
 * The second, with IORING_CQE_F_NOTIF, comes when all of that has been acknowledged
 * by the peer, or the connection has ended: the memory may be written again. Its
 * result is as for other memory (IORING_NOTIF_USAGE_ZC_COPIED is never set), but
 * -ENODEV when the memory was taken back meanwhile. Some of it may not have been
 * sent then; if so, the connection has been reset. The order of these completions is
 * not that of the sends: those of sends that share a packet come together.
 */
struct netgpu_uring_buffer {
	__u32	index;
	__u32	flags;
	__aligned_u64 resv;
};

#define NETGPU_URING_BUFFER_REGISTER	1
#define NETGPU_URING_BUFFER_UNREGISTER	2

#endif /* _UAPI_LINUX_NETGPU_H */

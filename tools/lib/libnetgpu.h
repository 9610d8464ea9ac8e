/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * libnetgpu: TCP payload from a network device straight into the memory of a
 * GPU, and straight out of it.
 *
 *   memory   what data shall land in, or come from: a BAR of a PCI device, a
 *            dma-buf, host memory
 *   region   a part of a memory, attached to the DMA device of one receive
 *            queue, or of what a device sends by (needs /dev/netgpu)
 *   queue    zero-copy receive from that queue, and sending, on io_uring
 *
 * Functions that return int return 0 (or a count) on success and a negative
 * errno on failure; netgpu_error() then has a sentence about it. A queue, with its
 * connections, is used by one thread, but for netgpu_queue_return(). Anything
 * else may be used by several as long as none closes it.
 *
 * Objects may be closed in any order: what another needs stays until that is
 * closed, too.
 *
 * Structures end in fields for what is to come. Those that the caller fills in
 * must be zero there, as in all that is not needed: { 0 } is a good start.
 */
#ifndef LIBNETGPU_H
#define LIBNETGPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct io_uring;
struct io_uring_cqe;
struct netgpu_memory;
struct netgpu_region;
struct netgpu_queue;
struct netgpu_conn;

/**
 * netgpu_error - why this thread's last call failed, as a sentence
 *
 * Of those that return an int. Where the kernel gave the reason in words, the
 * sentence has them. Empty when the call has not failed; never NULL, and valid until the
 * thread's next call.
 */
const char *netgpu_error(void);

/**
 * netgpu_error_set - for libraries that are built on this one: have a sentence of theirs said by netgpu_error()
 * @error: what is returned.
 * @format: of the sentence, as printf(3) has it; NULL: none.
 */
int netgpu_error_set(int error, const char *format, ...)
#ifdef __GNUC__
	__attribute__((format(printf, 2, 3)))
#endif
	;

/** netgpu_version - version of the library, "MAJOR.MINOR" */
const char *netgpu_version(void);

/* ------------------------------------------------------------- memory */

/**
 * netgpu_memory_open - get hold of the memory of a GPU, or what stands in
 * @spec: one of
 *	"/dev/dri/renderDN": the own memory of a GPU that amdgpu, i915,
 *	nouveau or xe drives, where the CPU and other devices reach it;
 *	"vfio:DDDD:BB:DD.F[,bar=N][,offset=BYTES]": a BAR of a PCI device that
 *	is bound to vfio-pci; without bar=, its largest 64-bit prefetchable
 *	BAR, or failing that the largest;
 *	"dmabuf-fd:N": a dma-buf that this process has open as N;
 *	"udmabuf": host memory behind a dma-buf (needs /dev/udmabuf);
 *	"host": host memory as it is.
 * @size: bytes; rounded up to the page size. 0: all of a BAR or dma-buf.
 * @memory: where the object is stored.
 *
 * Errors: EINVAL @spec is malformed, or @size is 0 where it must not be;
 * ENODEV no such PCI device; EBUSY it is not bound to vfio-pci, or in use;
 * ENOTTY no GPU; ENXIO one without memory of its own; EOPNOTSUPP one whose
 * driver is not known here;
 * ERANGE the BAR or the dma-buf is smaller; EBADF, EMEDIUMTYPE the descriptor
 * is not open or no dma-buf; EPERM, EACCES no right to it; ENOMEM; others as
 * the kernel gave them.
 */
int netgpu_memory_open(const char *spec, uint64_t size,
		       struct netgpu_memory **memory);

/**
 * netgpu_memory_import - use a dma-buf of the caller's, or a part of one
 * @fd: dma-buf; the library takes a duplicate.
 * @offset: first byte, a multiple of the page size.
 * @size: bytes from there, rounded up to the page size; 0 for all.
 * @memory: where the object is stored.
 *
 * Errors: EINVAL @offset; and as netgpu_memory_open().
 */
int netgpu_memory_import(int fd, uint64_t offset, uint64_t size,
			 struct netgpu_memory **memory);

/**
 * netgpu_memory_use - use host memory of the caller's
 * @address: a multiple of the page size.
 * @size: bytes, a multiple of it, not 0.
 * @memory: where the object is stored.
 *
 * It must stay mapped until the memory, and the queues that use it, are closed. Errors:
 * EINVAL, ENOMEM.
 */
int netgpu_memory_use(void *address, uint64_t size, struct netgpu_memory **memory);

/** netgpu_memory_close - let go of it; NULL is allowed */
void netgpu_memory_close(struct netgpu_memory *memory);

/**
 * netgpu_memory_map - address at which the CPU can read the memory
 * @memory: the memory.
 *
 * NULL where it cannot. Reads through it may be slow: a BAR is not cached.
 */
void *netgpu_memory_map(const struct netgpu_memory *memory);

/** netgpu_memory_size - bytes */
uint64_t netgpu_memory_size(const struct netgpu_memory *memory);

/** netgpu_memory_fd - the dma-buf, -1 for "host" */
int netgpu_memory_fd(const struct netgpu_memory *memory);

/** netgpu_memory_fd_offset - where in the dma-buf it begins, bytes */
uint64_t netgpu_memory_fd_offset(const struct netgpu_memory *memory);

/** netgpu_memory_offset - bytes from the start of the BAR, 0 if it is none */
uint64_t netgpu_memory_offset(const struct netgpu_memory *memory);

/** netgpu_memory_name - in words: "vfio 0000:03:00.0 BAR 2" */
const char *netgpu_memory_name(const struct netgpu_memory *memory);

/** netgpu_memory_is_device - it is known to be memory of a device */
bool netgpu_memory_is_device(const struct netgpu_memory *memory);

/* ------------------------------------------------------------- region */

/** Flags of struct netgpu_region_params. */
#define NETGPU_REQUIRE_P2P	(1u << 0)	/* refuse (EXDEV) what is not peer-to-peer */
#define NETGPU_RECEIVE		(1u << 1)	/* it is received into; so it is without NETGPU_SEND */
#define NETGPU_SEND		(1u << 2)	/* it is sent from */

/**
 * struct netgpu_region_params - how to make a region
 * @ifindex: network device, in the caller's network namespace
 * @queue: receive queue, counted from 0; 0 when it is for sending only
 * @flags: NETGPU_REQUIRE_P2P, NETGPU_RECEIVE, NETGPU_SEND
 * @resv0: zero
 * @offset: first byte in the memory, a multiple of the page size
 * @length: bytes, a multiple of it; 0 for what follows
 * @resv: zero
 */
struct netgpu_region_params {
	unsigned int ifindex;
	unsigned int queue;
	unsigned int flags;
	unsigned int resv0;
	uint64_t offset;
	uint64_t length;
	uint64_t resv[4];
};

enum netgpu_where {
	NETGPU_WHERE_UNKNOWN	= 0,
	NETGPU_WHERE_HOST	= 1,	/* at least a part is host memory */
	NETGPU_WHERE_DEVICE	= 2,	/* all of it is memory of a device */
};

enum netgpu_life {
	NETGPU_LIFE_IDLE	= 1,	/* no queue receives into it */
	NETGPU_LIFE_BOUND	= 2,
	NETGPU_LIFE_REVOKED	= 3,	/* the memory was taken back */
};

/**
 * struct netgpu_region_info - what the kernel knows of a region
 * @offset: bytes, in the dma-buf
 * @length: bytes
 * @ifindex: network device
 * @queue: receive queue
 * @where: &enum netgpu_where
 * @life: &enum netgpu_life
 * @exporter: who made the dma-buf
 * @resv: zero
 */
struct netgpu_region_info {
	uint64_t offset;
	uint64_t length;
	unsigned int ifindex;
	unsigned int queue;
	unsigned int where;
	unsigned int life;
	char exporter[32];
	uint64_t resv[4];
};

/**
 * netgpu_region_open - attach memory to a network device
 * @memory: must have a dma-buf.
 * @params: which device, and which part of the memory.
 * @region: where the object is stored.
 *
 * The memory stays pinned until netgpu_region_close(). Errors: ENOENT the
 * kernel has no /dev/netgpu; EINVAL the memory has no dma-buf, or a field of @params
 * is not known here; ERANGE the memory ends before; and those that
 * <linux/netgpu.h> lists for NETGPU_IOC_REGION_CREATE.
 */
int netgpu_region_open(struct netgpu_memory *memory,
		       const struct netgpu_region_params *params,
		       struct netgpu_region **region);

/** netgpu_region_close - release it; NULL is allowed */
void netgpu_region_close(struct netgpu_region *region);

/** netgpu_region_query - ask the kernel about it */
int netgpu_region_query(struct netgpu_region *region,
			struct netgpu_region_info *info);

/** netgpu_region_fd - its descriptor; poll() gives POLLHUP when revoked */
int netgpu_region_fd(const struct netgpu_region *region);

/**
 * struct netgpu_region_stats - what has not gone straight into the region since
 *	it was opened: payload that came in host memory, in bytes, and packets
 * @copied_header: copied into the region, as it was in one buffer with its
 *	headers
 * @copied_page: copied, as it was in ordinary pages of the right queue
 * @copied_other_queue: copied, as it came in on another queue, or device
 * @refused: not copied, as the exporter does not let the CPU at the memory
 * @unverified: packets that were dropped, as the network device had not verified
 *	their checksum, and the CPU cannot
 * @resv: zero
 */
struct netgpu_region_stats {
	uint64_t copied_header;
	uint64_t copied_page;
	uint64_t copied_other_queue;
	uint64_t refused;
	uint64_t unverified;
	uint64_t resv[3];
};

/**
 * netgpu_region_get_stats - ask the kernel for the counters
 * @region: the region.
 * @stats: where they are stored.
 *
 * A kernel that does not count says 0.
 */
int netgpu_region_get_stats(struct netgpu_region *region,
			    struct netgpu_region_stats *stats);

enum netgpu_way {
	NETGPU_WAY_UNKNOWN	= 0,
	NETGPU_WAY_HOST		= 1,	/* to host memory */
	NETGPU_WAY_SWITCH	= 2,	/* through PCI bridges above both */
	NETGPU_WAY_HOST_BRIDGE	= 3,
	NETGPU_WAY_IOMMU	= 4,	/* host bridge and IOMMU */
};

/**
 * struct netgpu_verdict - what a region would be like
 * @where: &enum netgpu_where
 * @way: &enum netgpu_way
 * @distance: how far apart the devices are, in PCI bridges and links between
 *	them; -1 when it is not known
 * @buffer_size: most that &netgpu_queue_params.buffer_size may be, in bytes; 0 when
 *	there would be no region, or the kernel does not say
 * @resv: zero
 * @sentence: why not, or why in host memory; empty where there is nothing to
 *	say
 */
struct netgpu_verdict {
	unsigned int where;
	unsigned int way;
	int distance;
	unsigned int buffer_size;
	unsigned int resv[4];
	char sentence[256];
};

/**
 * netgpu_probe - would netgpu_region_open() succeed, and with which placement?
 * @memory: as for netgpu_region_open().
 * @params: as for netgpu_region_open().
 * @verdict: filled in as far as things are known, whatever is returned.
 *
 * Nothing is pinned or bound. Errors: as netgpu_region_open(); EBUSY the
 * memory is being received into already; ENOTTY the kernel cannot probe.
 */
int netgpu_probe(struct netgpu_memory *memory,
		 const struct netgpu_region_params *params,
		 struct netgpu_verdict *verdict);

/* -------------------------------------------------------------- queue */

/** Flags of struct netgpu_queue_params. */
#define NETGPU_QUEUE_NODEV	(1u << 0)	/* no device: the kernel copies */
#define NETGPU_QUEUE_MERGE	(1u << 1)	/* a completion may be many pieces */
#define NETGPU_QUEUE_SEND_ONLY	(1u << 2)	/* nothing is received: no receive queue */

/**
 * struct netgpu_queue_params - how to open a queue; zero what is not needed
 * @ifindex: network device
 * @queue: receive queue, counted from 0
 * @flags: NETGPU_QUEUE_*
 * @cq_entries: completions that may wait, at most 32768; 0 for one per page
 *	of the memory, with NETGPU_QUEUE_MERGE no more than 2048 where the kernel
 *	merges. Each takes 32 bytes of host memory. When all wait, receiving
 *	pauses.
 * @rq_entries: completions that were returned and that the kernel has not
 *	looked at, at most 32768; 0 for the same number. Each takes 16 bytes.
 * @buffer_size: bytes of each buffer that the network device gets, a power of
 *	two; 0 for a page, which is the least. Larger ones save host memory.
 *	But one is free again when all of the packets in it have been returned:
 *	a caller that keeps one of them keeps all of the buffer.
 * @ring: an io_uring of the caller's to work on, see netgpu_queue_prepare(); NULL: the
 *	queue has one of its own
 * @buffers: with @ring, when regions are to be sent from: the first of 64 entries
 *	that the caller keeps free for the queue in the ring's table of buffers, see
 *	io_uring_register_buffers_sparse(3)
 * @resv: zero
 */
struct netgpu_queue_params {
	unsigned int ifindex;
	unsigned int queue;
	unsigned int flags;
	unsigned int cq_entries;
	unsigned int rq_entries;
	unsigned int buffer_size;
	struct io_uring *ring;
	unsigned int buffers;
	unsigned int resv[9];
};

/**
 * struct netgpu_queue_info - what a queue was opened with
 * @flags: those of NETGPU_QUEUE_* that are in force
 * @cq_entries: completions that may wait
 * @rq_entries: completions that may be returned before the kernel looks at them
 * @buffer_size: bytes of each buffer that the network device gets
 * @memories: how many there are
 * @resv: zero
 */
struct netgpu_queue_info {
	unsigned int flags;
	unsigned int cq_entries;
	unsigned int rq_entries;
	unsigned int buffer_size;
	unsigned int memories;
	unsigned int resv[11];
};

/**
 * struct netgpu_completion - something has happened on a connection
 * @conn: on which; NULL when it is about a descriptor of netgpu_queue_watch()
 * @user: the pointer that was given with the connection or descriptor
 * @memory: in which the data is; NULL when it is in none
 * @offset: of the data, bytes from the start of @memory;
 *	NETGPU_IN_HOST when the data is in none
 * @data: address at which the CPU can read the data, NULL if it cannot
 * @result: > 0: so many bytes of data; 0: end of the stream; < 0: the
 *	connection has failed with this negative errno. After a result <= 0
 *	nothing more comes.
 * @piece: bytes of the data that follow each other without a gap
 * @stride: bytes from the start of one piece to the start of the next; 0 when
 *	there is one, of @result bytes
 * @kind: &enum netgpu_kind. What the rest says of data that was received, it says
 *	with NETGPU_SENT of netgpu_conn_send(): @user, @offset and (as @piece) the
 *	length are what was given to it; @result is the length, or a negative errno
 *	when the kernel has not taken all of it, or the memory was taken away. The
 *	memory may be written again: the peer has acknowledged what was taken, or the
 *	connection has ended, which the next send, or receive, says.
 * @index: of @memory among those of the queue
 * @resv: zero
 *
 * Byte i is at @offset + i / @piece * @stride + i % @piece, and as far from
 * @data. Only with NETGPU_QUEUE_MERGE is there more than one piece; they are
 * equally long, but for the last, which may be shorter. Packets that leave a
 * gap at the end of their buffers make such data.
 *
 * Data in the memory stays there until netgpu_queue_return(). Data that
 * arrived elsewhere (@offset is NETGPU_IN_HOST) is lost with the next
 * netgpu_queue_wait(); it need not be returned, but may be.
 */
struct netgpu_completion {
	struct netgpu_conn *conn;
	void *user;
	struct netgpu_memory *memory;
	uint64_t offset;
	const void *data;
	int32_t result;
	uint32_t piece;
	uint32_t stride;
	uint16_t kind;
	uint16_t index;
	uint64_t resv;
};

enum netgpu_kind {
	NETGPU_RECEIVED		= 0,	/* or about a descriptor */
	NETGPU_SENT		= 1,
};

#define NETGPU_IN_HOST		UINT64_MAX

/**
 * struct netgpu_queue_stats - counters since the queue was opened
 * @completions: with data
 * @bytes: in them
 * @rearms: receives that ended because the completion queue was full, and
 *	were started anew
 * @flushes: times that the refill ring was full and had to be emptied
 * @alloc_failures: reports that no buffer was left for the network device
 * @copies: pieces that the kernel had to copy into the memory
 * @copy_bytes: bytes in them
 * @stray_bytes: bytes that came in host memory and that the kernel could not
 *	copy into the memory; handed out with NETGPU_IN_HOST
 * @send_copy_bytes: bytes of sends that the kernel had to copy, as over the loopback; none
 *	out of device memory, which nobody can copy
 * @resv: zero
 */
struct netgpu_queue_stats {
	uint64_t completions;
	uint64_t bytes;
	uint64_t rearms;
	uint64_t flushes;
	uint64_t alloc_failures;
	uint64_t copies;
	uint64_t copy_bytes;
	uint64_t stray_bytes;
	uint64_t send_copy_bytes;
	uint64_t resv[7];
};

/**
 * netgpu_queue_open - receive from a queue of a network device into memory
 * @params: which, and how.
 * @memory: where to; all of it, or what @region has of it.
 * @region: the same, attached; NULL: io_uring attaches the memory by itself.
 * @queue: where the object is stored.
 *
 * The calling thread is the one that must use the queue. Needs CAP_NET_ADMIN
 * and a queue whose packets have header and data split, but with
 * NETGPU_QUEUE_SEND_ONLY neither. Errors: EINVAL
 * parameters; EPERM; ENODEV no such device; EOPNOTSUPP the driver cannot do it;
 * ERANGE no such queue; EEXIST or EBUSY the queue is taken; ENOSYS the kernel has
 * no zero-copy receive; ENOMEM; others as the kernel gave them.
 */
int netgpu_queue_open(const struct netgpu_queue_params *params,
		      struct netgpu_memory *memory,
		      struct netgpu_region *region,
		      struct netgpu_queue **queue);

/**
 * netgpu_queue_close - end it; NULL is allowed
 * @queue: the queue.
 *
 * All data that was not looked at is lost. Connections are to be closed all the
 * same, before this or after it. With a ring of the caller's: close that first
 * (io_uring_queue_exit()); its requests hold the queue's objects.
 */
void netgpu_queue_close(struct netgpu_queue *queue);

/**
 * netgpu_queue_add_memory - receive into another memory, too, or send from it
 * @queue: of the same network device.
 * @memory: as for netgpu_queue_open().
 * @region: as for netgpu_queue_open(). One that was opened with NETGPU_SEND alone is only sent
 *	from.
 *
 * Which of its memories a queue receives into is the kernel's choice: the first as
 * long as it has free buffers. Returns the index that completions have for it; the first is 0.
 * Errors: ENOSPC there are 64; EINVAL the kernel takes one only, or it is in use by the
 * queue; EOPNOTSUPP the queue receives without a device; EAGAIN and EOVERFLOW the ring is full
 * of completions that were not taken; others as netgpu_queue_open().
 */
int netgpu_queue_add_memory(struct netgpu_queue *queue,
			    struct netgpu_memory *memory,
			    struct netgpu_region *region);

/**
 * netgpu_queue_remove_memory - no longer send from it
 * @queue: the queue.
 * @index: from netgpu_queue_add_memory().
 *
 * Errors: EINVAL there is none with this index; EBUSY it is received into, or sends from it have not completed; EAGAIN
 * and EOVERFLOW the ring is full of completions that were not taken: it is still there, try again.
 */
int netgpu_queue_remove_memory(struct netgpu_queue *queue, unsigned int index);

/** netgpu_queue_query - with what it was opened */
void netgpu_queue_query(const struct netgpu_queue *queue,
			struct netgpu_queue_info *info);

/**
 * netgpu_queue_add - receive from a connected TCP socket
 * @queue: whose device the connection goes through.
 * @fd: the socket. It stays the caller's, and must stay open until
 *	netgpu_conn_close().
 * @user: returned with each completion.
 * @conn: where the object is stored.
 *
 * Receiving starts with the next netgpu_queue_wait(). What arrives on another
 * queue, or is not split, still comes in order: with data in host memory.
 */
int netgpu_queue_add(struct netgpu_queue *queue, int fd, void *user,
		     struct netgpu_conn **conn);

/**
 * netgpu_conn_send - send a part of a memory
 * @conn: on which.
 * @memory: one of the queue's, whose region was opened with NETGPU_SEND, or which
 *	is "host"; NULL for the queue's first.
 * @offset: first byte, from the start of the memory.
 * @length: bytes, 1 to 2^30.
 * @user: returned with the completion.
 *
 * Any number may be pending; they are sent in the order of the calls. The memory must
 * not be written until the completion, whose kind is NETGPU_SENT, has come. One
 * that fails ends the sending: those after it fail with the same error. The kernel
 * starts with the next netgpu_queue_wait().
 *
 * Errors: EOPNOTSUPP the memory cannot be sent from so; EINVAL @length, or
 * @memory is not the queue's; ERANGE the memory, or its region, ends before, or begins
 * after; ENOMEM; ESHUTDOWN the queue is closed; what an earlier send has failed with. In the
 * completion: ENODEV the memory was taken away by its exporter, or the connection
 * does not go out by the region's network device; EOPNOTSUPP the socket is
 * not TCP, or encrypted by the kernel, or the network device has transmit checksums
 * or scatter-gather switched off; EPIPE, ECONNRESET and others as send(2).
 */
int netgpu_conn_send(struct netgpu_conn *conn, struct netgpu_memory *memory,
		     uint64_t offset, uint32_t length, void *user);

/**
 * netgpu_conn_cancel - end the sending
 * @conn: the connection.
 *
 * What the kernel has not taken is not sent any more: its completions say ECANCELED,
 * also that of a part of which the kernel has taken some, and netgpu_conn_send() after
 * this. What it has taken is sent.
 */
void netgpu_conn_cancel(struct netgpu_conn *conn);

/**
 * netgpu_conn_sent - bytes of the connection that the kernel has taken to send
 * @conn: the connection.
 *
 * As far as netgpu_queue_wait() has heard of it. They may not have been acknowledged.
 */
uint64_t netgpu_conn_sent(const struct netgpu_conn *conn);

/**
 * netgpu_conn_close - stop receiving
 * @conn: the connection.
 *
 * No completion of it is handed out after this. What the kernel has taken to
 * send is sent, and the rest is not; who wants to write to the memory cancels, and
 * waits for all completions, before this. May be called on a connection that has ended;
 * must be called once for each that was added.
 */
void netgpu_conn_close(struct netgpu_conn *conn);

/** netgpu_conn_fd - its socket */
int netgpu_conn_fd(const struct netgpu_conn *conn);

/**
 * netgpu_queue_watch - have netgpu_queue_wait() return when @fd is readable
 * @queue: the queue.
 * @fd: any descriptor that can be polled, such as an epoll instance.
 * @user: returned with the completion, whose conn is NULL and result the
 *	events of poll(2).
 *
 * Stays until netgpu_queue_unwatch(), the queue is closed, or POLLHUP was reported.
 * Errors: ENOMEM; EBUSY no room for a request now; ESHUTDOWN.
 */
int netgpu_queue_watch(struct netgpu_queue *queue, int fd, void *user);

/**
 * netgpu_queue_unwatch - no longer
 * @queue: the queue.
 * @fd: as it was given.
 *
 * Before @fd is closed. No completion of it is handed out after this. Errors: ENOENT it is not watched.
 */
int netgpu_queue_unwatch(struct netgpu_queue *queue, int fd);

/**
 * netgpu_queue_fd - a descriptor that is readable when there may be completions
 * @queue: the queue.
 *
 * For poll() and epoll in programs that wait for other things. Before such a wait call
 * netgpu_queue_wait() with a timeout of 0 until it returns 0: it starts what has to be
 * started. The descriptor is the io_uring's; it is only to be waited on.
 */
int netgpu_queue_fd(const struct netgpu_queue *queue);

/**
 * netgpu_queue_wait - take completions
 * @queue: the queue.
 * @completions: where they are stored.
 * @count: room there, at least 1.
 * @timeout: nanoseconds to wait for the first, 0 not to wait, < 0 without end.
 *
 * Returns how many there are: 0 after the timeout, a signal, or when the kernel
 * is short of memory for a moment, else up to @count; more may be waiting. ENODEV: the memory was taken away by its
 * exporter, or the network device has gone; all completions were handed out,
 * and no more come (not with NETGPU_QUEUE_SEND_ONLY: its sends say so). EINVAL the
 * ring is the caller's. Never allocates.
 */
int netgpu_queue_wait(struct netgpu_queue *queue,
		      struct netgpu_completion *completions, unsigned int count,
		      int64_t timeout);

/**
 * netgpu_queue_return - give buffers back to the network device
 * @queue: the queue.
 * @completions: with data, in any order, each exactly once.
 * @count: how many.
 *
 * Cheapest in the order in which they came, many at a time. Any thread may do so.
 *
 * Returns how many were given back, from the first on. That is @count, unless
 * the refill ring is full and the kernel does not empty it: it is older than
 * Linux 6.19 and the network device needs no buffers now, or this is not the
 * thread that opened the queue. The rest is to be given back later; ENOBUFS
 * when that is all of them.
 */
int netgpu_queue_return(struct netgpu_queue *queue,
			const struct netgpu_completion *completions,
			unsigned int count);

/** netgpu_queue_get_stats - read the counters */
void netgpu_queue_get_stats(const struct netgpu_queue *queue,
			    struct netgpu_queue_stats *stats);

/* ------------------------------------------- on a ring of the caller's */

/**
 * NETGPU_CQE - requests of the library have this bit in their user_data
 *
 * No pointer and no small number has it. Completions with it go to
 * netgpu_queue_take(), all others are the caller's.
 */
#define NETGPU_CQE		(1ull << 63)

/**
 * netgpu_queue_prepare - start what has to be started, before the ring is waited on
 * @queue: with &netgpu_queue_params.ring.
 * @completions: where completions are stored that need no wait.
 * @count: room there, at least 1.
 *
 * Returns how many there are. Does not submit: io_uring_submit_and_wait() does. When some
 * are returned do not wait, and call this again. ENODEV as in netgpu_queue_wait().
 */
int netgpu_queue_prepare(struct netgpu_queue *queue,
			 struct netgpu_completion *completions, unsigned int count);

/**
 * netgpu_queue_take - what a completion of the ring means
 * @queue: of which it is; several may share a ring, any of them will do.
 * @cqe: with NETGPU_CQE in its user_data.
 * @completion: where it is stored.
 *
 * Returns 1: there is a completion; 0: there is nothing to tell. Either way the caller goes on with
 * io_uring_cqe_seen(). EAGAIN: it cannot be taken now, as the refill ring is full; leave it, and
 * those behind it, and come again. EINVAL: it is not the library's.
 */
int netgpu_queue_take(struct netgpu_queue *queue, const struct io_uring_cqe *cqe,
		      struct netgpu_completion *completion);

#ifdef __cplusplus
}
#endif

#endif /* LIBNETGPU_H */

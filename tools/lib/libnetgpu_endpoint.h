/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Endpoints: messages into and out of the memory of a GPU, over TCP.
 *
 *   domain     a network device and one of its queues, or none: everything below
 *              belongs to one, and completes in it
 *   mr         a part of a memory that messages are received into, and sent
 *              from, and that peers may write to, and read
 *   listener   waits for peers
 *   ep         a connection to one: two TCP connections, one for control messages, in
 *              host memory, and one for payload alone
 *
 * The wire format is in netgpu-wire(7). A peer needs neither a GPU nor a kernel with
 * netgpu: a domain that is opened without a network device uses ordinary sockets and
 * host memory.
 *
 * A domain, with all that belongs to it, is used by one thread, but see NETGPU_DOMAIN_THREADS. What is said in
 * libnetgpu.h of errors, structures and closing holds here, too.
 */
#ifndef LIBNETGPU_ENDPOINT_H
#define LIBNETGPU_ENDPOINT_H

#include <libnetgpu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sockaddr;
struct netgpu_domain;
struct netgpu_mr;
struct netgpu_listener;
struct netgpu_ep;

/* ------------------------------------------------------------- domain */

/**
 * struct netgpu_copy - bytes to be copied from one memory to another
 * @from: first byte in the one
 * @to: first byte in the other
 * @length: bytes
 * @part: of these, so many lie together where they come from, and the next begin @stride after their first; 0: all of them
 * @stride: bytes; 0 with @part 0
 */
struct netgpu_copy {
	uint64_t from;
	uint64_t to;
	uint64_t length;
	uint32_t part;
	uint32_t stride;
};

/** Most of them at once. */
#define NETGPU_COPIES_MOST	1024

/**
 * struct netgpu_copier - who moves payload from where it has landed to where it belongs, if not the CPU
 * @context: what is given to each of these calls, all of which are made by the thread that uses the domain
 * @can: does it copy between these two?
 * @copy: have it copy, and return at once; points only grow, and all with a lower one are done before. 0 or -errno: -EAGAIN when
 *	it can take no more until one of the domain's points is reached
 * @reached: up to which point all is done; -errno when nothing more will be, and it writes to no memory any more
 * @wait: until @point is reached, @timeout nanoseconds at most; 0 or -errno, -ETIMEDOUT when it is not
 * @fd: an eventfd(2) that does not block, to which it adds when a point has been reached; the domain reads it
 *
 * It is one domain's. When it fails the CPU takes over. Closing an endpoint waits for what is being copied for it. See netgpu_gpu_copier() in libnetgpu_vulkan.h.
 */
struct netgpu_copier {
	void *context;
	bool (*can)(void *context, const struct netgpu_memory *to, const struct netgpu_memory *from);
	int (*copy)(void *context, struct netgpu_memory *to, struct netgpu_memory *from, const struct netgpu_copy *copies,
		    unsigned int count, uint64_t *point);
	int (*reached)(void *context, uint64_t *point);
	int (*wait)(void *context, uint64_t point, int64_t timeout);
	int fd;
};

/**
 * struct netgpu_domain_params - how to open a domain
 * @device: name of a network device, payload of whose connections is received by zero-copy; NULL:
 *	ordinary sockets
 * @queue: its receive queue, counted from 0; see netgpu-setup(1)
 * @flags: NETGPU_DOMAIN_*
 * @landing: with @device, where payload arrives before it is moved to where it belongs, from
 *	the same GPU as the buffers, best
 * @landing_offset: first byte in it, a multiple of the page size
 * @landing_length: bytes, a multiple of it; 0: to its end. They are the domain's
 * @copier: who moves it from there; it stays until the domain is closed. NULL: the CPU
 * @resv: zero
 */
struct netgpu_domain_params {
	const char *device;
	unsigned int queue;
	unsigned int flags;
	struct netgpu_memory *landing;
	uint64_t landing_offset;
	uint64_t landing_length;
	const struct netgpu_copier *copier;
	unsigned int resv[8];
};

/* When @device cannot be used for zero-copy, use ordinary sockets; netgpu_domain_why() says so. */
#define NETGPU_DOMAIN_FALL_BACK	(1u << 0)
/*
 * Any thread may use it, one at a time.  With @device all but the one that has opened it may only post requests, with
 * netgpu_ep_recv(), _send(), _write() and _read(), cancel and pause; they move when that one calls netgpu_domain_wait().
 */
#define NETGPU_DOMAIN_THREADS	(1u << 1)
/*
 * With @device: receive in place where it can be. The pages of posted buffers, of mrs with NETGPU_MR_IN_PLACE, are what the device
 * puts payload into. That is for an endpoint that is the domain's only one, whose payload has @queue to itself: endpoints come up by connections whose
 * control messages arrive on another queue. RSS has to spread over this queue and at least one other (ethtool -X DEV weight 1 1), by
 * Toeplitz's hash of addresses and ports; where it does not, or does not say so, endpoints come up all the same, and payload is moved.
 */
#define NETGPU_DOMAIN_IN_PLACE	(1u << 2)

/**
 * netgpu_domain_open - open one
 * @params: which network device, and how.
 * @domain: where the object is stored.
 *
 * Errors: those of netgpu_region_open() and netgpu_queue_open().
 */
int netgpu_domain_open(const struct netgpu_domain_params *params,
		       struct netgpu_domain **domain);

/** netgpu_domain_close - end it; what belongs to it ends, and is closed all the same */
void netgpu_domain_close(struct netgpu_domain *domain);

/** netgpu_domain_why - why ordinary sockets are used although a device was named; else NULL */
const char *netgpu_domain_why(const struct netgpu_domain *domain);

/** netgpu_domain_fd - readable when netgpu_domain_wait() would have something; see netgpu_queue_fd() */
int netgpu_domain_fd(const struct netgpu_domain *domain);

/* ----------------------------------------------------------------- mr */

#define NETGPU_MR_REMOTE_READ	(1u << 0)	/* peers with the key may read it */
#define NETGPU_MR_REMOTE_WRITE	(1u << 1)	/* and write to it */
#define NETGPU_MR_IN_PLACE	(1u << 2)	/* messages may be received into it in place, see NETGPU_DOMAIN_IN_PLACE */

/**
 * netgpu_mr_open - have a part of a memory used by a domain's endpoints
 * @domain: which.
 * @memory: which; NULL: that of the process, @offset being an address; device memory needs a domain with a network device to be sent from, unless
 *	the CPU can read it.
 * @offset: first byte.
 * @length: bytes, not 0.
 * @access: NETGPU_MR_*.
 * @mr: where the object is stored.
 *
 * With NETGPU_MR_IN_PLACE @memory is a dma-buf, and @offset and @length are multiples of the page size.
 *
 * Errors: EINVAL @access, @offset, or @length; ERANGE the memory ends before; EOPNOTSUPP the CPU
 * cannot get at the memory, and nothing else here can; ENOMEM; with NETGPU_MR_IN_PLACE those of netgpu_region_open(), and ENOSPC.
 */
int netgpu_mr_open(struct netgpu_domain *domain, struct netgpu_memory *memory,
		   uint64_t offset, uint64_t length, unsigned int access,
		   struct netgpu_mr **mr);

/**
 * netgpu_mr_close - no longer; NULL is allowed
 * @mr: the memory.
 *
 * Its key is worth nothing from now on. Errors, after which it is to be tried again: EBUSY requests that use it have not completed, or the
 * network device has not let go of its pages;
 * EAGAIN and EOVERFLOW the domain's ring is full, until netgpu_domain_wait() has taken from it.
 */
int netgpu_mr_close(struct netgpu_mr *mr);

/**
 * netgpu_mr_process - an mr of all memory of this process
 * @domain: the domain.
 *
 * For buffers in host memory that are not registered: the offset is the address. It has no key, is the
 * domain's, and is not to be closed.
 */
struct netgpu_mr *netgpu_mr_process(struct netgpu_domain *domain);

/** netgpu_mr_key - what a peer needs to read and write; 0 without NETGPU_MR_REMOTE_* */
uint64_t netgpu_mr_key(const struct netgpu_mr *mr);

/* ----------------------------------------------------------- endpoints */

/** Most bytes that netgpu_ep_connect(), netgpu_ep_accept() and netgpu_ep_reject() carry for the peer's program. */
#define NETGPU_EP_DATA_MAX	256

/**
 * netgpu_ep_open - have an endpoint that will connect
 * @domain: to which it belongs.
 * @user: returned with its events.
 * @ep: where the object is stored.
 *
 * Requests may be posted already. Errors: ENOMEM, ESHUTDOWN.
 */
int netgpu_ep_open(struct netgpu_domain *domain, void *user, struct netgpu_ep **ep);

/**
 * netgpu_listen - wait for peers
 * @domain: to which their endpoints will belong.
 * @address: of a local interface, IPv4 or IPv6; port 0: any, see netgpu_listener_address().
 * @address_length: bytes of it.
 * @user: returned with NETGPU_EVENT_REQUEST.
 * @listener: where the object is stored.
 *
 * Errors: those of bind(2) and listen(2).
 */
int netgpu_listen(struct netgpu_domain *domain, const struct sockaddr *address,
		  unsigned int address_length, void *user, struct netgpu_listener **listener);

/** netgpu_listener_address - where it listens; returns the bytes of the address */
int netgpu_listener_address(const struct netgpu_listener *listener,
			    struct sockaddr *address, unsigned int room);

/** netgpu_listener_close - no longer; NULL is allowed. Requests not answered are refused. */
void netgpu_listener_close(struct netgpu_listener *listener);

/**
 * netgpu_ep_connect - connect to a listener
 * @ep: from netgpu_ep_open().
 * @address: where it listens.
 * @address_length: bytes of it.
 * @data: bytes for the peer's program, which gets them with NETGPU_EVENT_REQUEST.
 * @length: how many, at most NETGPU_EP_DATA_MAX.
 *
 * Returns at once; NETGPU_EVENT_CONNECTED, with what the peer's program has answered, or _ENDED says what has become of it.
 * When the peer's domain is open with NETGPU_DOMAIN_IN_PLACE it may take more than one connection for each lane; with EADDRNOTAVAIL
 * in _ENDED none would do.
 * Errors: EINVAL too many bytes; EISCONN it has been connected; those of connect(2).
 */
int netgpu_ep_connect(struct netgpu_ep *ep, const struct sockaddr *address,
		      unsigned int address_length, const void *data, unsigned int length);

/**
 * netgpu_ep_bind - have it connect from this address
 * @ep: from netgpu_ep_open(), not yet connected.
 * @address: a local one, with port 0 from any.
 * @address_length: bytes of it.
 *
 * Errors: EINVAL it has one; those of bind(2).
 */
int netgpu_ep_bind(struct netgpu_ep *ep, const struct sockaddr *address, unsigned int address_length);

/** netgpu_ep_user - what is returned with its events */
void *netgpu_ep_user(const struct netgpu_ep *ep);

/** netgpu_ep_set_user - what is returned with its events; of one from NETGPU_EVENT_REQUEST it is NULL */
void netgpu_ep_set_user(struct netgpu_ep *ep, void *user);

/**
 * netgpu_ep_accept - let a peer in
 * @ep: from NETGPU_EVENT_REQUEST. Requests may be posted before.
 * @data: as for netgpu_ep_connect(); with NETGPU_EVENT_CONNECTED.
 * @length: how many.
 *
 * NETGPU_EVENT_CONNECTED or _ENDED follows.
 */
int netgpu_ep_accept(struct netgpu_ep *ep, const void *data, unsigned int length);

/** netgpu_ep_reject - do not; @ep is closed. The peer's ends with ECONNREFUSED, and has the data. */
int netgpu_ep_reject(struct netgpu_ep *ep, const void *data, unsigned int length);

/**
 * netgpu_ep_shutdown - end it in order
 * @ep: the endpoint.
 *
 * What was posted before is carried out, then the peer gets NETGPU_EVENT_ENDED with result 0, and this side,
 * too.
 */
int netgpu_ep_shutdown(struct netgpu_ep *ep);

/** netgpu_ep_abort - end it at once: what was posted fails with ECANCELED, then NETGPU_EVENT_ENDED follows */
int netgpu_ep_abort(struct netgpu_ep *ep);

/** netgpu_ep_close - end it at once; nothing more is heard of it. NULL is allowed. */
void netgpu_ep_close(struct netgpu_ep *ep);

/** netgpu_ep_address - its own address, or, with @peer, the other's; returns the bytes of it */
int netgpu_ep_address(const struct netgpu_ep *ep, bool peer, struct sockaddr *address, unsigned int room);

/* ------------------------------------------------------------ requests */

/*
 * Requests of an endpoint are carried out in the order in which they are posted, and their
 * events come in this order, those of receives apart. The memory is not to be touched until
 * then. Common errors: ENOTCONN it has ended; ENOMEM; ERANGE the mr ends before; EINVAL
 * the mr is of another domain, or a flag is not known. They may be posted before it is connected.
 */

#define NETGPU_MSG_SILENT	(1u << 0)	/* no event when it succeeds */
#define NETGPU_MSG_IMMEDIATE	(1u << 1)	/* a number goes with it */
#define NETGPU_MSG_INJECT	(1u << 2)	/* up to NETGPU_INJECT_MAX bytes, which may be touched at once */
#define NETGPU_MSG_DELIVERED	(1u << 3)	/* the event says that it is in the peer's memory */
#define NETGPU_MSG_NO_BUFFER	(1u << 4)	/* of netgpu_ep_recv(): the message stays where it comes */

/* For the program: they come back in the flags of the event. */
#define NETGPU_MSG_USER_0	(1u << 30)
#define NETGPU_MSG_USER_1	(1u << 31)

#define NETGPU_INJECT_MAX	256

/**
 * netgpu_ep_recv - post a buffer for a message
 * @ep: of which endpoint.
 * @mr: where to; NULL: nowhere, for messages without a byte.
 * @offset: first byte, from the start of @mr.
 * @length: bytes. Of a message that is longer what fits is there, and it fails with EMSGSIZE; also at the peer, with
 *	NETGPU_MSG_DELIVERED.
 * @user: returned with the event.
 * @flags: NETGPU_MSG_SILENT, NETGPU_MSG_NO_BUFFER, NETGPU_MSG_USER_*.
 *
 * The next message that arrives goes into the buffer that was posted first. A peer sends none until
 * there is one.
 *
 * With NETGPU_MSG_NO_BUFFER, @mr NULL and @offset 0, there is no buffer: the message, of up to @length bytes, stays where the
 * network device has put it, and the event says where; see &struct netgpu_message. Further errors: EMSGSIZE @length is more
 * than a 16th of the landing memory, or than 32 KiB if that is more; EINVAL with NETGPU_MSG_SILENT. In the event: ENOMEM.
 */
int netgpu_ep_recv(struct netgpu_ep *ep, struct netgpu_mr *mr, uint64_t offset, uint64_t length,
		   void *user, unsigned int flags);

/**
 * struct netgpu_msg - what netgpu_ep_send(), _write() and _read() are told
 * @mr: memory of this side; NULL with NETGPU_MSG_INJECT and @inject, or for no bytes
 * @offset: first byte, from the start of @mr
 * @inject: with NETGPU_MSG_INJECT, the bytes
 * @length: bytes; 0 is allowed
 * @remote_offset: of write and read: first byte, from the start of the peer's mr
 * @remote_key: of write and read: netgpu_mr_key() there
 * @immediate: with NETGPU_MSG_IMMEDIATE
 * @user: returned with the event
 * @flags: NETGPU_MSG_*
 * @resv: zero
 */
struct netgpu_msg {
	struct netgpu_mr *mr;
	uint64_t offset;
	const void *inject;
	uint64_t length;
	uint64_t remote_offset;
	uint64_t remote_key;
	uint64_t immediate;
	void *user;
	unsigned int flags;
	unsigned int resv[5];
};

/** netgpu_ep_send - send a message to the peer's next posted buffer */
int netgpu_ep_send(struct netgpu_ep *ep, const struct netgpu_msg *msg);

/**
 * netgpu_ep_write - write to the peer's memory
 * @ep: the endpoint.
 * @msg: what, and where to.
 *
 * With NETGPU_MSG_IMMEDIATE the peer gets an event, NETGPU_EVENT_IMMEDIATE with the user of its endpoint.
 * The event here says that the bytes are in the peer's memory. In it: EACCES the key is none, or not for writing;
 * ERANGE the peer's mr ends before.
 */
int netgpu_ep_write(struct netgpu_ep *ep, const struct netgpu_msg *msg);

/** netgpu_ep_read - read from the peer's memory; errors as netgpu_ep_write() */
int netgpu_ep_read(struct netgpu_ep *ep, const struct netgpu_msg *msg);

/** netgpu_ep_cancel - take back a posted receive; its event says ECANCELED. ENOENT: there is none with this @user. */
int netgpu_ep_cancel(struct netgpu_ep *ep, void *user);

/**
 * netgpu_ep_pause - have what the peer writes with an immediate wait
 * @ep: of which endpoint.
 * @pause: or go on.
 *
 * For a program that has no room for more of NETGPU_EVENT_IMMEDIATE. The peer's requests are carried out in their order, so what it
 * has requested after such a write waits, too, and the answers to what is read from it. About 1024 events may still come of what was
 * carried out before. The peer's netgpu_ep_shutdown() waits for them; this side's, or that the peer has gone, ends the waiting.
 * Errors: ESHUTDOWN.
 */
int netgpu_ep_pause(struct netgpu_ep *ep, bool pause);

/* -------------------------------------------------------------- events */

/**
 * struct netgpu_extent - a part of a message
 * @memory: where it lies; NULL: memory of the host, at @data
 * @data: where the CPU sees its first byte
 * @offset: of that in @memory; NETGPU_IN_HOST without
 * @length: bytes
 * @piece: so many lie together, the last ones may be fewer
 * @stride: from the begin of one such piece to the next; 0: all of them lie together
 */
struct netgpu_extent {
	const struct netgpu_memory *memory;
	const void *data;
	uint64_t offset;
	uint64_t length;
	uint32_t piece;
	uint32_t stride;
};

/**
 * struct netgpu_message - a message that lies where it came
 * @count: extents
 * @extents: in the order of the message
 *
 * Until it is released the peer may send that much less: what is held and the next message together should not be more than a
 * 16th of the landing memory, or that, and what else the peer sends here, may not come. What came with a control message, by
 * ordinary sockets, on another queue, in many small packets, or when messages kept half of the landing memory is in memory of the
 * host.
 */
struct netgpu_message {
	unsigned int count;
	const struct netgpu_extent *extents;
};

/**
 * netgpu_message_release - give back a message that was received without a buffer
 * @domain: from which it came, used by the thread that has opened it.
 * @message: from its event; it is gone afterwards.
 *
 * Also when its endpoint has been closed; closing the domain releases all. Errors: ENOENT it is none, or was released before.
 */
int netgpu_message_release(struct netgpu_domain *domain, const struct netgpu_message *message);

enum netgpu_event_kind {
	NETGPU_EVENT_REQUEST	= 1,	/* of a listener: a peer wants to connect */
	NETGPU_EVENT_CONNECTED	= 2,
	NETGPU_EVENT_ENDED	= 3,	/* nothing more comes of the endpoint */
	NETGPU_EVENT_SENT	= 4,
	NETGPU_EVENT_WRITTEN	= 5,
	NETGPU_EVENT_READ	= 6,
	NETGPU_EVENT_RECEIVED	= 7,
	NETGPU_EVENT_IMMEDIATE	= 8,	/* the peer has written with an immediate */
};

/**
 * struct netgpu_event - something has happened
 * @kind: &enum netgpu_event_kind
 * @result: 0, or a negative errno; in words: netgpu_error()
 * @ep: of which endpoint; of NETGPU_EVENT_REQUEST a new one, to be accepted or rejected
 * @user: of the request, else that of the endpoint, or listener
 * @length: bytes: received, sent, of @data
 * @immediate: with @flags
 * @flags: NETGPU_MSG_IMMEDIATE; of the request NETGPU_MSG_USER_*
 * @data: with NETGPU_EVENT_REQUEST, _CONNECTED and _ENDED: what the peer's program has given; until the next netgpu_domain_wait()
 * @message: received without a buffer: where it lies, to be released; NULL when there are no bytes of it, as with most errors
 * @dropped: bytes of a received message that did not fit; the result is EMSGSIZE
 * @resv: zero
 */
struct netgpu_event {
	unsigned int kind;
	int result;
	struct netgpu_ep *ep;
	void *user;
	uint64_t length;
	uint64_t immediate;
	const void *data;
	uint64_t dropped;
	const struct netgpu_message *message;
	unsigned int flags;
	unsigned int resv[3];
};

/**
 * netgpu_domain_wait - take events
 * @domain: the domain.
 * @events: where they are stored.
 * @count: room there, at least 1.
 * @timeout: nanoseconds to wait for the first, 0 not to wait, < 0 without end.
 *
 * Nothing moves but in here, and in netgpu_domain_flush(). Returns how many there are: 0 after the timeout or a signal.
 * Errors: EBUSY the queue cannot be restarted, for ten seconds already, and the network device may still write into buffers, whose events
 * are withheld. They come when it can be again: taking the device down and up may help. It is said once for each try, every 640 ms.
 */
int netgpu_domain_wait(struct netgpu_domain *domain, struct netgpu_event *events,
		       unsigned int count, int64_t timeout);

/**
 * netgpu_domain_flush - start what was posted
 * @domain: the domain.
 *
 * For who does something else before netgpu_domain_wait(): what can be sent now is. Events are for the next wait.
 */
int netgpu_domain_flush(struct netgpu_domain *domain);

/**
 * struct netgpu_domain_stats - counters since the domain was opened
 * @in_place: bytes of payload that arrived where they belong
 * @moved: bytes that had to be moved there
 * @inlined: bytes that came with control messages
 * @control: control messages, sent and received
 * @by_copier: of @moved, by the domain's &struct netgpu_copier
 * @restarts: times that the queue was restarted, so that the network device lets go of buffers
 * @resv: zero
 */
struct netgpu_domain_stats {
	uint64_t in_place;
	uint64_t moved;
	uint64_t inlined;
	uint64_t control;
	uint64_t by_copier;
	uint64_t restarts;
	uint64_t resv[2];
};

/** netgpu_domain_get_stats - read the counters */
void netgpu_domain_get_stats(const struct netgpu_domain *domain, struct netgpu_domain_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* LIBNETGPU_ENDPOINT_H */

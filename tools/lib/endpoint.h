/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Endpoints from the inside, for the files that they are made of:
 *
 * domain.c     what has happened, waiting
 * poll.c       sockets, and what takes too long
 * mr.c         memory, keys, rights
 * connect.c    listeners, and how two lanes become an endpoint
 * request.c    what is posted, and its order
 * control.c    the control lane: messages out and in
 * payload.c    the other lane
 * landing.c    the same with a network device that puts payload into the memory of a GPU
 * message.c    what stays there, for programs that post no buffer
 * copier.c     and the GPU, which moves it from there
 * inplace.c    or nobody: the device puts it where it belongs
 * steer.c      which receive queue a connection comes in on
 * wire.c       messages from and to bytes
 *
 * Requests are announced by a message on the control lane, in order; the payload of those that have some
 * follows on the other, in the same order.  So each side has two lists for each lane: what is to be
 * sent, and what is to come.
 */
#ifndef NETGPU_ENDPOINT_H
#define NETGPU_ENDPOINT_H

#include <errno.h>
#include <liburing.h>
#include <sys/socket.h>

#include "internal.h"
#include "libnetgpu_endpoint.h"
#include "wire.h"

#define CONTROL_ROOM	(16u << 10)	/* bytes of messages, each way */
#define KEYS		256		/* buckets */
#define WINDOW		1024		/* requests that the peer has not acknowledged, and answers to its own */
#define NOWHERE		(64u << 10)	/* bytes that are dropped at a time */
#define NO_LIMIT	((1ull << 62) - 1)	/* of payload that may be sent */
#define SHARES		8		/* of landing memory: one for each endpoint, and packets may be short */
#define SHARE_LEAST	(64ull << 10)
#define PIECE_LEAST	4096		/* bytes of the share for each piece that keeps a buffer */

enum op_kind {
	OP_SEND,
	OP_WRITE,
	OP_READ,
	OP_RECV,
	OP_DATA,		/* the answer to a peer's READ */
	OP_IN_SEND,		/* by the peer, like those that follow */
	OP_IN_WRITE,
	OP_IN_READ,
	OP_IN_DATA,
	OP_EVENT,		/* of the endpoint itself */
};

struct op {
	struct op *next;	/* of the list that it is on */
	struct op *next_lane;	/* of those that have payload */
	struct netgpu_ep *ep;
	enum op_kind kind;
	unsigned int event;	/* &enum netgpu_event_kind, 0 for none */
	unsigned int flags;	/* NETGPU_MSG_* */
	int result;
	struct netgpu_mr *mr;	/* its memory, if it has some */
	uint64_t offset;	/* there */
	uint64_t length;	/* of the payload */
	uint64_t stream;	/* of the peer's, with payload: where that begins on the lane */
	uint64_t room;		/* what of it is wanted; the rest is dropped */
	uint64_t moved;		/* of @length */
	uint64_t end;		/* of its message, in bytes of the control lane */
	uint64_t remote_offset, remote_key;
	uint64_t immediate;
	void *user;
	struct op *match;	/* of the peer's: the request here that it is for */
	struct message *message;	/* of a receive without a buffer */
	uint32_t sequence;
	bool announced;
	bool moved_all;
	bool acked;
	bool inlined;
	bool unmatched;		/* waits for a buffer to be posted */
	bool flushed;		/* is reported when the device has done with it */
	bool failed;		/* a part of it, to be sent by the device */
	unsigned int in_flight;	/* parts of it that the device sends */
	unsigned int copying;	/* parts that the copier moves, or that are late */
	uint8_t inject[NETGPU_INJECT_MAX];
};

struct list {
	struct op *first, **end;
};

struct netgpu_mr {
	struct netgpu_domain *domain;
	struct netgpu_memory *memory;
	uint64_t offset, length;	/* in the memory */
	uint64_t key;
	unsigned int access;
	unsigned int uses;
	struct netgpu_region *region;	/* that the network device sends from, NULL when the CPU copies */
	int index;			/* of it in the domain's queue */
	struct held_area *held;		/* its pages, when it is received into in place */
	struct netgpu_mr *next;		/* with keys of the same bucket */
};

/* Of what an event is, in the low bits of its data. */
enum poll_kind {
	POLL_CONTROL	= 0,
	POLL_PAYLOAD	= 1,
	POLL_LISTENER	= 2,
	POLL_TIMER	= 3,
	POLL_COPIER	= 4,
	POLL_MASK	= 7,
};

enum lane {
	LANE_PAYLOAD,
	LANE_CONTROL,
};

#define RSS_KEY		40	/* bytes of the key that TCP over IPv6 needs */

/* How the network device spreads what arrives over its queues. */
struct rss {
	uint32_t *table;		/* of queues; NULL: not known, like what follows */
	unsigned int entries;		/* a power of two */
	uint8_t key[RSS_KEY];
	unsigned int key_bytes;
	bool ipv4, ipv6;		/* addresses and ports are hashed, and nothing else */
	bool parts;			/* some entries are the domain's queue, and some are not */
};

/* Some payload that has arrived and has nowhere to go yet. */
struct piece {
	struct piece *next;
	struct netgpu_completion c;
	struct held *held;	/* a message has a part of it */
	uint32_t done;		/* bytes of it */
	bool consumed;		/* the peer may send as much again: it keeps no buffer of landing memory */
	uint32_t room;		/* of @bytes; 0: it lies where it came */
	char bytes[];
};

enum ep_state {
	EP_IDLE,
	EP_CONNECTING,		/* the control lane is */
	EP_GREETING,		/* HELLO is sent, or to come */
	EP_AGAIN,		/* is to be connected from other ports, as the peer wants */
	EP_REQUESTED,		/* the program is to say whether it wants it */
	EP_JOINING,		/* the payload's lane is connected, or waited for */
	EP_UP,
	EP_CLOSING,		/* this side has requested its last */
	EP_ENDED,
};

struct netgpu_ep {
	struct netgpu_domain *domain;
	struct netgpu_ep *next, **prev;		/* of the domain */
	struct netgpu_ep *next_active;
	struct netgpu_listener *listener;	/* that it came by */
	void *user;
	enum ep_state state;
	bool accepting;			/* it came by a listener */
	bool closed;			/* by the program; freed when no poll is left */
	bool active;			/* is on the list of those to be looked at */
	bool close_sent, peer_closing;
	bool paused;			/* by the program: writes with an immediate wait */
	int error;			/* the first, of EP_ENDED or of what leads there */
	const char *why;		/* the same in words, if there are some */
	int gone;			/* the peer has, for this reason; what it has sent is still taken */

	int control, payload;
	struct netgpu_conn *control_conn, *payload_conn;	/* with a network device */
	struct piece *pieces, **pieces_end;
	unsigned int nr_pieces;
	unsigned int nr_held;			/* extents of messages that are in landing memory */
	unsigned int sending;		/* requests that the device has */
	bool control_blocked, payload_blocked;
	bool payload_readable, control_readable;
	bool hung_up;			/* the control lane, once it is read to its end */
	bool mute;			/* nothing can be said on it any more */
	struct sockaddr_storage peer;
	socklen_t peer_length;
	struct sockaddr_storage own;	/* that the program has named */
	socklen_t own_length;		/* 0: none */
	uint16_t ports[2];		/* that were chosen last, by lane */
	unsigned int again;		/* times that the peer wanted others */
	uint64_t again_until;		/* ns, and no longer */
	bool alone;			/* payload arrives on the domain's queue, control messages on another */
	uint64_t late_at;		/* ns; 0: it may take its time */
	int lost;			/* by which a lane was lost; the other has until then to say why */
	const char *lost_lane;		/* which, in words */
	int payload_ended;		/* by which all has been read that came on that lane */
	bool peer_segments;		/* the peer wants each message to begin a segment */
	uint16_t join_port;		/* from which the peer's payload lane comes */

	uint8_t *out, *in;		/* CONTROL_ROOM each */
	unsigned int out_bytes, out_sent, in_bytes;
	uint64_t put, pushed;		/* bytes of messages, ever: into @out, and from there to the socket */
	uint64_t close_end;		/* of those, with CLOSE */

	struct list requests;		/* posted, and not yet reported */
	struct op *to_announce;		/* the first of them that is not announced */
	struct list recvs;
	struct list incoming;		/* announced by the peer, not yet carried out */
	struct list lane_out, lane_in;	/* of those, what has payload */
	struct list answering;		/* to the peer's READs, the device alone has them */
	unsigned int answers;		/* all of those that are not out yet */
	uint64_t out_stream, in_stream;	/* bytes that have been announced */
	uint64_t lane_sent;		/* of the first, on their way */
	uint64_t peer_grant;		/* that may be */
	uint64_t posted;		/* that the device was told to send */
	uint64_t arrived;		/* of the peer's, by the device */
	uint64_t consumed;		/* of what the peer has sent */
	uint64_t granted;		/* that the peer knows it may send */

	uint32_t sequence;		/* of the next request */
	uint32_t peer_sequence;		/* that is expected next */
	uint32_t done_sequence;		/* of the peer: all before it have been carried out */
	uint32_t told_sequence;		/* as the peer knows */
	uint32_t peer_done;		/* requests of this side that the peer has carried out */
	bool ack_wanted;
	uint32_t recvs_posted, recvs_told, recvs_taken;	/* ever; as the peer knows; that messages came for */
	uint32_t recvs_owed;		/* that the peer was told of, and that were taken back */
	uint32_t peer_recvs;		/* the peer's, ever posted */
	uint32_t recvs_used;		/* of those */

	uint8_t data[NETGPU_EP_DATA_MAX];	/* from the peer's program */
	unsigned int data_length;
	uint8_t own_data[NETGPU_EP_DATA_MAX];
	unsigned int own_data_length;
	struct op started, ended;	/* its events */
};

struct netgpu_listener {
	struct netgpu_domain *domain;
	struct netgpu_listener *next, **prev;
	void *user;
	int fd;
	bool closed;
	bool again;			/* later, when there are descriptors again */
};

struct netgpu_domain {
	unsigned int refs;	/* the program's, and of each endpoint, listener and mr */
	bool closed;
	struct netgpu_ep *eps, *active;
	struct netgpu_listener *listeners;
	struct netgpu_mr *keys[KEYS];
	struct list done;		/* to be reported */
	struct op *free_ops;
	struct netgpu_domain_stats stats;
	int epoll, timer;
	unsigned int timed;		/* endpoints and listeners that the timer is for */
	bool awake;			/* the timer makes the descriptors readable */
	unsigned int awake_in;		/* ns, from the beginning */
	bool polled;			/* epoll has something, as the ring says */
	bool stuck;			/* the first completion of the ring waits for the refill ring */
	char *nowhere;
	struct netgpu_queue *queue;		/* with a network device, like what follows */
	struct io_uring ring;
	struct netgpu_region *region;
	unsigned int ifindex;
	unsigned int rx_queue;
	struct in_place *in_place;		/* NULL: nothing is */
	struct rss rss;				/* as it was last read */
	uint64_t landing;			/* bytes */
	struct message *messages;		/* without a buffer, the program's or not yet */
	uint64_t held;				/* bytes of landing memory that these keep, with what lies between */
	struct netgpu_completion *late;		/* that there was no room to return */
	unsigned int nr_late, room_late;
	const struct netgpu_copier *copier;	/* NULL: none, or it has failed */
	struct moving *moving, **moving_end;	/* what it has been told, or will be */
	struct moving *free_moving;
	struct netgpu_copy copies[NETGPU_COPIES_MOST];	/* that it will be told */
	unsigned int nr_copies;
	uint64_t copies_bytes;
	struct netgpu_memory *copies_to, *copies_from;
	uint64_t last_point;
	struct netgpu_memory process_memory;
	struct netgpu_mr process;
	char why[256];
};

static inline void list_init(struct list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static inline void list_add(struct list *list, struct op *op)
{
	op->next = NULL;
	*list->end = op;
	list->end = &op->next;
}

static inline struct op *list_take(struct list *list)
{
	struct op *op = list->first;

	if (op) {
		list->first = op->next;
		if (!list->first)
			list->end = &list->first;
	}
	return op;
}

/* The same, of what has payload. */
static inline void lane_add(struct list *list, struct op *op)
{
	op->next_lane = NULL;
	*list->end = op;
	list->end = &op->next_lane;
}

static inline struct op *lane_take(struct list *list)
{
	struct op *op = list->first;

	list->first = op->next_lane;
	if (!list->first)
		list->end = &list->first;
	return op;
}

/* The copier has bytes, or they are late, of the first request that is to be carried out; of others none are put into place before. */
static inline bool ep_is_copying(const struct netgpu_ep *ep)
{
	return ep->incoming.first && ep->incoming.first->copying;
}

/* By the peer, or by what lies between. */
static inline bool is_reset(int error)
{
	return error == -ECONNRESET || error == -EPIPE || error == -ECONNABORTED;
}

/* What is said first is what the program hears. */
static inline void ep_say(struct netgpu_ep *ep, const char *why)
{
	if (!ep->why)
		ep->why = why;
}

/* domain.c */
struct op *op_new(struct netgpu_ep *ep, enum op_kind kind);
void op_free(struct op *op);
void op_report(struct op *op);			/* to the program, which frees it */
void ep_activate(struct netgpu_ep *ep);
void domain_put(struct netgpu_domain *d);
int domain_fail_closed(void);
void domain_forget(struct netgpu_ep *ep);	/* what there is to report of it */

/* poll.c */
uint64_t now_ns(void);
int polls_open(struct netgpu_domain *d);
void polls_close(struct netgpu_domain *d);
int polls_take(struct netgpu_domain *d, int64_t timeout);
void polls_wake(struct netgpu_domain *d, unsigned int ns);
int poll_start(struct netgpu_domain *d, int fd, void *object, enum poll_kind kind);
void poll_end(struct netgpu_domain *d, int fd);
void timer_start(struct netgpu_domain *d);
void timer_end(struct netgpu_domain *d);
void deadline_start(struct netgpu_ep *ep);
void deadline_soon(struct netgpu_ep *ep, int lost, const char *lane);
void deadline_end(struct netgpu_ep *ep);

/* mr.c */
struct netgpu_mr *mr_find(const struct netgpu_domain *d, uint64_t key, unsigned int access);
static inline char *mr_address(const struct netgpu_mr *mr, uint64_t offset)
{
	return (char *)mr->memory->map + mr->offset + offset;
}

/* connect.c */
void listener_ready(struct netgpu_listener *l);
void ep_connected(struct netgpu_ep *ep, enum poll_kind lane);
void ep_start_again(struct netgpu_ep *ep);
void ep_greeted(struct netgpu_ep *ep, const struct wire *w, const uint8_t *data);
void ep_fail(struct netgpu_ep *ep, int error, bool tell);
void ep_broken(struct netgpu_ep *ep, int error, const char *why);	/* by the peer, who is told */
void ep_end(struct netgpu_ep *ep, int error);
void ep_gone(struct netgpu_ep *ep, int error);
void ep_finish(struct netgpu_ep *ep);	/* when the device has done with it */
void ep_free_unused(struct netgpu_ep *ep);

/* request.c */
void requests_go_on(struct netgpu_ep *ep);
void requests_report(struct netgpu_ep *ep);
void requests_flush(struct netgpu_ep *ep, int error);
void request_let_go(struct op *op);
void requests_let_go(struct netgpu_ep *ep);
bool requests_acked(struct netgpu_ep *ep, uint32_t ack);	/* all before it; false: without an answer */
bool request_failed(struct netgpu_ep *ep, const struct wire *w);
void incoming_give_up(struct netgpu_ep *ep);	/* on what waits for a buffer */
struct op *payload_next(struct netgpu_ep *ep);	/* what the next bytes are for, and may be put into */
void incoming_add(struct netgpu_ep *ep, const struct wire *w, const uint8_t *data);
void incoming_go_on(struct netgpu_ep *ep);

/* control.c */
bool control_has_room(const struct netgpu_ep *ep);
bool control_grants(const struct netgpu_ep *ep);
void control_put(struct netgpu_ep *ep, struct wire *w, const void *data, unsigned int bytes);
void control_flush(struct netgpu_ep *ep);
void control_close(struct netgpu_ep *ep);	/* say CLOSE */
void control_read(struct netgpu_ep *ep);
void control_take(struct netgpu_ep *ep);	/* all whole messages that are here */
void control_over(struct netgpu_ep *ep, int error);

/* payload.c */
void payload_send(struct netgpu_ep *ep);
void payload_receive(struct netgpu_ep *ep);
void payload_over(struct netgpu_ep *ep, int error);	/* the peer's end of it has been read */
void payload_lost(struct netgpu_ep *ep, int error);	/* as a send has said */

/* landing.c */
int landing_open(struct netgpu_domain *d, const struct netgpu_domain_params *p);
void landing_close(struct netgpu_domain *d);
uint64_t landing_share(const struct netgpu_domain *d);
uint64_t landing_share_of(const struct netgpu_ep *ep);
int landing_add(struct netgpu_ep *ep, int fd, enum lane lane, struct netgpu_conn **conn);
void landing_receive(struct netgpu_ep *ep);
void landing_drop(struct netgpu_ep *ep);
void landing_completed(struct netgpu_domain *d, const struct netgpu_completion *c);
bool landing_prepare(struct netgpu_domain *d);
int landing_take(struct netgpu_domain *d, int64_t timeout);
void landing_stop(struct netgpu_domain *d);
void landing_give_back(struct netgpu_domain *d, const struct netgpu_completion *c);
void landing_copy_out(const struct netgpu_completion *c, uint32_t at, char *to, uint32_t bytes);

void landing_release(struct netgpu_domain *d, const struct netgpu_completion *c);

/* message.c */
uint64_t message_most(const struct netgpu_domain *d);
struct message *message_new(struct netgpu_ep *ep, uint64_t length);
void message_free(struct netgpu_domain *d, struct message *m);
void messages_forget(struct netgpu_ep *ep);
char *message_add_host(struct message *m, uint64_t bytes);
int message_add(struct message *m, struct piece *p, uint32_t bytes);
void held_put(struct netgpu_domain *d, struct held *held);

/* inplace.c */
enum way {
	WAY_NONE,	/* they are there */
	WAY_MOVE,
	WAY_LATE,	/* not before their page has come back */
};

int in_place_open(struct netgpu_domain *d);
void in_place_close(struct netgpu_domain *d);
int in_place_add(struct netgpu_domain *d, struct netgpu_mr *mr, struct netgpu_memory *memory, uint64_t offset, uint64_t length);
void in_place_begin(struct netgpu_ep *ep);
void in_place_other(struct netgpu_ep *ep);
bool in_place_is_late(const struct netgpu_ep *ep);
uint64_t in_place_message_most(const struct netgpu_domain *d, uint64_t most);
void in_place_unwanted(void *domain, const struct netgpu_completion *c);
uint64_t in_place_share(const struct netgpu_ep *ep);
uint64_t in_place_grant(const struct netgpu_ep *ep);
void in_place_end(struct netgpu_ep *ep);
void in_place_stop(struct netgpu_domain *d);
void in_place_feed(struct netgpu_domain *d);
void in_place_give_back(struct netgpu_domain *d, const struct netgpu_completion *c);
void in_place_took(struct netgpu_domain *d, const struct netgpu_completion *c);
void in_place_done(struct netgpu_domain *d, const struct netgpu_completion *c);
struct netgpu_completion in_place_part(struct netgpu_ep *ep, uint64_t stream, const struct netgpu_completion *c, uint32_t done);
uint32_t in_place_way(const struct op *op, const struct netgpu_completion *c, uint32_t done, uint32_t bytes, enum way *way);
bool in_place_is(const struct netgpu_domain *d, const struct netgpu_completion *c);
bool in_place_late(struct op *op, const struct netgpu_completion *c, uint32_t done, uint32_t bytes);
void in_place_settle(struct netgpu_domain *d);
bool in_place_keeps(const struct netgpu_domain *d);
bool in_place_fails(struct netgpu_domain *d);
int in_place_error(const struct netgpu_domain *d);
int64_t in_place_patience(const struct netgpu_domain *d, int64_t timeout);

/* copier.c */
int copier_open(struct netgpu_domain *d, const struct netgpu_copier *copier);
bool copier_can(const struct netgpu_domain *d, const struct op *op, const struct netgpu_completion *c);
bool copier_add(struct op *op, const struct netgpu_completion *c, uint32_t at, uint32_t bytes);	/* false: it has to be the CPU */
bool copier_give_back(struct netgpu_domain *d, const struct netgpu_completion *c);
void copier_start(struct netgpu_domain *d);
void copier_go_on(struct netgpu_domain *d);	/* the same, when it is worth it */
void copier_take(struct netgpu_domain *d);	/* what is done */
void copier_drain(struct netgpu_domain *d);
void copier_close(struct netgpu_domain *d);

/* steer.c */
int steer_read(struct netgpu_domain *d);	/* how the device spreads what arrives; afterwards not known if it says -errno */
void steer_forget(struct netgpu_domain *d);
int steer_queue(const struct netgpu_domain *d, const struct sockaddr_storage *remote,
		const struct sockaddr_storage *local);	/* on which packets from there to here arrive; -1: not known */
int steer_lane(const struct netgpu_domain *d, enum lane lane, const struct sockaddr_storage *remote,
	       const struct sockaddr_storage *local);	/* 1: the queue is one for it; 0: not; -1: not known, or it is so with any port */
uint32_t rss_hash(const uint8_t *key, const uint8_t *input, unsigned int bytes);	/* of a key of 4 bytes more */
int rss_queue(const struct rss *rss, const struct sockaddr_storage *remote, const struct sockaddr_storage *local);
bool rss_parts(const struct rss *rss, unsigned int queue);	/* some of its entries are this queue, some are not */

#endif

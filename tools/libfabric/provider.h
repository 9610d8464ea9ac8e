/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * libfabric's provider "netgpu" from the inside, for the files that it is made of:
 *
 * info.c         what there is, for fi_getinfo()
 * fabric.c       fabrics, domains, and having things go on
 * mr.c           registered memory
 * cm.c           event queues, passive endpoints, connecting
 * endpoint.c     endpoints and their requests
 * completion.c   completion queues and counters
 *
 * A fabric is a domain of libnetgpu, which all domains of libfabric that are opened on it share, as listening is by
 * the fabric.  One lock guards all of it.
 *
 * Things go on when somebody reads a queue or a counter, or waits for one.  With a network device (FI_NETGPU_DEVICE), to
 * whose ring one thread belongs, and for who asks for FI_PROGRESS_AUTO, they do in a thread of the fabric's: others post
 * requests, read what has completed, and have it do the rest (fabric_call()).
 */
#ifndef NETGPU_PROVIDER_H
#define NETGPU_PROVIDER_H

#include <libnetgpu_endpoint.h>
#include <pthread.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <rdma/providers/fi_log.h>
#include <rdma/providers/fi_prov.h>
#include <sys/socket.h>

#define PROVIDER_NAME		"netgpu"
#define PROVIDER_VERSION	FI_VERSION(1, 0)
#define API_VERSION		FI_VERSION(2, 1)
#define HOST_NAME		"netgpu-host"	/* of the fabric and the domain without a device */
#define SIZE			1024	/* requests of an endpoint, usually */

/* Of requests: */
#define NO_ENTRY		NETGPU_MSG_USER_0	/* it is counted, but nobody reads of it unless it fails */
#define NO_CONTEXT		NETGPU_MSG_USER_1	/* nor then */

#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

/* What can be waited for: by itself, or by a descriptor. */
struct signal {
	int epoll, event;	/* for programs that poll; -1: by nobody */
	bool armed;
	int wake;		/* for fabric_wait(), which takes nothing from who polls */
	bool wake_armed;
	unsigned int waiters;	/* in fabric_wait() */
	uint64_t raised;	/* times */
	unsigned int seen;	/* waiters that have looked since the last */
};

/* What the fabric's thread is to do for another one. */
struct call {
	struct call *next;
	int (*run)(void *arg);
	void *arg;
	int ret;
	bool done;
};

struct fabric {
	struct fid_fabric fid;
	pthread_mutex_t lock;
	struct netgpu_domain *engine;
	struct netgpu_sdma *sdma;	/* that copies for it; NULL: the CPU does */
	bool in_place;			/* payload, as far as can be: FI_NETGPU_IN_PLACE */
	char *device;			/* NULL: ordinary sockets */
	bool threaded;			/* or what follows is unused */
	pthread_t thread;
	pthread_cond_t called;		/* a call is done */
	struct call *calls, **calls_end;
	struct call *first;		/* what the thread begins with */
	int kick;			/* wakes the thread */
	bool asleep, stop;
	int error;			/* of the engine: nothing goes on any more */
	int failed;			/* says so to all who wait */
	struct pep *peps;
	struct connreq *connreqs;
	struct listener *unused;	/* to be closed */
	unsigned int users;
};

struct domain {
	struct fid_domain fid;
	struct fabric *fabric;
	unsigned int users;
};

struct mr {
	struct fid_mr fid;
	struct domain *domain;
	struct netgpu_memory *memory;	/* of a dma-buf */
	bool sdma;			/* the fabric's reaches it */
	struct netgpu_mr *mr;
	const char *start;		/* address of its first byte, to the program */
	const char *bytes;		/* and to the CPU */
	uint64_t length;
};

struct entry {
	struct entry *next;
	struct fi_cq_err_entry e;
};

struct cq {
	struct fid_cq fid;
	struct domain *domain;
	enum fi_cq_format format;
	struct signal signal;
	struct entry *first, **end;
	struct entry *unused;
	size_t size, unread;
	struct ep *paused;		/* whose peers write no more into it */
	unsigned int users;
	unsigned int signals, signals_taken;	/* by fi_cq_signal() */
};

struct cntr {
	struct fid_cntr fid;
	struct domain *domain;
	struct signal signal;
	uint64_t value, errors;
	bool changed;			/* since it was read */
	unsigned int users;
};

/* What is read of it is in @bytes: an entry with what the peer has given, or, with @error, that alone. */
struct event {
	struct event *next;
	uint32_t type;
	int error;
	fid_t fid;			/* NULL: the program has written it */
	struct fi_info *info;
	size_t least;			/* room that a reader must have */
	size_t length;
	uint8_t bytes[];
};

struct eq {
	struct fid_eq fid;
	struct fabric *fabric;
	struct signal signal;
	struct event *first, **end;
	uint8_t error_data[NETGPU_EP_DATA_MAX];
	unsigned int users;
};

struct pep {
	struct fid_pep fid;
	struct pep *next;		/* of the fabric */
	struct fabric *fabric;
	struct fi_info *info;
	struct eq *eq;
	struct listener *listener;
	unsigned int backlog;		/* requests that are not answered */
	int reserved;			/* a socket that keeps the port, until something else does; or -1 */
	struct sockaddr_storage address;
	socklen_t address_length;
};

/* It is there as long as somebody who came by it is still to come up: he needs it. */
struct listener {
	struct listener *next;		/* of those to be closed */
	struct netgpu_listener *engine;
	struct pep *pep;		/* NULL: closed */
	unsigned int users;
};

/* A request that was neither accepted nor rejected; its info has it as the handle. */
struct connreq {
	struct fid fid;
	struct connreq *next;		/* of the fabric */
	struct netgpu_ep *ep;
	struct ep *user;		/* from fi_endpoint() */
	struct listener *listener;
	bool ended;			/* the peer has gone */
};

enum { COUNT_SEND, COUNT_RECV, COUNT_READ, COUNT_WRITE, COUNTS };

struct ep {
	struct fid_ep fid;
	struct domain *domain;
	struct netgpu_ep *ep;
	struct connreq *connreq;	/* to be accepted */
	struct listener *listener;	/* while it is coming up */
	struct eq *eq;
	struct cq *tx, *rx;
	bool tx_selective, rx_selective;
	struct cntr *cntr[COUNTS];
	uint64_t tx_flags, rx_flags;
	size_t tx_size, rx_size;	/* requests that may be posted */
	size_t tx_posted, rx_posted;
	struct late *late, **late_end;	/* receives, posted after the end */
	struct sockaddr_storage peer;
	socklen_t peer_length;
	struct ep *next_paused;
	bool connected, shut, ended, paused;
};

/* info.c */
extern struct fi_provider provider;
struct fi_info *info_for_request(const struct fi_info *of, struct netgpu_ep *ep);
bool is_address(const void *address, size_t length);
bool is_any(const void *address);		/* and with any port */
struct fid_nic *nic_of(const char *device);	/* for a fi_info; NULL without memory */
const char *device_name(void);			/* from the environment; NULL: none */
bool is_fabric_name(const char *name);
bool is_domain_name(const char *name);

/* fabric.c */
int fabric_open(struct fi_fabric_attr *attr, struct fid_fabric **fabric, void *context);
int fabric_call(struct fabric *f, int (*run)(void *arg), void *arg);	/* with the lock, where all is allowed */
void fabric_yield(const struct fabric *f);	/* who has read in vain lets others on */
void fabric_progress(struct fabric *f);		/* with its lock, like what follows */
void fabric_posted(struct fabric *f);		/* there is something to do */
void fabric_flush(struct fabric *f, const struct ep *ep);
int fabric_wait(struct fabric *f, struct signal *s, bool (*ready)(void *), void *object, int timeout);
int signal_open(struct signal *s, enum fi_wait_obj kind, struct fabric *f);
void signal_close(struct signal *s);
void signal_raise(struct signal *s);
int signal_control(struct signal *s, int command, void *arg);
int errno_of(int ret);

/* mr.c */
extern struct fi_ops_mr mr_ops;

int copier_open(struct fabric *f, struct netgpu_domain_params *params);	/* @params has the landing memory */
void copier_close(struct fabric *f);		/* after the engine */
void copier_add(struct fabric *f, struct mr *mr);
void copier_remove(struct fabric *f, struct mr *mr);

/* cm.c */
int eq_open(struct fid_fabric *fabric, struct fi_eq_attr *attr, struct fid_eq **eq, void *context);
int pep_open(struct fid_fabric *fabric, struct fi_info *info, struct fid_pep **pep, void *context);
void cm_event(struct fabric *f, const struct netgpu_event *e);
bool eq_has(void *eq);
void eq_forget(struct eq *eq, const struct fid *fid);
struct pep *pep_of(fid_t fid);			/* NULL: it is none of this provider's */
struct pep *pep_find(const struct fabric *f, const struct fid *handle);	/* which may be of what is gone */
int pep_reserve(struct pep *pep);
void pep_release(struct pep *pep);
struct connreq *connreq_find(struct fabric *f, const struct fid *handle);
void connreq_free(struct fabric *f, struct connreq *c);
void listener_put(struct fabric *f, struct listener *l);
void listeners_close(struct fabric *f);		/* that nobody needs */
int get_option(fid_t fid, int level, int name, void *value, size_t *length);
extern struct fi_ops_cm ep_cm_ops;
int no_control(struct fid *fid, int command, void *arg);
int no_bind(struct fid *fid, struct fid *to, uint64_t flags);
int no_ops_open(struct fid *fid, const char *name, uint64_t flags, void **ops, void *context);

/* endpoint.c */
int ep_open(struct fid_domain *domain, struct fi_info *info, struct fid_ep **ep, void *context);
void late_complete(struct ep *ep);		/* what was posted after the end */

/* completion.c */
int cq_open(struct fid_domain *domain, struct fi_cq_attr *attr, struct fid_cq **cq, void *context);
int cntr_open(struct fid_domain *domain, struct fi_cntr_attr *attr, struct fid_cntr **cntr, void *context);
void complete(struct ep *ep, const struct netgpu_event *e);
bool cq_is_ready(struct cq *cq);
bool cq_is_full(const struct cq *cq);		/* NULL is allowed */
void cq_forget(struct ep *ep);
bool cntr_is_ready(struct cntr *cntr);

#endif

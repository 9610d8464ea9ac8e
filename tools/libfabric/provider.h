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
 * the fabric.  One lock guards all of it.  Things go on when somebody reads a queue or a counter, or waits for one.
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
#include <rdma/providers/fi_prov.h>
#include <sys/socket.h>

#define PROVIDER_NAME		"netgpu"
#define PROVIDER_VERSION	FI_VERSION(1, 0)
#define API_VERSION		FI_VERSION(2, 1)
#define FABRIC_NAME		"netgpu-host"
#define SIZE			1024	/* requests of an endpoint, usually */

#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

/* What can be waited for: by itself, or by a descriptor. */
struct signal {
	struct signal *next;
	int epoll, event;	/* -1: by nobody */
	bool armed;
};

struct fabric {
	struct fid_fabric fid;
	pthread_mutex_t lock;
	struct netgpu_domain *engine;
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
	struct netgpu_mr *mr;
	const char *start;		/* address of its first byte, to the program */
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
	struct entry *errors, **errors_end;
	struct entry *unused;
	unsigned int users;
	bool signaled;			/* by fi_cq_signal() */
};

struct cntr {
	struct fid_cntr fid;
	struct domain *domain;
	struct signal signal;
	uint64_t value, errors;
	unsigned int users;
};

struct event {
	struct event *next;
	uint32_t type;
	int error;
	struct fi_eq_cm_entry entry;
	size_t length;
	uint8_t data[NETGPU_EP_DATA_MAX];
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
	struct fabric *fabric;
	struct fi_info *info;
	struct eq *eq;
	struct netgpu_listener *listener;
	struct sockaddr_storage address;
	socklen_t address_length;
};

/* A request that was not answered; its info has it as the handle. */
struct connreq {
	struct fid fid;
	struct fabric *fabric;
	struct netgpu_ep *ep;
};

enum { COUNT_SEND, COUNT_RECV, COUNT_READ, COUNT_WRITE, COUNT_REMOTE_READ, COUNT_REMOTE_WRITE, COUNTS };

struct ep {
	struct fid_ep fid;
	struct domain *domain;
	struct netgpu_ep *ep;
	struct eq *eq;
	struct cq *tx, *rx;
	bool tx_selective, rx_selective;
	struct cntr *cntr[COUNTS];
	uint64_t tx_flags, rx_flags;
	struct sockaddr_storage peer;
	socklen_t peer_length;
	bool connected;
};

/* info.c */
extern struct fi_provider provider;
struct fi_info *info_for_request(const struct fi_info *of, struct netgpu_ep *ep);

/* fabric.c */
int fabric_open(struct fi_fabric_attr *attr, struct fid_fabric **fabric, void *context);
void fabric_progress(struct fabric *f);		/* with its lock */
int fabric_wait(struct fabric *f, struct signal *s, bool (*ready)(void *), void *object, int timeout);
int signal_open(struct signal *s, enum fi_wait_obj kind, struct fabric *f);
void signal_close(struct signal *s);
void signal_raise(struct signal *s);
int signal_get(struct signal *s, void *arg);
int errno_of(int ret);

/* mr.c */
extern struct fi_ops_mr mr_ops;

/* cm.c */
int eq_open(struct fid_fabric *fabric, struct fi_eq_attr *attr, struct fid_eq **eq, void *context);
int pep_open(struct fid_fabric *fabric, struct fi_info *info, struct fid_pep **pep, void *context);
void cm_event(struct fabric *f, const struct netgpu_event *e);
bool eq_has(void *eq);
void eq_forget(struct eq *eq, const struct fid *fid);
extern struct fi_ops_cm ep_cm_ops;
int no_control(struct fid *fid, int command, void *arg);
int no_bind(struct fid *fid, struct fid *to, uint64_t flags);
int no_ops_open(struct fid *fid, const char *name, uint64_t flags, void **ops, void *context);

/* endpoint.c */
int ep_open(struct fid_domain *domain, struct fi_info *info, struct fid_ep **ep, void *context);

/* completion.c */
int cq_open(struct fid_domain *domain, struct fi_cq_attr *attr, struct fid_cq **cq, void *context);
int cntr_open(struct fid_domain *domain, struct fi_cntr_attr *attr, struct fid_cntr **cntr, void *context);
void complete(struct ep *ep, const struct netgpu_event *e);
bool cq_has(void *cq);

#endif

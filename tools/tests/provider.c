// SPDX-License-Identifier: GPL-2.0
/*
 * libfabric's provider over the loopback, in host memory: what becomes of requests, events and errors when a program or a peer does
 * not do its part. The provider is linked, so that a test can have the engine be late, or fail. KTAP.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../libfabric/provider.h"
#include "ktap.h"

#define LONG	10000	/* ms, for what comes */
#define SHORT	300	/* for what does not */
#define PATIENCE 2000	/* of the provider: ms, for what is closed to end */
#define WINDOW	1024	/* of the engine: requests that the peer has not acknowledged */

struct fi_provider *fi_prov_ini(void);
int __real_netgpu_domain_wait(struct netgpu_domain *d, struct netgpu_event *events, unsigned int room, int64_t timeout);
int __wrap_netgpu_domain_wait(struct netgpu_domain *d, struct netgpu_event *events, unsigned int room, int64_t timeout);

static bool threaded;		/* a thread of the fabric's has things go on */
static int64_t late_until;	/* ms: the engine has nothing before */
static int broken;		/* -errno: it has failed */
static bool closing;		/* all the same it tells what has ended */
static bool selective;		/* endpoints tell of what they are asked to, and of errors */
static unsigned int calls;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

int __wrap_netgpu_domain_wait(struct netgpu_domain *d, struct netgpu_event *events, unsigned int room, int64_t timeout)
{
	int n, error = __atomic_load_n(&broken, __ATOMIC_RELAXED);

	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
	if (now() < __atomic_load_n(&late_until, __ATOMIC_RELAXED))
		return 0;
	if (error && !__atomic_load_n(&closing, __ATOMIC_RELAXED))
		return error;
	n = __real_netgpu_domain_wait(d, events, room, timeout);
	return n ? n : error;
}

/* ------------------------------------------------------------- what is used */

static struct fi_info *info;
static struct fid_fabric *fabric;
static struct fid_domain *domain;
static struct fid_eq *eq;
static struct fid_pep *pep;
static struct sockaddr_in address;

struct side {
	struct fid_ep *ep;
	struct fid_cq *cq;
};

static void open_all(void)
{
	struct fi_provider *prov = fi_prov_ini();
	struct fi_info *hints = fi_allocinfo();
	struct fi_eq_attr attr = { .wait_obj = FI_WAIT_FD };
	size_t length = sizeof(address);

	must(hints, "hints");
	hints->ep_attr->type = FI_EP_MSG;
	hints->domain_attr->mr_mode = FI_MR_PROV_KEY;
	hints->domain_attr->progress = threaded ? FI_PROGRESS_AUTO : FI_PROGRESS_MANUAL;
	must(!prov->getinfo(FI_VERSION(2, 0), "127.0.0.1", NULL, FI_SOURCE, hints, &info), "getinfo");
	fi_freeinfo(hints);
	must(!prov->fabric(info->fabric_attr, &fabric, NULL), "fabric");
	must(!fi_domain(fabric, info, &domain, NULL), "domain");
	must(!fi_eq_open(fabric, &attr, &eq, NULL), "event queue");
	must(!fi_passive_ep(fabric, info, &pep, NULL) && !fi_pep_bind(pep, &eq->fid, 0), "passive endpoint");
	must(!fi_listen(pep) && !fi_getname(&pep->fid, &address, &length), "listen");
}

static bool close_all(void)
{
	bool closed = !fi_close(&pep->fid) && !fi_close(&eq->fid) && !fi_close(&domain->fid) && !fi_close(&fabric->fid);

	fi_freeinfo(info);
	return closed;
}

/* The event; 0 when there is none, or another error than @error. */
static uint32_t event(struct fi_eq_cm_entry *entry, int timeout, int error)
{
	struct fi_eq_err_entry failure = { 0 };
	uint32_t kind = 0;
	ssize_t n = fi_eq_sread(eq, &kind, entry, sizeof(*entry), timeout, 0);

	if (n == -FI_EAVAIL && fi_eq_readerr(eq, &failure, 0) > 0 && failure.err == error) {
		entry->fid = failure.fid;
		return FI_SHUTDOWN;
	}
	return n > 0 ? kind : 0;
}

static void open_side(struct side *s, struct fi_info *from, size_t size)
{
	struct fi_cq_attr attr = { .size = size, .format = FI_CQ_FORMAT_DATA, .wait_obj = FI_WAIT_FD };

	must(!fi_cq_open(domain, &attr, &s->cq, NULL), "completion queue");
	must(!fi_endpoint(domain, from, &s->ep, NULL), "endpoint");
	must(!fi_ep_bind(s->ep, &eq->fid, 0) &&
	     !fi_ep_bind(s->ep, &s->cq->fid, FI_TRANSMIT | FI_RECV | (selective ? FI_SELECTIVE_COMPLETION : 0)) && !fi_enable(s->ep), "bind");
}

static bool close_side(struct side *s)
{
	return !fi_close(&s->ep->fid) && !fi_close(&s->cq->fid);
}

/* @a connects to @b, with so much room in the queue of each. */
static void connect_sides(struct side *a, size_t a_size, struct side *b, size_t b_size)
{
	struct fi_eq_cm_entry e;
	int i;

	open_side(a, info, a_size);
	must(!fi_connect(a->ep, &address, NULL, 0) && event(&e, LONG, 0) == FI_CONNREQ, "connect");
	open_side(b, e.info, b_size);
	fi_freeinfo(e.info);
	must(!fi_accept(b->ep, NULL, 0), "accept");
	for (i = 0; i < 2; i++)
		must(event(&e, LONG, 0) == FI_CONNECTED, "connected");
}

static ssize_t read_one(struct fid_cq *cq, struct fi_cq_data_entry *e, int timeout)
{
	return fi_cq_sread(cq, e, 1, NULL, timeout);
}

/* How many of @most requests are reported as canceled, with nothing else between them. */
static int canceled(struct fid_cq *cq, int most)
{
	struct fi_cq_err_entry failure;
	struct fi_cq_data_entry e;
	int n = 0;

	while (n < most && read_one(cq, &e, LONG) == -FI_EAVAIL) {
		failure = (struct fi_cq_err_entry){ 0 };
		if (fi_cq_readerr(cq, &failure, 0) != 1 || failure.err != FI_ECANCELED)
			break;
		n++;
	}
	return n;
}

/* ------------------------------------------------------------------- closing */

static void closes_what_is_under_way(void)
{
	static char bytes[8192];
	struct fid_mr *mr;
	struct side a, b;
	int i, n;

	connect_sides(&a, 0, &b, 0);
	must(!fi_mr_reg(domain, bytes, sizeof(bytes), FI_SEND | FI_RECV, 0, 0, 0, &mr, NULL), "mr");
	for (i = 0; i < 3; i++)		/* for which the peer has no buffer */
		must(!fi_send(a.ep, bytes, 4096, fi_mr_desc(mr), 0, NULL), "send");
	for (i = 0; i < 2; i++)
		must(!fi_recv(a.ep, bytes + 4096, 4096, fi_mr_desc(mr), 0, NULL), "recv");
	__atomic_store_n(&late_until, now() + SHORT, __ATOMIC_RELAXED);
	ok(!fi_close(&a.ep->fid), "an endpoint is closed while it sends, and the device is slow");
	n = canceled(a.cq, 5);
	ok(n == 5, "all that was posted is reported as canceled: %d of 5", n);
	ok(!fi_close(&mr->fid), "and its memory can be closed");
	ok(!fi_close(&a.cq->fid) && close_side(&b), "as can the rest");
}

/* ------------------------------------------------------- completion queues */

struct target {
	struct fid_mr *mr;
	uint64_t bytes[1];
};

/* Post up to @total writes with data from @from on, until nothing has completed for a while; how many have. */
static unsigned int write_all(struct side *s, const struct target *t, unsigned int *from, unsigned int total, unsigned int *done)
{
	static uint64_t word;
	struct fi_cq_data_entry e;
	int64_t end = now() + SHORT;

	while (*done < total && now() < end) {
		if (*from < total && !fi_writedata(s->ep, &word, sizeof(word), NULL, *from, 0, 0, fi_mr_key(t->mr), NULL))
			++*from;
		if (fi_cq_read(s->cq, &e, 1) != 1)
			continue;
		++*done;
		end = now() + SHORT;
	}
	return *done;
}

static bool read_all(struct side *s, unsigned int *seen, unsigned int total)
{
	struct fi_cq_data_entry e;

	for (; *seen < total; ++*seen)
		if (read_one(s->cq, &e, LONG) != 1 || !(e.flags & FI_REMOTE_CQ_DATA) || e.data != *seen)
			return false;
	return true;
}

static void bounds_what_peers_write(void)
{
	const unsigned int size = 16, total = 3 * WINDOW;
	unsigned int from = 0, done = 0, seen = 0, before;
	struct fi_eq_cm_entry entry;
	struct fi_cq_data_entry e;
	struct target t;
	struct side a, b;
	bool right;

	connect_sides(&a, 0, &b, size);
	must(!fi_mr_reg(domain, t.bytes, sizeof(t.bytes), FI_REMOTE_WRITE, 0, 0, 0, &t.mr, NULL), "mr");
	before = write_all(&a, &t, &from, total, &done);
	ok(before >= size && before <= size + WINDOW, "of %u writes with data to who does not read %u are carried out", total, before);
	do {
		right = read_all(&b, &seen, done);
		before = done;
		write_all(&a, &t, &from, total, &done);
	} while (right && done > before);
	right = right && done == total && read_all(&b, &seen, total);
	ok(right, "and all the others when it reads, in their order: %u", seen);

	write_all(&a, &t, &from, total + 2 * WINDOW, &done);
	before = from;
	ok(done < before && !fi_shutdown(a.ep, 0), "%u more, of which %u are carried out, and an end of it", before - total, done - total);
	right = read_all(&b, &seen, before);
	ok(right, "all come to who reads then: %u", seen - total);
	right = event(&entry, LONG, 0) == FI_SHUTDOWN && event(&entry, LONG, 0) == FI_SHUTDOWN;
	ok(right, "and then the end of both");
	while (fi_cq_read(a.cq, &e, 1) == 1)
		;
	ok(close_side(&a) && close_side(&b) && !fi_close(&t.mr->fid), "closed");
}

static void closes_who_has_not_read(void)
{
	unsigned int from = 0, done = 0;
	struct target t;
	struct side a, b;

	connect_sides(&a, 0, &b, 1);
	must(!fi_mr_reg(domain, t.bytes, sizeof(t.bytes), FI_REMOTE_WRITE, 0, 0, 0, &t.mr, NULL), "mr");
	write_all(&a, &t, &from, WINDOW, &done);
	ok(close_side(&b) && close_side(&a) && !fi_close(&t.mr->fid), "an endpoint is closed whose peer waits for it to read");
}

static void bounds_what_is_posted(void)
{
	const unsigned int size = 8;
	struct fi_cq_data_entry e;
	unsigned int i, n;
	struct side a, b;
	ssize_t ret = 0;

	connect_sides(&a, size, &b, 0);
	for (i = 0; i < 4 * size; i++)
		must(!fi_recv(b.ep, NULL, 0, NULL, 0, NULL), "recv");
	for (n = 0; n < 4 * size; n++) {
		ret = fi_send(a.ep, NULL, 0, NULL, 0, NULL);
		if (ret)
			break;
		/* It completes, and nobody reads that. */
		must(read_one(b.cq, &e, LONG) == 1, "received");
		fi_cq_read(a.cq, NULL, 0);
		usleep(threaded ? 2000 : 0);
	}
	ok(ret == -FI_EAGAIN && n >= size && n < 4 * size, "with a full queue nothing more is posted: %u sent with room for %u", n, size);
	for (i = 0; i < n && read_one(a.cq, &e, LONG) == 1; i++)
		;
	ok(i == n && !fi_send(a.ep, NULL, 0, NULL, 0, NULL), "all completions are there, and afterwards there is room");
	ok(close_side(&a) && close_side(&b), "closed");
}

/* ------------------------------------------------------------------ requests */

static void posts_after_the_end(void)
{
	unsigned int from = 0, done = 0, seen = 0;
	struct fi_cq_err_entry failure = { 0 };
	struct fi_eq_cm_entry entry;
	struct fi_cq_data_entry e;
	struct fi_msg silent = { 0 };
	struct target t;
	struct side a, b;
	ssize_t ret = 0;
	char byte;
	int n;

	connect_sides(&a, 0, &b, 0);
	must(!fi_mr_reg(domain, t.bytes, sizeof(t.bytes), FI_REMOTE_WRITE, 0, 0, 0, &t.mr, NULL), "mr");
	must(write_all(&a, &t, &from, 1, &done) == 1 && !fi_shutdown(a.ep, 0), "write, and end it");
	must(event(&entry, LONG, 0) == FI_SHUTDOWN && event(&entry, LONG, 0) == FI_SHUTDOWN, "the end of both");
	ok(!fi_recv(b.ep, &byte, 1, NULL, 0, &byte) && !fi_recv(b.ep, &byte, 1, NULL, 0, NULL),
	   "a peer has gone before receives are posted: no program can know that");
	ok(read_all(&b, &seen, 1), "what it did before is read first");
	ok(read_one(b.cq, &e, LONG) == -FI_EAVAIL && fi_cq_readerr(b.cq, &failure, 0) == 1 && failure.err == FI_ECANCELED &&
	   failure.op_context == &byte && failure.flags & FI_RECV && canceled(b.cq, 1) == 1 && fi_cq_read(b.cq, &e, 1) == -FI_EAGAIN,
	   "then that they are canceled");
	ok(fi_send(b.ep, NULL, 0, NULL, 0, NULL) == -FI_ENOTCONN, "nothing is sent any more: ENOTCONN");
	ok(close_side(&a) && close_side(&b) && !fi_close(&t.mr->fid), "closed");

	connect_sides(&a, 0, &b, 0);
	__atomic_store_n(&late_until, now() + SHORT, __ATOMIC_RELAXED);
	must(!fi_shutdown(b.ep, 0), "shutdown");
	ok(!fi_recv(b.ep, &byte, 1, NULL, 0, NULL) && fi_cq_read(b.cq, &e, 1) == -FI_EAGAIN, "one is posted while the end comes");
	ok(canceled(b.cq, 1) == 1, "and is canceled when it has");
	must(event(&entry, LONG, 0) == FI_SHUTDOWN && event(&entry, LONG, 0) == FI_SHUTDOWN, "the end of both");
	ok(close_side(&a) && close_side(&b), "closed");

	connect_sides(&a, 0, &b, 0);
	__atomic_store_n(&late_until, now() + PATIENCE + SHORT, __ATOMIC_RELAXED);
	must(!fi_shutdown(b.ep, 0) && !fi_recv(b.ep, &byte, 1, NULL, 0, NULL), "post while the end comes");
	ok(!fi_close(&b.ep->fid) && canceled(b.cq, 1) == 1, "or when the endpoint is closed, and does not come to an end");
	ok(!fi_close(&b.cq->fid) && close_side(&a), "closed");

	selective = true;
	connect_sides(&a, 8, &b, 8);
	selective = false;
	must(!fi_shutdown(a.ep, 0) && event(&entry, LONG, 0) == FI_SHUTDOWN && event(&entry, LONG, 0) == FI_SHUTDOWN, "the end of both");
	for (n = 0; n < 1000 && !(ret = fi_recvmsg(b.ep, &silent, 0)); n++)
		;
	ok(ret == -FI_EAGAIN && n == 8 && canceled(b.cq, n) == n, "those that nobody is to hear of are bounded by the queue: %d", n);
	must(close_side(&a) && close_side(&b), "closed");
}

static void forgets_request(void)
{
	struct fabric *f = container_of(fabric, struct fabric, fid);
	struct fi_eq_cm_entry e;
	struct side a, b;
	fid_t handle;
	char byte;

	open_side(&a, info, 0);
	must(!fi_connect(a.ep, &address, NULL, 0) && event(&e, LONG, 0) == FI_CONNREQ, "connect");
	open_side(&b, e.info, 0);
	handle = e.info->handle;
	fi_freeinfo(e.info);
	must(!fi_recv(b.ep, &byte, 1, NULL, 0, NULL), "recv");
	ok(!fi_close(&b.ep->fid), "the endpoint of a request is closed before it is accepted");
	ok(canceled(b.cq, 1) == 1, "what was posted to it is reported");
	ok(event(&e, LONG, FI_ECONNREFUSED) == FI_SHUTDOWN && e.fid == &a.ep->fid, "the peer is refused");
	ok(!f->connreqs, "and the request is gone");
	ok(fi_reject(pep, handle, NULL, 0) == -FI_EINVAL, "it cannot be rejected once more");
	e.info = fi_dupinfo(info);
	must(e.info, "info");
	e.info->handle = handle;
	ok(fi_endpoint(domain, e.info, &b.ep, NULL) == -FI_EINVAL, "nor have another endpoint");
	e.info->handle = NULL;
	fi_freeinfo(e.info);
	ok(!fi_close(&b.cq->fid) && close_side(&a), "closed");
}

static void bounds_requests(void)
{
	enum { ROOM = 4, PEERS = 10 };
	struct fi_info *asked[PEERS] = { NULL };
	struct side peers[PEERS];
	struct fi_eq_cm_entry e;
	int i, requests = 0, refused = 0, backlog = ROOM;
	uint32_t kind;

	ok(!fi_control(&pep->fid, FI_BACKLOG, &backlog), "a backlog of %d", ROOM);
	for (i = 0; i < PEERS; i++) {
		open_side(&peers[i], info, 0);
		must(!fi_connect(peers[i].ep, &address, NULL, 0), "connect");
	}
	while (requests + refused < PEERS) {
		kind = event(&e, LONG, FI_ECONNREFUSED);
		if (kind == FI_CONNREQ)
			asked[requests++] = e.info;
		else if (kind == FI_SHUTDOWN)
			refused++;
		else
			break;
	}
	ok(requests == ROOM && refused == PEERS - ROOM, "of %d peers %d ask a program that does not answer, and %d are refused", PEERS,
	   requests, refused);
	must(!fi_reject(pep, asked[0]->handle, NULL, 0) && event(&e, LONG, FI_ECONNREFUSED) == FI_SHUTDOWN, "reject");
	for (i = 0; i < PEERS; i++)
		must(close_side(&peers[i]), "close");
	open_side(&peers[0], info, 0);
	must(!fi_connect(peers[0].ep, &address, NULL, 0), "connect");
	ok(event(&e, LONG, FI_ECONNREFUSED) == FI_CONNREQ, "when it has answered one there is room for another");
	if (requests < PEERS)
		asked[requests++] = e.info;
	for (i = 1; i < requests; i++)
		fi_reject(pep, asked[i]->handle, NULL, 0);
	for (i = 0; i < requests; i++)
		fi_freeinfo(asked[i]);
	ok(close_side(&peers[0]), "closed");
	while (event(&e, SHORT, FI_ECONNREFUSED))
		;
	backlog = 128;
	must(!fi_control(&pep->fid, FI_BACKLOG, &backlog), "backlog");
	backlog = 0;
	ok(fi_control(&pep->fid, FI_BACKLOG, &backlog) == -FI_EINVAL, "a backlog of 0 is none");
}

/* ------------------------------------------------------------------- waiting */

static void *wait_for_many(void *cntr)
{
	return (void *)(intptr_t)fi_cntr_wait(cntr, 1000, SHORT * 2);
}

/* Who polls the descriptor comes to it late; the other who waits has been woken, too, and waits for more. */
static void wakes_all(void)
{
	struct fi_cntr_attr attr = { .events = FI_CNTR_EVENTS_COMP, .wait_obj = FI_WAIT_FD };
	struct pollfd pfd = { .events = POLLIN };
	struct fid_cntr *cntr;
	pthread_t other;
	struct fid *fid;
	void *ret;

	must(!fi_cntr_open(domain, &attr, &cntr, NULL) && !fi_control(&cntr->fid, FI_GETWAIT, &pfd.fd), "counter");
	fid = &cntr->fid;
	must(!pthread_create(&other, NULL, wait_for_many, cntr), "thread");
	usleep(100000);
	ok(!fi_trywait(fabric, &fid, 1), "a counter has not changed");
	fi_cntr_add(cntr, 1);
	usleep(100000);
	ok(poll(&pfd, 1, SHORT) == 1, "it has: who polls hears of it, although another waits for more");
	ok(fi_trywait(fabric, &fid, 1) == -FI_EAGAIN && fi_cntr_read(cntr) == 1, "and sees what it is");
	pthread_join(other, &ret);
	ok((intptr_t)ret == -FI_ETIMEDOUT, "the other has waited in vain");
	ok(!fi_close(&cntr->fid), "closed");
}

/* ------------------------------------------------------------------- failing */

static void *wait_for_one(void *cq)
{
	struct fi_cq_data_entry e;

	return (void *)(intptr_t)read_one(cq, &e, LONG);
}

/* The last test of a fabric. */
static void hears_of_failure(void)
{
	struct fi_cntr_attr attr = { .events = FI_CNTR_EVENTS_COMP, .wait_obj = FI_WAIT_FD };
	struct fi_eq_cm_entry entry;
	struct fi_cq_data_entry e;
	struct fid_cntr *cntr;
	struct side a, b;
	unsigned int before;
	uint32_t kind;
	pthread_t other;
	struct fid *fid;
	void *ret;
	char byte;

	connect_sides(&a, 0, &b, 0);
	must(!fi_cntr_open(domain, &attr, &cntr, NULL), "counter");
	must(!fi_recv(b.ep, &byte, 1, NULL, 0, NULL), "recv");
	must(!pthread_create(&other, NULL, wait_for_one, b.cq), "thread");
	usleep(100000);
	__atomic_store_n(&broken, -EBUSY, __ATOMIC_RELAXED);
	ok(fi_cq_read(a.cq, &e, 1) == -FI_EAGAIN && fi_eq_read(eq, &kind, &entry, sizeof(entry), 0) == -FI_EAGAIN,
	   "the engine cannot restart its queue: that may pass");
	__atomic_store_n(&broken, -EIO, __ATOMIC_RELAXED);
	fi_send(a.ep, NULL, 0, NULL, 0, NULL);	/* it is sent, and nobody takes it */
	fi_cq_read(a.cq, &e, 1);
	pthread_join(other, &ret);
	ok((intptr_t)ret == -FI_EIO, "the engine has failed: who waits is woken");
	ok(read_one(b.cq, &e, LONG) == -FI_EIO, "and who waits then does not");
	ok(fi_cq_read(b.cq, &e, 1) == -FI_EIO, "as does who reads a completion queue");
	ok(fi_eq_read(eq, &kind, &entry, sizeof(entry), 0) == -FI_EIO, "or an event queue");
	ok(fi_cntr_wait(cntr, 1, LONG) == -FI_EIO, "or waits for a counter");
	fid = &cntr->fid;
	ok(fi_trywait(fabric, &fid, 1) == -FI_EIO, "or is about to");
	ok(fi_recv(b.ep, &byte, 1, NULL, 0, NULL) == -FI_EIO && fi_send(a.ep, &byte, 1, NULL, 0, NULL) == -FI_EIO, "or posts a request");
	before = __atomic_load_n(&calls, __ATOMIC_RELAXED);
	usleep(200000);
	before = __atomic_load_n(&calls, __ATOMIC_RELAXED) - before;
	ok(before < 10, "nobody asks again and again: %u times", before);
	__atomic_store_n(&closing, true, __ATOMIC_RELAXED);
	ok(close_side(&a) && close_side(&b) && !fi_close(&cntr->fid), "and all can be closed");
}

int main(void)
{
	int i;

	alarm(120 * atoi(getenv("LAB_SLOWER") ?: "1"));	/* a wait that does not end is a failure, too */
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..106\n");
	for (i = 0; i < 2; i++) {
		threaded = i;
		printf("# things go on %s\n", threaded ? "in a thread of the fabric's" : "when somebody reads");
		__atomic_store_n(&broken, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&closing, false, __ATOMIC_RELAXED);
		open_all();
		closes_what_is_under_way();
		bounds_what_peers_write();
		closes_who_has_not_read();
		bounds_what_is_posted();
		posts_after_the_end();
		forgets_request();
		bounds_requests();
		wakes_all();
		hears_of_failure();
		ok(close_all(), "the fabric is closed");
	}
	return failed != 0;
}

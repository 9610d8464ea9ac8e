// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * netgpu bench: both ends of iperf3. One thread, one loop.
 *
 * bench.c         who connects is given to a test; tests one after the other
 * options.c       the command line
 * test.c          a test, fed with the bytes of its connections
 * iperf3_server.c, iperf3_client.c   its two ends
 * iperf3_wire.c   what is said in it
 * sender.c        the streams of it that go out
 * test_clock.c    its times
 * report.c        what is printed of it, as text or as iperf3's JSON
 * record.c        where each byte has gone
 * listener.c, connection.c, loop.c   sockets
 * transport_zc.c, transport_socket.c   how bytes get from a socket to bench.c, and back
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "command.h"
#include "connection.h"
#include "iperf3_client.h"
#include "iperf3_server.h"
#include "listener.h"
#include "loop.h"
#include "options.h"
#include "transport.h"
#include "report.h"
#include "sender.h"

#define COOKIE_TIME	(10 * NSEC)
#define LAST_TIME	(2 * NSEC)

struct bench {
	struct options opt;
	struct run run;
	int epoll, signals;
	struct watch signal_watch, stdin_watch;
	struct listener listener;
	struct conns conns;
	struct test *test;
	bool quit, holding;
	int status;		/* to exit with */
};

static void deny(struct conn *c)
{
	int8_t denied = MSG_ACCESS_DENIED;

	conn_send(c, &denied, 1);
	conn_finish(c);
}

static void begin_test(struct bench *b, struct conn *c)
{
	b->test = server_begin(&b->run, c);
	if (!b->test) {
		complain("out of memory");
		conn_close(c);
		return;
	}
	c->deadline = 0;
	c->role = ROLE_CONTROL;
	if (c->cookie_len)
		test_control(b->test, c->cookie, c->cookie_len);
}

/*
 * The test is all but over, and its client may be gone before its last word is
 * read here: who comes now is the next one.
 */
static bool ending(const struct test *t)
{
	return t->phase == PHASE_DISPLAY || t->phase == PHASE_OVER;
}

static void accepted(void *owner, int fd)
{
	struct bench *b = owner;
	struct conn *c = conn_open(&b->conns, fd);

	if (!c)
		return;
	c->deadline = now_ns() + COOKIE_TIME;
	if (!b->test && !b->holding)
		begin_test(b, c);
	else if (!b->test || (b->test->phase != PHASE_STREAMS && !ending(b->test)))
		deny(c);
}

/* A connection while a test is on: one of its streams, or someone else. */
static size_t newcomer(struct bench *b, struct conn *c, const char *data,
		       size_t len)
{
	size_t n = COOKIE_SIZE - c->cookie_len;

	if (n > len)
		n = len;
	memcpy(c->cookie + c->cookie_len, data, n);
	c->cookie_len += n;
	if (c->cookie_len < COOKIE_SIZE)
		return n;
	if (ending(b->test))
		return n;
	if (!server_join(b->test, c))
		deny(c);
	return n;
}

static bool received(void *owner, struct conn *c, const struct chunk *chunk)
{
	struct bench *b = owner;
	struct chunk rest = *chunk;
	size_t n;

	if (c->dead)
		return false;
	if (c->role == ROLE_NEW) {
		if (!rest.data) {
			complain("a connection cannot be read: the memory has no mapping for the CPU");
			conn_close(c);
			return false;
		}
		n = newcomer(b, c, rest.data, rest.length);
		rest.length -= n;
		rest.data = (const char *)rest.data + n;
		if (rest.offset != NOT_IN_REGION)
			rest.offset += n;
		if (!rest.length)
			return false;
	}
	switch (c->role) {
	case ROLE_DATA:
		test_data(b->test, c->stream, &rest);
		return b->opt.hold && rest.offset != NOT_IN_REGION;
	case ROLE_CONTROL:
		if (rest.data)
			test_control(b->test, rest.data, rest.length);
		else
			test_error(b->test, IE_INITTEST, EOPNOTSUPP,
				     "control data is in memory that the CPU cannot read");
		return false;
	default:
		return false;
	}
}

static void ended(void *owner, struct conn *c, int error)
{
	struct bench *b = owner;
	struct stream *st = c->stream;

	if (c->dead)
		return;
	c->eof = true;
	switch (c->role) {
	case ROLE_CONTROL:
		b->test->end->ended(b->test, error);
		break;
	case ROLE_DATA:
		if (st->sending)
			sender_sample(b->test, st);
		st->conn = NULL;
		conn_close(c);
		test_data_ended(b->test, st, error);
		break;
	case ROLE_NEW:
	case ROLE_CLOSING:
		conn_close(c);
		break;
	}
}

static void exhausted(void *owner)
{
	struct bench *b = owner;

	if (b->test)
		b->test->exhausted = true;
}

static void sent(void *owner, struct conn *c, uint32_t length, int error)
{
	struct bench *b = owner;

	if (!c->dead && c->role == ROLE_DATA)
		sender_sent(b->test, c->stream, length, error);
}

static const struct transport_events events = {
	.received = received,
	.ended = ended,
	.exhausted = exhausted,
	.sent = sent,
};

static void hold(struct bench *b)
{
	if (!b->opt.hold || b->quit || !b->test->clock.start)
		return;
	if (b->test->broken) {
		b->run.transport->ops->release(b->run.transport);
		return;
	}
	b->holding = true;
	/* A fixed line on standard output, wherever reports go. */
	puts("holding");
	fflush(stdout);
}

static void release(struct bench *b)
{
	if (!b->holding)
		return;
	b->holding = false;
	b->run.transport->ops->release(b->run.transport);
	if (b->opt.one_off)
		b->quit = true;
	else
		report_listening(&b->run);
}

/* Its client has heard the last of it: on to the next one. */
static void end_test(struct bench *b)
{
	struct conn *c, *next = NULL;

	report_done(b->test);
	if (b->test->failed || (b->test->broken && b->opt.one_off))
		b->status = 1;
	hold(b);
	test_free(b->test);
	b->test = NULL;
	if (b->opt.one_off && !b->holding)
		b->quit = true;
	for (c = b->conns.first; c; c = c->next)
		if (c->role == ROLE_NEW && !c->dead)
			next = c;	/* newest first: the last is the oldest */
	if (!b->quit && !b->holding) {
		report_listening(&b->run);
		if (next)
			begin_test(b, next);
	} else if (next) {
		deny(next);
	}
}

static void signal_ready(struct watch *w, uint32_t ready)
{
	struct bench *b = container_of(w, struct bench, signal_watch);
	struct signalfd_siginfo si;

	(void)ready;
	if (read(b->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGUSR1) {
		release(b);
		return;
	}
	if (b->test) {
		test_terminate(b->test, "interrupted");
		b->status = 1;
	}
	b->quit = true;
}

static void stdin_ready(struct watch *w, uint32_t ready)
{
	struct bench *b = container_of(w, struct bench, stdin_watch);
	static char text[256];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));

	(void)ready;
	if (n <= 0) {
		epoll_ctl(b->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		return;
	}
	if (memchr(text, '\n', n))
		release(b);
}

/* What the clock says. After dispatching: nothing refers to what is freed. */
static void end_of_turn(struct bench *b)
{
	uint64_t now = now_ns();

	if (b->test)
		b->test->end->clock(b->test, now);
	conns_clock(&b->conns, now);
	if (b->test && b->test->phase == PHASE_OVER)
		end_test(b);
	conns_reap(&b->conns);
}

static int64_t timeout(struct bench *b)
{
	uint64_t now = now_ns();
	int64_t t = conns_timeout(&b->conns, now), test = -1;

	if (b->test)
		test = test_timeout(b->test, now);
	return t < 0 || (test >= 0 && test < t) ? test : t;
}

static void serve(struct bench *b)
{
	struct transport *r = b->run.transport;
	uint64_t until;

	if (!b->opt.client)
		report_listening(&b->run);
	while (!b->quit) {
		if (r->ops->wait(r, timeout(b)) < 0) {
			b->conns.cut_off = true;
			if (b->test)
				test_error(b->test, IE_INITTEST, ENODEV,
					     "the memory or the network device has gone");
			b->status = 1;
			b->quit = true;
		}
		end_of_turn(b);
	}

	/* Let what was sent last arrive. */
	listener_close(&b->listener);
	until = now_ns() + LAST_TIME;
	while (b->conns.first && !b->conns.cut_off && now_ns() < until) {
		if (r->ops->wait(r, NSEC / 20) < 0)
			break;
		end_of_turn(b);
	}
	while (b->conns.first) {
		conn_close(b->conns.first);
		end_of_turn(b);
	}
}

static int open_signals(struct bench *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);

	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	b->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	b->signal_watch.ready = signal_ready;
	if (b->epoll < 0 || b->signals < 0 ||
	    loop_watch(b->epoll, b->signals, &b->signal_watch)) {
		complain("epoll: %m");
		return -EIO;
	}
	b->stdin_watch.ready = stdin_ready;
	if (b->opt.hold)
		loop_watch(b->epoll, STDIN_FILENO, &b->stdin_watch);
	return 0;
}

static struct transport *open_transport(struct bench *b)
{
	struct transport init = {
		.opt = &b->opt,
		.epoll = b->epoll,
		.events = &events,
		.owner = b,
	};

	return b->opt.mode == MODE_ZC ? transport_zc_open(&init) :
					transport_socket_open(&init);
}

int cmd_bench(int argc, char **argv)
{
	struct bench b = {
		.epoll = -1, .signals = -1,
		.run = { .opt = &b.opt, .listener = &b.listener, .out = stdout },
		.listener = {
			.opt = &b.opt, .fd = -1, .accepted = accepted, .owner = &b,
		},
		.status = 1,
	};

	if (options_parse(argc, argv, &b.opt))
		return 1;
	b.opt.one_off |= !!b.opt.client;
	if (b.opt.logfile) {
		b.run.out = fopen(b.opt.logfile, "a");
		if (!b.run.out) {
			complain("%s: %m", b.opt.logfile);
			return 1;
		}
	}
	if (open_signals(&b))
		goto out;
	b.run.transport = b.conns.transport = open_transport(&b);
	if (!b.run.transport)
		goto out;
	if (b.opt.client)
		b.test = client_begin(&b.run, &b.conns);
	else if (listener_open(&b.listener, b.epoll))
		goto out;
	if (b.opt.client && !b.test)
		goto out;
	b.status = 0;
	serve(&b);
out:
	if (b.run.transport) {
		b.status |= b.run.transport->failed;
		b.run.transport->ops->close(b.run.transport);
	}
	listener_close(&b.listener);
	if (b.signals >= 0)
		close(b.signals);
	if (b.epoll >= 0)
		close(b.epoll);
	if (b.opt.logfile)
		fclose(b.run.out);
	return b.status;
}

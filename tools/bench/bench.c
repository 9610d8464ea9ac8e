// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* netgpu bench: options, sockets and the loop; see bench.h. */
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "iperf3_server.h"

#define CONNS_MAX	256
#define COOKIE_TIME	(10 * NSEC)
#define LINGER_TIME	(2 * NSEC)
#define OUTPUT_MAX	(64u << 20)

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK	72
#endif

static void conn_free(struct conn *c)
{
	free(c->out);
	free(c);
}

static void watch_output(struct bench *b, struct conn *c, bool on)
{
	struct epoll_event ev = { .data.ptr = &c->watch };

	if (c->want_write == on)
		return;
	c->want_write = on;
	if (b->receiver->in_epoll) {
		ev.events = EPOLLIN | EPOLLRDHUP | (on ? EPOLLOUT : 0);
		epoll_ctl(b->epoll, EPOLL_CTL_MOD, c->fd, &ev);
	} else {
		ev.events = EPOLLOUT;
		epoll_ctl(b->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, c->fd, &ev);
	}
}

static void writable(struct bench *b, struct watch *w, uint32_t events)
{
	(void)events;
	conn_send(b, (struct conn *)w, NULL, 0);
}

static bool queue_output(struct conn *c, const void *data, size_t len)
{
	if (!len)
		return true;
	if (c->out_len + len > c->out_cap) {
		size_t cap = (c->out_len + len) * 2;
		char *out = cap > OUTPUT_MAX ? NULL : realloc(c->out, cap);

		if (!out)
			return false;
		c->out = out;
		c->out_cap = cap;
	}
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
	return true;
}

void conn_send(struct bench *b, struct conn *c, const void *data, size_t len)
{
	ssize_t n;

	if (c->dead)
		return;
	if (!queue_output(c, data, len)) {
		conn_close(b, c);
		return;
	}
	while (c->out_len) {
		n = send(c->fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_output(b, c, true);
			return;
		}
		if (n < 0) {
			/* Its receiving end will say so, too. */
			c->out_len = 0;
			break;
		}
		c->out_len -= n;
		memmove(c->out, c->out + n, c->out_len);
	}
	watch_output(b, c, false);
	if (c->finish)
		shutdown(c->fd, SHUT_WR);
}

void conn_close(struct bench *b, struct conn *c)
{
	/*
	 * With the network gone, a socket would wait minutes for its peer, and
	 * keep the buffers of segments that came out of order.
	 */
	struct linger now = { .l_onoff = 1 };

	if (c->dead)
		return;
	c->dead = true;
	c->stream = NULL;
	b->receiver->del(b, c);
	if (b->cut_off)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	b->nr_conns--;
}

void conn_finish(struct bench *b, struct conn *c)
{
	if (c->dead)
		return;
	c->role = ROLE_CLOSING;
	c->stream = NULL;
	/*
	 * Closing with input unread resets the connection, and what was sent
	 * last is lost on the way: read until the peer has closed.
	 */
	c->finish = true;
	c->deadline = now_ns() + LINGER_TIME;
	conn_send(b, c, NULL, 0);
	if (c->eof)
		conn_close(b, c);
}

static void deny(struct bench *b, struct conn *c)
{
	int8_t denied = MSG_ACCESS_DENIED;

	conn_send(b, c, &denied, 1);
	conn_finish(b, c);
}

static void begin_session(struct bench *b, struct conn *c)
{
	b->session = session_new(b, c);
	if (!b->session) {
		complain("out of memory");
		conn_close(b, c);
		return;
	}
	c->deadline = 0;
	c->role = ROLE_CONTROL;
	if (c->cookie_len)
		session_control(b->session, c->cookie, c->cookie_len);
}

/*
 * The test is all but over, and its client may be gone before its last word is
 * read here: who comes now is the next one.
 */
static bool ending(const struct bench *b)
{
	return b->session->phase == PHASE_DISPLAY ||
	       b->session->phase == PHASE_OVER;
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
	if (ending(b))
		return n;
	if (!session_join(b->session, c))
		deny(b, c);
	return n;
}

bool bench_received(struct bench *b, struct conn *c, const struct chunk *chunk)
{
	struct chunk rest = *chunk;
	size_t n;

	if (c->dead)
		return false;
	if (c->role == ROLE_NEW) {
		if (!rest.data) {
			complain("a connection cannot be read: the memory has no mapping for the CPU");
			conn_close(b, c);
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
		session_data(b->session, c->stream, &rest);
		return b->opt.hold && rest.offset != NOT_IN_REGION;
	case ROLE_CONTROL:
		if (rest.data)
			session_control(b->session, rest.data, rest.length);
		else
			session_error(b->session, IE_INITTEST, EOPNOTSUPP,
				      "control data is in memory that the CPU cannot read");
		return false;
	default:
		return false;
	}
}

void bench_ended(struct bench *b, struct conn *c, int error)
{
	struct session *s = b->session;
	struct stream *st = c->stream;

	if (c->dead)
		return;
	c->eof = true;
	switch (c->role) {
	case ROLE_CONTROL:
		session_control_ended(s, error);
		break;
	case ROLE_DATA:
		st->conn = NULL;
		conn_close(b, c);
		session_data_ended(s, st, error);
		break;
	case ROLE_NEW:
	case ROLE_CLOSING:
		conn_close(b, c);
		break;
	}
}

void bench_session_over(struct bench *b)
{
	if (b->session->broken && b->opt.one_off)
		b->status = 1;
	bench_listen_options(b, 0, 0);
}

static void hold(struct bench *b)
{
	if (!b->opt.hold || b->quit || !b->session->start)
		return;
	if (b->session->broken) {
		b->receiver->release(b);
		return;
	}
	b->holding = true;
	/* A fixed line on standard output, wherever reports go. */
	puts("holding");
	fflush(stdout);
}

/* After dispatching: nothing refers to what is freed here any more. */
static void end_of_turn(struct bench *b)
{
	struct conn **p = &b->conns, *c;
	struct conn *next = NULL;

	if (b->session && b->session->phase == PHASE_OVER) {
		report_done(b->session);
		hold(b);
		session_free(b->session);
		b->session = NULL;
		if (b->opt.one_off && !b->holding)
			b->quit = true;
		for (c = b->conns; c; c = c->next)
			if (c->role == ROLE_NEW && !c->dead)
				next = c;	/* newest first: the last is the oldest */
		if (!b->quit && !b->holding) {
			report_listening(b);
			if (next)
				begin_session(b, next);
		} else if (next) {
			deny(b, next);
		}
	}

	while ((c = *p)) {
		if (c->dead) {
			*p = c->next;
			conn_free(c);
		} else {
			p = &c->next;
		}
	}
}

static void release(struct bench *b)
{
	if (!b->holding)
		return;
	b->holding = false;
	b->receiver->release(b);
	if (b->opt.one_off)
		b->quit = true;
	else
		report_listening(b);
}

static void name_of(const struct sockaddr_storage *ss, char *host, int *port)
{
	const struct sockaddr_in6 *in6 = (const void *)ss;
	const struct sockaddr_in *in = (const void *)ss;

	if (ss->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, INET6_ADDRSTRLEN);
		*port = ntohs(in->sin_port);
		return;
	}
	if (ss->ss_family != AF_INET6)
		return;
	*port = ntohs(in6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host,
			  INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, host, INET6_ADDRSTRLEN);
}

static void accept_one(struct bench *b, int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct conn *c;
	int ret, one = 1;

	c = b->nr_conns < CONNS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	/* Control messages are a byte long, and the next one is not to wait. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
	c->watch.ready = writable;
	c->deadline = now_ns() + COOKIE_TIME;
	if (!getpeername(fd, (struct sockaddr *)&ss, &len))
		name_of(&ss, c->remote_host, &c->remote_port);
	len = sizeof(ss);
	if (!getsockname(fd, (struct sockaddr *)&ss, &len))
		name_of(&ss, c->local_host, &c->local_port);

	ret = b->receiver->add(b, c);
	if (ret) {
		complain("connection from %s: %s", c->remote_host, strerror(-ret));
		close(fd);
		conn_free(c);
		return;
	}
	c->next = b->conns;
	b->conns = c;
	b->nr_conns++;

	if (!b->session && !b->holding)
		begin_session(b, c);
	else if (!b->session || (b->session->phase != PHASE_STREAMS && !ending(b)))
		deny(b, c);
}

static void listener_ready(struct bench *b, struct watch *w, uint32_t events)
{
	int fd;

	(void)w;
	(void)events;
	for (;;) {
		fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			accept_one(b, fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			break;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
	    errno == ENOBUFS)
		usleep(10000);
}

static void signal_ready(struct bench *b, struct watch *w, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)w;
	(void)events;
	if (read(b->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGUSR1) {
		release(b);
		return;
	}
	if (b->session) {
		session_terminate(b->session, "interrupted");
		b->status = 1;
	}
	b->quit = true;
}

static void stdin_ready(struct bench *b, struct watch *w, uint32_t events)
{
	static char text[256];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));

	(void)w;
	(void)events;
	if (n <= 0) {
		epoll_ctl(b->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		return;
	}
	if (memchr(text, '\n', n))
		release(b);
}

void bench_epoll_dispatch(struct bench *b, int timeout_ms)
{
	struct epoll_event ev[64];
	int i, n;

	n = epoll_wait(b->epoll, ev, ARRAY_SIZE(ev), timeout_ms);
	for (i = 0; i < n; i++) {
		struct watch *w = ev[i].data.ptr;

		w->ready(b, w, ev[i].events);
	}
}

static int add_watch(struct bench *b, int fd, struct watch *w)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = w };

	return epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/*
 * The unit in which the window of a connection is counted is settled in the
 * handshake, by the receive buffer that the listening socket has then.
 *
 * For zero-copy receive it shall be 4096 bytes.  A sender that meets the end
 * of the window cuts a segment there and sends the rest by itself later: were
 * the window counted in smaller units, there would be pieces of a few bytes
 * among segments that fill a buffer each, and network devices are apt to put
 * very short packets into host memory, headers and data alike.  What the
 * buffer allows to be queued is in the region, whose size is the true limit.
 */
#define COARSE_WINDOW	(1 << 27)

void bench_listen_options(struct bench *b, int window, int mss)
{
	int half = b->rcvbuf / 2, unlocked = 0, no_clamp = 1 << 30;
	int coarse = COARSE_WINDOW, fd = b->listener;

	if (window) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
	} else if (b->opt.mode == MODE_ZC) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &coarse, sizeof(coarse));
	} else if (b->window_set) {
		/* Setting a buffer fixes it, and clamps the window. */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &half, sizeof(half));
		setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof(unlocked));
		setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &no_clamp,
			   sizeof(no_clamp));
	}
	b->window_set = window;
	if (mss || b->mss_set)
		setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss));
	b->mss_set = mss;
}

static int open_listener(struct bench *b)
{
	int one = 1, v6only = b->opt.family == AF_INET6, family = b->opt.family;
	struct addrinfo hints = {
		.ai_family = family ? family : AF_INET6,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	}, *ai;
	socklen_t len = sizeof(int);
	int fd, ret, buf = 0;
	char port[16];

	if (b->opt.bind && !family)
		hints.ai_family = AF_UNSPEC;
	snprintf(port, sizeof(port), "%ld", b->opt.port);
again:
	ret = getaddrinfo(b->opt.bind, port, &hints, &ai);
	if (ret) {
		complain("%s: %s", b->opt.bind ? b->opt.bind : "address",
			 gai_strerror(ret));
		return -EADDRNOTAVAIL;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		ret = -errno;
		freeaddrinfo(ai);
		if (ret == -EAFNOSUPPORT && !family &&
		    hints.ai_family == AF_INET6) {
			hints.ai_family = AF_INET;
			goto again;
		}
		complain("socket: %s", strerror(-ret));
		return ret;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	ret = bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, 512) ? -errno : 0;
	freeaddrinfo(ai);
	if (ret) {
		complain("port %ld: %s", b->opt.port, strerror(-ret));
		close(fd);
		return ret;
	}
	getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buf, &len);
	b->rcvbuf = buf;
	b->listener = fd;
	b->listen_watch.ready = listener_ready;
	bench_listen_options(b, 0, 0);
	return add_watch(b, fd, &b->listen_watch);
}

static void clocks(struct bench *b)
{
	uint64_t now = now_ns();
	struct conn *c;

	if (b->session)
		session_clock(b->session, now);
	for (c = b->conns; c; c = c->next)
		if (!c->dead && c->deadline && now >= c->deadline)
			conn_close(b, c);
}

static int64_t timeout(struct bench *b)
{
	uint64_t now = now_ns();
	int64_t t = -1, left;
	struct conn *c;

	if (b->session)
		t = session_timeout(b->session, now);
	for (c = b->conns; c; c = c->next) {
		if (!c->deadline)
			continue;
		left = c->deadline > now ? (int64_t)(c->deadline - now) : 0;
		if (t < 0 || left < t)
			t = left;
	}
	return t;
}

static void serve(struct bench *b)
{
	uint64_t until;

	report_listening(b);
	while (!b->quit) {
		if (b->receiver->wait(b, timeout(b)) < 0) {
			b->cut_off = true;
			if (b->session)
				session_error(b->session, IE_INITTEST, ENODEV,
					      "receiving has come to an end");
			b->status = 1;
			b->quit = true;
		}
		clocks(b);
		end_of_turn(b);
	}

	/* Let what was sent last arrive. */
	close(b->listener);
	b->listener = -1;
	until = now_ns() + LINGER_TIME;
	while (b->conns && !b->cut_off && now_ns() < until) {
		if (b->receiver->wait(b, NSEC / 20) < 0)
			break;
		clocks(b);
		end_of_turn(b);
	}
	while (b->conns) {
		conn_close(b, b->conns);
		end_of_turn(b);
	}
}

enum key {
	KEY_ONE_OFF = 0x100, KEY_MODE, KEY_IFACE, KEY_QUEUE, KEY_GPU,
	KEY_REGION_SIZE, KEY_HOLD, KEY_RECORD, KEY_LOGFILE, KEY_NODEV,
	KEY_ALLOW_HOST, KEY_IDLE,
};

static const struct argp_option options[] = {
	{ "server", 's', NULL, 0, "Receive (the only thing there is so far)", 0 },
	{ "port", 'p', "PORT", 0, "Listen on PORT (5201)", 0 },
	{ "bind", 'B', "HOST", 0, "Listen on this address only", 0 },
	{ "version4", '4', NULL, 0, "IPv4 only", 0 },
	{ "version6", '6', NULL, 0, "IPv6 only", 0 },
	{ "one-off", '1', NULL, 0, "Exit after one test", 0 },
	{ "one_off", KEY_ONE_OFF, NULL, OPTION_HIDDEN, NULL, 0 },
	{ "interval", 'i', "SECONDS", 0, "Between lines (1; 0 for none)", 0 },
	{ "format", 'f', "UNIT", 0, "Of rates: k, m, g, t bits or K, M, G, T bytes", 0 },
	{ "json", 'J', NULL, 0, "Print a JSON document per test, as iperf3 does", 0 },
	{ "logfile", KEY_LOGFILE, "FILE", 0, "Reports go to FILE", 0 },
	{ "idle-timeout", KEY_IDLE, "SECONDS", 0,
	  "End a test in which no data has come for so long (120; 0 for never)", 0 },
	{ NULL, 0, NULL, 0, "Where the data goes:", 1 },
	{ "mode", KEY_MODE, "MODE", 0,
	  "zc: zero-copy into the region (default); recv: ordinary receive into host memory; recv-copy: the same, then a copy into the memory of the GPU", 1 },
	{ "iface", KEY_IFACE, "NAME", 0, "Network device, for zc", 1 },
	{ "queue", KEY_QUEUE, "N", 0, "Its receive queue, for zc", 1 },
	{ "gpu", KEY_GPU, "MEMORY", 0,
	  "/dev/dri/renderDN (memory of a GPU), vfio:ADDRESS[,bar=N][,offset=BYTES] (a BAR of a PCI device bound to vfio-pci), dmabuf-fd:N, udmabuf, or host (default)", 1 },
	{ "region-size", KEY_REGION_SIZE, "BYTES", 0,
	  "Of that memory (64M; K, M, G may follow)", 1 },
	{ "allow-host", KEY_ALLOW_HOST, NULL, 0,
	  "Go on when data for a GPU would land in host memory", 1 },
	{ "nodev", KEY_NODEV, NULL, 0,
	  "zc without a network device: the kernel copies (for trying things out)", 1 },
	{ NULL, 0, NULL, 0, "For proofs:", 2 },
	{ "record", KEY_RECORD, "FILE", 0,
	  "Write where each byte is: JSON lines of stream, offset in the stream, offset in the region, length", 2 },
	{ "hold", KEY_HOLD, NULL, 0,
	  "After a test print \"holding\" and keep all buffers until a line comes on standard input, or SIGUSR1", 2 },
	{ 0 }
};

static void number(struct argp_state *state, const char *name, const char *arg,
		   long min, long max, long *value)
{
	if (parse_number(arg, min, max, value))
		argp_error(state, "%s: \"%s\" is not a number from %ld to %ld",
			   name, arg, min, max);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	static bool server;
	char *end;

	switch (key) {
	case 's': server = true; break;
	case 'p': number(state, "--port", arg, 1, 65535, &o->port); break;
	case 'B': o->bind = arg; break;
	case '4': o->family = AF_INET; break;
	case '6': o->family = AF_INET6; break;
	case '1': case KEY_ONE_OFF: o->one_off = true; break;
	case 'i':
		o->interval = strtod(arg, &end);
		if (end == arg || *end ||
		    (o->interval != 0 && !(o->interval >= 0.1 && o->interval <= 60)))
			argp_error(state, "--interval: 0, or 0.1 to 60 seconds");
		break;
	case 'f':
		if (!arg[0] || arg[1] || !strchr("kmgtKMGT", arg[0]))
			argp_error(state, "--format: one of k, m, g, t, K, M, G, T");
		o->format = arg[0];
		break;
	case 'J': o->json = true; break;
	case KEY_LOGFILE: o->logfile = arg; break;
	case KEY_IDLE: number(state, "--idle-timeout", arg, 0, 86400, &o->idle); break;
	case KEY_MODE:
		if (!strcmp(arg, "zc"))
			o->mode = MODE_ZC;
		else if (!strcmp(arg, "recv"))
			o->mode = MODE_RECV;
		else if (!strcmp(arg, "recv-copy"))
			o->mode = MODE_RECV_COPY;
		else
			argp_error(state, "--mode: zc, recv or recv-copy");
		break;
	case KEY_IFACE: o->iface = arg; break;
	case KEY_QUEUE: number(state, "--queue", arg, 0, 65535, &o->queue); break;
	case KEY_GPU: o->gpu = arg; break;
	case KEY_REGION_SIZE:
		if (parse_size(arg, &o->region_size) || !o->region_size)
			argp_error(state, "--region-size: \"%s\" is not a size", arg);
		break;
	case KEY_ALLOW_HOST: o->allow_host = true; break;
	case KEY_NODEV: o->nodev = true; break;
	case KEY_RECORD: o->record = arg; break;
	case KEY_HOLD: o->hold = true; break;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\": options only", arg);
		break;
	case ARGP_KEY_END:
		if (!server)
			argp_error(state, "--server is missing; iperf3 is the client");
		if (o->mode == MODE_ZC && !o->nodev && (!o->iface || o->queue < 0))
			argp_error(state, "zero-copy receive needs --iface and --queue (or another --mode)");
		if (o->nodev && strcmp(o->gpu, "host"))
			argp_error(state, "--nodev goes with --gpu host only");
		if (o->record && o->mode == MODE_RECV)
			argp_error(state, "--record: with --mode recv there is no region");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.doc = "Receive from iperf3 into the memory of a GPU.\v"
	       "The sender is any iperf3 from 3.12 on: iperf3 -c HOST. "
	       "TCP only, and this end only receives.",
};

int cmd_bench(int argc, char **argv)
{
	struct bench b = {
		.opt = {
			.mode = MODE_ZC, .queue = -1, .gpu = "host",
			.port = 5201, .region_size = 64 << 20,
			.interval = 1, .idle = 120,
		},
		.listener = -1, .signals = -1,
		.out = stdout,
	};
	struct watch stdin_watch = { .ready = stdin_ready };
	sigset_t set;

	if (argp_parse(&argp, argc, argv, 0, NULL, &b.opt))
		return 1;
	b.receiver = b.opt.mode == MODE_ZC ? &zc_receiver : &socket_receiver;
	if (b.opt.logfile) {
		b.out = fopen(b.opt.logfile, "a");
		if (!b.out) {
			complain("%s: %m", b.opt.logfile);
			return 1;
		}
	}

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);

	b.status = 1;
	b.epoll = epoll_create1(EPOLL_CLOEXEC);
	b.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	b.signal_watch.ready = signal_ready;
	if (b.epoll < 0 || b.signals < 0 ||
	    add_watch(&b, b.signals, &b.signal_watch)) {
		complain("epoll: %m");
		goto out;
	}
	if (b.opt.hold)
		add_watch(&b, STDIN_FILENO, &stdin_watch);
	if (b.receiver->open(&b) || open_listener(&b))
		goto out;
	b.status = 0;
	serve(&b);
out:
	b.receiver->close(&b);
	if (b.listener >= 0)
		close(b.listener);
	if (b.signals >= 0)
		close(b.signals);
	if (b.epoll >= 0)
		close(b.epoll);
	if (b.opt.logfile)
		fclose(b.out);
	return b.status;
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* iperf3's protocol, the client's half. */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "connection.h"
#include "iperf3_client.h"
#include "listener.h"
#include "options.h"
#include "report.h"
#include "sender.h"

#define CONNECT_TIME	10		/* s */
#define ANSWER_TIME	(15 * NSEC)	/* what the server does at once */
#define RESULTS_TIME	(30 * NSEC)	/* it waits for what has been sent */

/* Blocking, with a limit; 0 or -errno. */
static int connect_to(const struct options *opt, const struct addrinfo *ai, int *out)
{
	struct timeval limit = { .tv_sec = CONNECT_TIME };
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (opt->window)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ opt->window }, sizeof(int));
	else if (opt->mode == MODE_ZC)
		listener_coarse_window(fd);
	if (opt->mss)
		setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &(int){ opt->mss }, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen)) {
		int err = errno == EINPROGRESS ? ETIMEDOUT : errno;

		close(fd);
		return -err;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	*out = fd;
	return 0;
}

/* A connection to the server, NULL having complained. */
static struct conn *connection(const struct options *opt, struct conns *conns)
{
	struct addrinfo hints = {
		.ai_family = opt->family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	}, *all, *ai;
	char port[16];
	int ret = 0, fd = -1;

	snprintf(port, sizeof(port), "%ld", opt->port);
	ret = getaddrinfo(opt->client, port, &hints, &all);
	if (ret) {
		complain("%s: %s", opt->client, gai_strerror(ret));
		return NULL;
	}
	for (ai = all; ai; ai = ai->ai_next) {
		ret = connect_to(opt, ai, &fd);
		if (!ret)
			break;
	}
	freeaddrinfo(all);
	if (ret) {
		complain("%s, port %ld: %s: is an iperf3 server, or \"netgpu bench --server\", running there?",
			 opt->client, opt->port, strerror(-ret));
		return NULL;
	}
	return conn_open(conns, fd);
}

static void client_error(struct test *t, enum iperf_error error, int err)
{
	(void)error;
	(void)err;
	test_send_message(t, MSG_CLIENT_TERMINATE);
}

static void client_terminate(struct test *t)
{
	test_send_message(t, MSG_CLIENT_TERMINATE);
}

static void send_parameters(struct test *t)
{
	const struct parameters *p = &t->par;
	cJSON *json = cJSON_CreateObject();

	cJSON_AddTrueToObject(json, "tcp");
	cJSON_AddNumberToObject(json, "omit", p->omit);
	cJSON_AddNumberToObject(json, "time", p->seconds);
	cJSON_AddNumberToObject(json, "num", p->bytes);
	cJSON_AddNumberToObject(json, "blockcount", 0);
	cJSON_AddNumberToObject(json, "parallel", p->parallel);
	if (p->reverse)
		cJSON_AddTrueToObject(json, "reverse");
	if (p->bidir)
		cJSON_AddTrueToObject(json, "bidirectional");
	if (p->window)
		cJSON_AddNumberToObject(json, "window", p->window);
	if (p->mss)
		cJSON_AddNumberToObject(json, "MSS", p->mss);
	cJSON_AddNumberToObject(json, "len", p->length);
	if (p->bandwidth)
		cJSON_AddNumberToObject(json, "bandwidth", p->bandwidth);
	cJSON_AddNumberToObject(json, "pacing_timer", 1000);
	cJSON_AddStringToObject(json, "client_version", "netgpu " NETGPU_VERSION);
	test_send_json(t, json);
	cJSON_Delete(json);
}

static void open_streams(struct test *t)
{
	struct conns *conns = t->control->all;
	struct conn *c;

	while (t->nr_streams < test_streams_wanted(t)) {
		c = connection(t->run->opt, conns);
		if (!c) {
			test_error(t, IE_INITTEST, ECONNREFUSED, "not all streams could be opened");
			return;
		}
		conn_send(c, t->cookie, COOKIE_SIZE);
		test_add_stream(t, c);
	}
	test_streams_ready(t);
	test_set_phase(t, PHASE_STREAMS, ANSWER_TIME);
}

static void run(struct test *t)
{
	test_set_phase(t, PHASE_RUNNING, 0);
	test_start(t);
	sender_start(t);
}

static void finish(struct test *t)
{
	test_stop(t);
	test_send_message(t, MSG_TEST_END);
	test_set_phase(t, PHASE_RESULTS, RESULTS_TIME);
}

static void send_results(struct test *t)
{
	cJSON *json;

	clock_stop(&t->clock);
	json = test_results(t);
	if (!json) {
		test_error(t, IE_INITTEST, ENOMEM, "out of memory");
		return;
	}
	test_send_json(t, json);
	cJSON_Delete(json);
	test_set_phase(t, PHASE_ANSWER, RESULTS_TIME);
}

static void message_received(struct test *t)
{
	const int8_t m = t->wire.in[0];
	static const struct {
		enum message m;
		enum phase phase;
		void (*then)(struct test *t);
	} expected[] = {
		{ MSG_CREATE_STREAMS, PHASE_PARAMS, open_streams },
		{ MSG_TEST_RUNNING, PHASE_STREAMS, run },
		{ MSG_EXCHANGE_RESULTS, PHASE_RESULTS, send_results },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		if (m == expected[i].m && t->phase == expected[i].phase) {
			expected[i].then(t);
			return;
		}
	}
	switch (m) {
	case MSG_PARAM_EXCHANGE:
		if (t->phase != PHASE_COOKIE)
			break;
		test_set_phase(t, PHASE_PARAMS, ANSWER_TIME);
		send_parameters(t);
		return;
	case MSG_TEST_START:
		return;
	case MSG_DISPLAY_RESULTS:
		if (t->phase != PHASE_DISPLAY)
			break;
		test_conclude(t);
		test_send_message(t, MSG_IPERF_DONE);
		test_over(t);
		return;
	case MSG_SERVER_ERROR:
		t->failing = true;	/* and two numbers follow */
		return;
	case MSG_SERVER_TERMINATE:
		test_broken(t, "the server has terminated");
		return;
	case MSG_ACCESS_DENIED:
		test_broken(t, "the server is busy with another test: try again later");
		return;
	}
	snprintf(t->text, sizeof(t->text),
		 "the server sent control message %d, which does not belong here (phase %d)",
		 m, t->phase);
	test_error(t, IE_MESSAGE, EPROTO, t->text);
}

static void error_received(struct test *t)
{
	uint32_t pair[2];

	memcpy(pair, t->wire.in, sizeof(pair));
	snprintf(t->text, sizeof(t->text), "the server refuses, or has failed: error %d of iperf3's%s%s",
		 (int)ntohl(pair[0]), pair[1] ? ": " : "", pair[1] ? strerror(ntohl(pair[1])) : "");
	test_broken(t, t->text);
}

static void json_received(struct test *t)
{
	cJSON *json = cJSON_ParseWithLength(t->wire.in, t->wire.have);

	if (!cJSON_IsObject(json) || !test_results_received(t, json))
		test_error(t, IE_RECVRESULTS, EPROTO,
			   "the server sent results that make no sense");
	else
		test_set_phase(t, PHASE_DISPLAY, ANSWER_TIME);
	cJSON_Delete(json);
}

static enum wire_item client_item(const struct test *t, size_t *json_max)
{
	*json_max = RESULTS_MAX;
	if (t->failing)
		return WIRE_ERROR;
	return t->phase == PHASE_ANSWER ? WIRE_JSON : WIRE_MESSAGE;
}

static void client_not_received(struct test *t, int error)
{
	test_error(t, IE_RECVRESULTS, -error, error == -ENOMEM ? "out of memory" :
		   "the server announced JSON of an impossible length");
}

static void client_ended(struct test *t, int error)
{
	if (t->phase != PHASE_OVER)
		test_broken(t, error ? strerror(-error) :
			    "the server has unexpectedly closed the connection");
}

/* Bytes that have arrived either way, whichever is more. */
static uint64_t arrived(const struct test *t)
{
	uint64_t sent = 0, received = 0;
	int i;

	for (i = 0; i < t->nr_streams; i++) {
		const struct stream *st = &t->streams[i];

		if (st->sending)
			sent += st->acked;
		else
			received += st->bytes;
	}
	return sent > received ? sent : received;
}

static void client_clock(struct test *t, uint64_t now)
{
	const struct parameters *p = &t->par;

	if (t->phase == PHASE_RUNNING) {
		test_running_clock(t, now);
		if (t->phase == PHASE_RUNNING && !t->clock.omitting &&
		    (p->bytes ? arrived(t) >= p->bytes :
				now - t->clock.start >= p->seconds * NSEC))
			finish(t);
	}
	if (t->clock.deadline && now >= t->clock.deadline) {
		t->clock.deadline = 0;
		test_error(t, IE_INITTEST, ETIMEDOUT, "the server does not answer");
	}
}

static void client_timeout(const struct test *t, uint64_t now, int64_t *timeout)
{
	if (t->phase == PHASE_RUNNING && !t->par.bytes && !t->clock.omitting)
		clock_sooner(timeout, now, t->clock.start + t->par.seconds * NSEC);
}

static const struct test_end client_end = {
	.client = true,
	.item = client_item,
	.received = {
		[WIRE_MESSAGE] = message_received,
		[WIRE_JSON] = json_received,
		[WIRE_ERROR] = error_received,
	},
	.not_received = client_not_received,
	.error = client_error,
	.terminate = client_terminate,
	.ended = client_ended,
	.clock = client_clock,
	.timeout = client_timeout,
};

/* 36 characters that no other client has. */
static void make_cookie(char *cookie)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char random[COOKIE_SIZE - 1];
	size_t i;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, getpid(), sizeof(random));
	for (i = 0; i < sizeof(random); i++)
		cookie[i] = letters[random[i] % 32];
	cookie[i] = 0;
}

struct test *client_begin(struct run *run, struct conns *conns)
{
	const struct options *opt = run->opt;
	struct conn *control;
	struct test *t;

	if (!opt->reverse && !run->transport->sendable) {
		complain("nothing can be sent: %s", run->transport->why_not);
		return NULL;
	}
	control = connection(opt, conns);
	if (!control)
		return NULL;
	t = test_new(run, control, &client_end);
	if (!t) {
		complain("out of memory");
		return NULL;
	}
	t->par = (struct parameters) {
		.seconds = opt->bytes ? 0 : opt->seconds, .omit = opt->omit,
		.bytes = opt->bytes, .parallel = opt->parallel,
		.length = opt->length ? opt->length : BLOCK_USUAL, .reverse = opt->reverse, .bidir = opt->bidir,
		.window = opt->window, .mss = opt->mss, .bandwidth = opt->bitrate,
	};
	control->role = ROLE_CONTROL;
	make_cookie(t->cookie);
	report_connecting(t);
	conn_send(control, t->cookie, COOKIE_SIZE);
	test_set_phase(t, PHASE_COOKIE, ANSWER_TIME);
	return t;
}

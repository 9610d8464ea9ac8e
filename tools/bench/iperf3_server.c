// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * iperf3's protocol, the server's half.  Whatever brings the bytes calls
 * server_control(); nothing here reads a socket, so the bytes may just as well
 * come out of a region.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "connection.h"
#include "iperf3_server.h"
#include "listener.h"
#include "options.h"
#include "report.h"

#define PARAMETERS_MAX	(256u << 10)	/* bytes of JSON */
#define RESULTS_MAX	(1u << 20)

#define COOKIE_TIME	(10 * NSEC)
#define PARAMETERS_TIME	(10 * NSEC)
#define STREAMS_TIME	(15 * NSEC)
#define RESULTS_TIME	(10 * NSEC)
/* iperf3 gives up a read of the control connection after 10 s. */
#define DRAIN_TIME	(8 * NSEC)
#define DRAIN_STALL	(4 * NSEC)
#define DRAIN_QUIET	(NSEC / 5)
#define DISPLAY_TIME	(5 * NSEC)
#define GRACE_TIME	(5 * NSEC)
/* Held buffers are all there is, and nothing has come for so long. */
#define EXHAUSTED_TIME	(3 * NSEC)

static void set_phase(struct test *t, enum phase phase, uint64_t time)
{
	t->phase = phase;
	clock_wait(&t->clock, time);
}

static void send_message(struct test *t, enum message m)
{
	int8_t byte = m;

	if (t->control)
		conn_send(t->control, &byte, 1);
}

static void send_json(struct test *t, const cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);
	uint32_t size;

	if (!text) {
		server_error(t, IE_INITTEST, ENOMEM, "out of memory");
		return;
	}
	size = htonl(strlen(text));
	if (t->control) {
		conn_send(t->control, &size, sizeof(size));
		conn_send(t->control, text, strlen(text));
	}
	cJSON_free(text);
}

struct test *server_begin(struct run *run, struct conn *control)
{
	struct test *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->run = run;
	t->control = control;
	t->remote_retransmits = -1;
	run->tests++;
	set_phase(t, PHASE_COOKIE, COOKIE_TIME);
	return t;
}

void server_free(struct test *t)
{
	if (t->capture)
		fclose(t->capture);
	free(t->captured);
	cJSON_Delete(t->json);
	cJSON_Delete(t->json_start);
	cJSON_Delete(t->json_intervals);
	parameters_free(&t->par);
	record_free(&t->record);
	wire_free(&t->wire);
	free(t);
}

static void over(struct test *t)
{
	int i;

	if (t->phase == PHASE_OVER)
		return;
	set_phase(t, PHASE_OVER, 0);
	for (i = 0; i < t->nr_streams; i++) {
		struct conn *c = t->streams[i].conn;

		t->streams[i].conn = NULL;
		if (!c)
			continue;
		/*
		 * Closed with data unread, it would be reset, and the client hear of that
		 * before it hears why.
		 */
		if (t->broken)
			conn_finish(c);
		else
			conn_close(c);
	}
	if (t->control) {
		struct conn *c = t->control;

		t->control = NULL;
		conn_finish(c);
	}
	listener_set_options(t->run->listener, 0, 0);
}

/* The figures of a test that has run, whatever ended it. */
static void conclude(struct test *t)
{
	struct receiver *receiver = t->run->receiver;
	struct receive_stats now = { 0 };

	if (!t->clock.start || t->json)
		return;
	clock_stop(&t->clock);
	receiver->ops->stats(receiver, &now);
	t->stats.completions = now.completions - t->stats_start.completions;
	t->stats.extents = now.extents - t->stats_start.extents;
	t->stats.rearms = now.rearms - t->stats_start.rearms;
	t->stats.flushes = now.flushes - t->stats_start.flushes;
	t->stats.alloc_failures = now.alloc_failures - t->stats_start.alloc_failures;
	t->stats.kernel_copies = now.kernel_copies - t->stats_start.kernel_copies;
	t->stats.kernel_copy_bytes = now.kernel_copy_bytes - t->stats_start.kernel_copy_bytes;
	t->stats.stray_bytes = now.stray_bytes - t->stats_start.stray_bytes;
	t->stats.cpu_copy_bytes = now.cpu_copy_bytes - t->stats_start.cpu_copy_bytes;
	t->stats.held_bytes = now.held_bytes;
	report_final(t);
}

/* Ends that nobody asked for: the sentence first, then the figures. */
static void broken(struct test *t, const char *why)
{
	t->broken = true;
	t->why = why;
	complain("%s", why);
	conclude(t);
	over(t);
}

void server_error(struct test *t, enum iperf_error error, int err,
		  const char *why)
{
	uint32_t pair[2] = { htonl(error), htonl(err) };

	if (t->phase == PHASE_OVER)
		return;
	send_message(t, MSG_SERVER_ERROR);
	if (t->control)
		conn_send(t->control, pair, sizeof(pair));
	broken(t, why);
}

void server_terminate(struct test *t, const char *why)
{
	if (t->phase == PHASE_OVER)
		return;
	send_message(t, MSG_SERVER_TERMINATE);
	broken(t, why);
}

static void parameters_received(struct test *t, const cJSON *json)
{
	struct refusal no;

	if (!parameters_parse(&t->par, json, &no)) {
		server_error(t, no.error, no.err, no.why);
		return;
	}
	if (t->par.server_output && !t->run->opt->json)
		t->capture = open_memstream(&t->captured, &t->captured_len);
	report_accepted(t);
	listener_set_options(t->run->listener, t->par.window, t->par.mss);
	set_phase(t, PHASE_STREAMS, STREAMS_TIME);
	send_message(t, MSG_CREATE_STREAMS);
}

static void start(struct test *t)
{
	socklen_t len = sizeof(t->congestion);
	struct parameters *p = &t->par;
	int i;

	listener_set_options(t->run->listener, 0, 0);
	for (i = 0; i < t->nr_streams; i++) {
		t->streams[i].id = i ? i + 2 : 1;
		report_stream(t, &t->streams[i]);
	}
	if (getsockopt(t->streams[0].conn->fd, IPPROTO_TCP, TCP_CONGESTION,
		       t->congestion, &len))
		t->congestion[0] = 0;
	send_message(t, MSG_TEST_START);
	report_started(t);
	t->run->receiver->ops->stats(t->run->receiver, &t->stats_start);
	set_phase(t, PHASE_RUNNING, p->seconds ?
		  (p->seconds + p->omit) * NSEC + GRACE_TIME : 0);
	clock_start(&t->clock, p->omit, t->run->opt->interval * NSEC);
	send_message(t, MSG_TEST_RUNNING);
}

/*
 * Streams are in the order in which the client has opened them, whichever says
 * first who it is.
 */
static struct stream *insert_stream(struct test *t, unsigned int number)
{
	int i;

	for (i = t->nr_streams++; i && t->streams[i - 1].number > number; i--) {
		t->streams[i] = t->streams[i - 1];
		t->streams[i].conn->stream = &t->streams[i];
	}
	t->streams[i] = (struct stream) { .number = number };
	return &t->streams[i];
}

bool server_join(struct test *t, struct conn *c)
{
	struct parameters *p = &t->par;
	char name[4 * sizeof(p->congestion) + 1];
	int buf = p->window;
	struct stream *st;

	if (t->phase != PHASE_STREAMS || t->nr_streams == p->parallel ||
	    memcmp(c->cookie, t->cookie, COOKIE_SIZE))
		return false;

	/* Only what a receiver's end can be told; the sender does the rest. */
	if (buf)
		setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf));
	if (p->tos) {
		setsockopt(c->fd, IPPROTO_IP, IP_TOS, &p->tos, sizeof(p->tos));
		setsockopt(c->fd, IPPROTO_IPV6, IPV6_TCLASS, &p->tos, sizeof(p->tos));
	}
	if (p->congestion[0] &&
	    setsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, p->congestion,
		       strlen(p->congestion))) {
		const char *why = strerror(errno);

		report_note(t, "congestion control \"%s\" is not to be had here: %s",
			    printable(name, sizeof(name), p->congestion), why);
	}

	st = insert_stream(t, c->number);
	st->conn = c;
	st->socket = c->fd;
	memcpy(st->local_host, c->local_host, sizeof(st->local_host));
	memcpy(st->remote_host, c->remote_host, sizeof(st->remote_host));
	st->local_port = c->local_port;
	st->remote_port = c->remote_port;
	c->stream = st;
	c->role = ROLE_DATA;
	c->deadline = 0;
	if (t->nr_streams == p->parallel)
		start(t);
	return true;
}

/* What the client is told about the test. */
static cJSON *compose_results(const struct test *t)
{
	cJSON *json = cJSON_CreateObject(), *streams, *o;
	int i;

	if (!json)
		return NULL;
	cJSON_AddNumberToObject(json, "cpu_util_total", t->clock.cpu_total);
	cJSON_AddNumberToObject(json, "cpu_util_user", t->clock.cpu_user);
	cJSON_AddNumberToObject(json, "cpu_util_system", t->clock.cpu_system);
	cJSON_AddNumberToObject(json, "sender_has_retransmits", -1);
	if (t->congestion[0])
		cJSON_AddStringToObject(json, "congestion_used", t->congestion);
	if (t->capture && t->captured)
		cJSON_AddStringToObject(json, "server_output_text", t->captured);
	else if (t->par.server_output && t->json)
		cJSON_AddItemToObject(json, "server_output_json",
				      cJSON_Duplicate(t->json, true));
	streams = cJSON_AddArrayToObject(json, "streams");
	for (i = 0; i < t->nr_streams; i++) {
		o = cJSON_CreateObject();
		cJSON_AddNumberToObject(o, "id", t->streams[i].id);
		cJSON_AddNumberToObject(o, "bytes", t->streams[i].bytes);
		cJSON_AddNumberToObject(o, "retransmits", -1);
		cJSON_AddNumberToObject(o, "jitter", 0);
		cJSON_AddNumberToObject(o, "errors", 0);
		cJSON_AddNumberToObject(o, "omitted_errors", 0);
		cJSON_AddNumberToObject(o, "packets", 0);
		cJSON_AddNumberToObject(o, "omitted_packets", 0);
		cJSON_AddNumberToObject(o, "start_time", 0);
		cJSON_AddNumberToObject(o, "end_time", clock_seconds(&t->clock));
		cJSON_AddItemToArray(streams, o);
	}
	return json;
}

static void answer(struct test *t)
{
	cJSON *json;

	conclude(t);
	json = compose_results(t);
	if (!json) {
		server_error(t, IE_INITTEST, ENOMEM, "out of memory");
		return;
	}
	send_json(t, json);
	cJSON_Delete(json);
	send_message(t, MSG_DISPLAY_RESULTS);
	set_phase(t, PHASE_DISPLAY, DISPLAY_TIME);
}

/*
 * All that the client has sent is here, as far as can be known: the bytes it
 * claims leave out those of the omitted time, so with --omit silence decides.
 */
static bool drained(struct test *t, uint64_t now)
{
	bool quiet = now - t->clock.last_data >= DRAIN_QUIET;
	int i;

	for (i = 0; i < t->nr_streams; i++) {
		struct stream *st = &t->streams[i];

		if (!st->conn || st->conn->eof)
			continue;
		if (!st->has_claim || t->par.omit) {
			if (!quiet)
				return false;
		} else if (st->total < st->claimed) {
			return false;
		}
	}
	return true;
}

static struct stream *find_stream(struct test *t, int id)
{
	int i;

	for (i = 0; i < t->nr_streams; i++)
		if (t->streams[i].id == id)
			return &t->streams[i];
	return NULL;
}

static void results_received(struct test *t, const cJSON *json)
{
	int i;

	if (!results_parse(&t->remote, json)) {
		server_error(t, IE_RECVRESULTS, EPROTO,
			     "the client sent results without streams");
		return;
	}
	for (i = 0; i < t->remote.nr_streams; i++) {
		const struct stream_results *r = &t->remote.streams[i];
		struct stream *st = find_stream(t, r->id);

		if (!st)
			continue;
		if (r->has_bytes) {
			st->claimed = r->bytes;
			st->has_claim = true;
			t->remote_bytes += st->claimed;
		}
		if (r->retransmits >= 0) {
			if (t->remote_retransmits < 0)
				t->remote_retransmits = 0;
			t->remote_retransmits += r->retransmits;
		}
		if (r->seconds >= 0)
			t->remote_seconds = r->seconds;
	}
	set_phase(t, PHASE_DRAIN, DRAIN_TIME);
}

static void message_received(struct test *t, int8_t m)
{
	switch (m) {
	case MSG_TEST_START:
		return;
	case MSG_TEST_END:
		if (t->phase != PHASE_RUNNING)
			break;
		t->clock.stop = now_ns();
		set_phase(t, PHASE_RESULTS, RESULTS_TIME);
		send_message(t, MSG_EXCHANGE_RESULTS);
		return;
	case MSG_IPERF_DONE:
		if (t->phase == PHASE_DRAIN) {
			broken(t, "the client did not wait for its results, while what it has sent was still arriving");
			return;
		}
		if (t->phase != PHASE_DISPLAY)
			break;
		over(t);
		return;
	case MSG_CLIENT_TERMINATE:
		broken(t, "the client has terminated");
		return;
	}
	snprintf(t->text, sizeof(t->text),
		 "the client sent control message %d, which does not belong here (phase %d)",
		 m, t->phase);
	server_error(t, IE_MESSAGE, EPROTO, t->text);
}

static void json_received(struct test *t)
{
	bool parameters = t->phase == PHASE_PARAMS;
	cJSON *json = cJSON_ParseWithLength(t->wire.in, t->wire.have);

	if (!cJSON_IsObject(json))
		server_error(t, parameters ? IE_RECVPARAMS : IE_RECVRESULTS,
			     EPROTO, "the client sent something that is not JSON");
	else if (parameters)
		parameters_received(t, json);
	else
		results_received(t, json);
	cJSON_Delete(json);
}

static void cookie_received(struct test *t)
{
	if (memchr(t->wire.in, 0, COOKIE_SIZE) != t->wire.in + COOKIE_SIZE - 1) {
		server_error(t, IE_RECVPARAMS, EPROTO,
			     "what connected is not an iperf3 client");
		return;
	}
	memcpy(t->cookie, t->wire.in, COOKIE_SIZE);
	t->control->role = ROLE_CONTROL;
	set_phase(t, PHASE_PARAMS, PARAMETERS_TIME);
	send_message(t, MSG_PARAM_EXCHANGE);
}

static void not_received(struct test *t, int ret)
{
	if (ret == -ENOMEM)
		server_error(t, IE_INITTEST, ENOMEM, "out of memory");
	else
		server_error(t, t->phase == PHASE_PARAMS ? IE_RECVPARAMS :
			     IE_RECVRESULTS, -ret,
			     "the client announced JSON of an impossible length");
}

void server_control(struct test *t, const void *data, size_t len)
{
	const char *p = data;

	while (len && t->phase != PHASE_OVER) {
		bool parameters = t->phase == PHASE_PARAMS;
		enum wire_item item = t->phase == PHASE_COOKIE ? WIRE_COOKIE :
			parameters || t->phase == PHASE_RESULTS ? WIRE_JSON :
			WIRE_MESSAGE;
		int ret = wire_take(&t->wire, item, parameters ? PARAMETERS_MAX :
				    RESULTS_MAX, &p, &len);

		if (ret < 0)
			not_received(t, ret);
		if (ret <= 0)
			continue;
		switch (item) {
		case WIRE_COOKIE:
			cookie_received(t);
			break;
		case WIRE_MESSAGE:
			message_received(t, t->wire.in[0]);
			break;
		case WIRE_JSON:
			json_received(t);
			break;
		}
	}
}

void server_control_ended(struct test *t, int error)
{
	switch (t->phase) {
	case PHASE_DISPLAY:
		over(t);
		return;
	case PHASE_OVER:
		return;
	default:
		broken(t, error ? strerror(-error) :
		       "the client has unexpectedly closed the connection");
	}
}

static void record(struct test *t, struct stream *st, const struct chunk *chunk)
{
	struct stretch stretch = {
		.stream = st->id,
		.offset = st->total,
		.region = chunk->offset,
		.length = chunk->length,
	};

	if (record_add(&t->record, &stretch))
		server_error(t, IE_INITTEST, ENOMEM, "out of memory for --record");
}

void server_data(struct test *t, struct stream *st,
		 const struct chunk *chunk)
{
	uint64_t now = now_ns();

	if (t->run->opt->record)
		record(t, st, chunk);
	if (!st->first)
		st->first = now;
	st->last = t->clock.last_data = now;
	st->total += chunk->length;
	st->bytes += chunk->length;
	st->interval_bytes += chunk->length;
	if (chunk->offset == NOT_IN_REGION)
		st->stray += chunk->length;
}

void server_data_ended(struct test *t, struct stream *st, int error)
{
	if (t->phase == PHASE_STREAMS) {
		server_error(t, IE_STREAMREAD, error ? -error : EPIPE,
			     "a stream was closed before the test has begun");
		return;
	}
	if (error && error != -ECONNRESET && t->phase == PHASE_RUNNING) {
		snprintf(t->text, sizeof(t->text),
			 "stream %d could not be received after %llu bytes: %s%s",
			 st->id, (unsigned long long)st->total, strerror(-error),
			 error == -EFAULT ? " (the network device mixed payload in host memory with payload in the region)" :
			 error == -ENODEV ? " (the memory was taken away)" : "");
		server_error(t, IE_STREAMREAD, -error, t->text);
	}
}

static void end_omit(struct test *t, uint64_t now)
{
	int i;

	report_interval(t, now);
	clock_start_counting(&t->clock, now);
	for (i = 0; i < t->nr_streams; i++) {
		t->streams[i].bytes = 0;
		t->streams[i].stray = 0;
		t->streams[i].interval_bytes = 0;
		t->streams[i].first = 0;
	}
	t->run->receiver->ops->stats(t->run->receiver, &t->stats_start);
}

static void running_clock(struct test *t, uint64_t now)
{
	uint64_t limit = t->run->opt->rcv_timeout * MSEC;

	if (t->clock.omitting && now >= t->clock.omit_end)
		end_omit(t, now);
	if (t->clock.interval_next && now >= t->clock.interval_next) {
		report_interval(t, now);
		clock_next_interval(&t->clock, now);
	}
	if (limit && now - t->clock.last_data >= limit)
		server_terminate(t, "no data for too long");
	else if (t->exhausted && now - t->clock.last_data >= EXHAUSTED_TIME)
		server_error(t, IE_INITTEST, ENOBUFS,
			     "the region is full and --hold keeps all of it: use a larger --region-size");
}

static void deadline_passed(struct test *t)
{
	t->clock.deadline = 0;
	switch (t->phase) {
	case PHASE_COOKIE:
		broken(t, "what connected did not say who it is");
		break;
	case PHASE_PARAMS:
		broken(t, "the client sent no parameters");
		break;
	case PHASE_STREAMS:
		server_error(t, IE_INITTEST, ETIMEDOUT,
			     "the client did not open all of its streams");
		break;
	case PHASE_RUNNING:
		server_terminate(t, "the test should have ended by now");
		break;
	case PHASE_RESULTS:
		server_error(t, IE_RECVRESULTS, ETIMEDOUT,
			     "the client sent no results");
		break;
	case PHASE_DRAIN:
		report_note(t, "not all of what the client has sent did arrive");
		answer(t);
		break;
	case PHASE_DISPLAY:
		over(t);
		break;
	case PHASE_OVER:
		break;
	}
}

void server_clock(struct test *t, uint64_t now)
{
	if (t->phase == PHASE_RUNNING)
		running_clock(t, now);
	if (t->phase == PHASE_DRAIN) {
		if (drained(t, now))
			answer(t);
		else if (now - t->clock.last_data >= DRAIN_STALL &&
			 now - t->clock.stop >= DRAIN_STALL)
			deadline_passed(t);
	}
	if (t->clock.deadline && now >= t->clock.deadline)
		deadline_passed(t);
}

int64_t server_timeout(const struct test *t, uint64_t now)
{
	int64_t timeout = -1;

	if (t->clock.deadline)
		clock_sooner(&timeout, now, t->clock.deadline);
	if (t->phase == PHASE_DRAIN)
		clock_sooner(&timeout, now, now + DRAIN_QUIET / 4);
	if (t->phase == PHASE_RUNNING) {
		if (t->clock.omitting)
			clock_sooner(&timeout, now, t->clock.omit_end);
		if (t->clock.interval_next)
			clock_sooner(&timeout, now, t->clock.interval_next);
		if (t->run->opt->rcv_timeout)
			clock_sooner(&timeout, now, t->clock.last_data +
				     t->run->opt->rcv_timeout * MSEC);
		if (t->exhausted)
			clock_sooner(&timeout, now, t->clock.last_data + EXHAUSTED_TIME);
	}
	return timeout;
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * What a test is for both of its ends: streams, what has gone through them, and what
 * is said about that. Whatever brings the bytes calls test_control() and test_data();
 * nothing here reads a socket, so the bytes may just as well come out of a region.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "connection.h"
#include "listener.h"
#include "options.h"
#include "report.h"
#include "sender.h"

/* Held buffers are all there is, and nothing has come for so long. */
#define EXHAUSTED_TIME	(3 * NSEC)

struct test *test_new(struct run *run, struct conn *control, const struct test_end *end)
{
	struct test *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->run = run;
	t->control = control;
	t->end = end;
	run->tests++;
	return t;
}

void test_free(struct test *t)
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

void test_set_phase(struct test *t, enum phase phase, uint64_t time)
{
	t->phase = phase;
	clock_wait(&t->clock, time);
}

void test_send_message(struct test *t, enum message m)
{
	int8_t byte = m;

	if (t->control)
		conn_send(t->control, &byte, 1);
}

void test_send_json(struct test *t, const cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);
	uint32_t size;

	if (!text) {
		test_error(t, IE_INITTEST, ENOMEM, "out of memory");
		return;
	}
	size = htonl(strlen(text));
	if (t->control) {
		conn_send(t->control, &size, sizeof(size));
		conn_send(t->control, text, strlen(text));
	}
	cJSON_free(text);
}

void test_over(struct test *t)
{
	int i;

	if (t->phase == PHASE_OVER)
		return;
	test_set_phase(t, PHASE_OVER, 0);
	for (i = 0; i < t->nr_streams; i++) {
		struct conn *c = t->streams[i].conn;

		t->streams[i].conn = NULL;
		if (!c)
			continue;
		/*
		 * Closed with data unread, it would be reset, and the other end hear of that
		 * before it hears why.
		 */
		if (t->streams[i].sending)
			t->run->transport->ops->stop(t->run->transport, c);
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
	if (t->run->listener->fd >= 0)
		listener_set_options(t->run->listener, 0, 0);
}

static void sample(struct test *t)
{
	int i;

	for (i = 0; i < t->nr_streams; i++)
		if (t->streams[i].sending)
			sender_sample(t, &t->streams[i]);
}

/* The figures of a test that has run, whatever ended it. */
void test_conclude(struct test *t)
{
	struct transport *transport = t->run->transport;
	struct transport_stats now = { 0 };

	if (!t->clock.start || t->json)
		return;
	clock_stop(&t->clock);
	sample(t);
	transport->ops->stats(transport, &now);
	t->stats.completions = now.completions - t->stats_start.completions;
	t->stats.extents = now.extents - t->stats_start.extents;
	t->stats.rearms = now.rearms - t->stats_start.rearms;
	t->stats.flushes = now.flushes - t->stats_start.flushes;
	t->stats.alloc_failures = now.alloc_failures - t->stats_start.alloc_failures;
	t->stats.kernel_copies = now.kernel_copies - t->stats_start.kernel_copies;
	t->stats.kernel_copy_bytes = now.kernel_copy_bytes - t->stats_start.kernel_copy_bytes;
	t->stats.stray_bytes = now.stray_bytes - t->stats_start.stray_bytes;
	t->stats.cpu_copy_bytes = now.cpu_copy_bytes - t->stats_start.cpu_copy_bytes;
	t->stats.sends = now.sends - t->stats_start.sends;
	t->stats.send_copy_bytes = now.send_copy_bytes - t->stats_start.send_copy_bytes;
	t->stats.held_bytes = now.held_bytes;
	report_final(t);
}

/* Ends that nobody asked for: the sentence first, then the figures. */
void test_broken(struct test *t, const char *why)
{
	t->broken = true;
	t->why = why;
	complain("%s", why);
	test_conclude(t);
	test_over(t);
}

void test_error(struct test *t, enum iperf_error error, int err, const char *why)
{
	if (t->phase == PHASE_OVER)
		return;
	t->end->error(t, error, err);
	test_broken(t, why);
}

void test_terminate(struct test *t, const char *why)
{
	if (t->phase == PHASE_OVER)
		return;
	t->end->terminate(t);
	test_broken(t, why);
}

void test_control(struct test *t, const void *data, size_t len)
{
	const char *p = data;
	size_t json_max;
	int ret;

	while (len && t->phase != PHASE_OVER) {
		enum wire_item item = t->end->item(t, &json_max);

		ret = wire_take(&t->wire, item, json_max, &p, &len);
		if (ret < 0)
			t->end->not_received(t, ret);
		if (ret > 0)
			t->end->received[item](t);
	}
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
	t->streams[i] = (struct stream) { .number = number, .retransmits = -1 };
	return &t->streams[i];
}

int test_streams_wanted(const struct test *t)
{
	return t->par.bidir ? 2 * t->par.parallel : t->par.parallel;
}

void test_add_stream(struct test *t, struct conn *c)
{
	const struct parameters *p = &t->par;
	char name[4 * sizeof(p->congestion) + 1];
	int buf = p->window;
	struct stream *st;

	/* Only what either end can be told; see sender_start(), too. */
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
}

void test_streams_ready(struct test *t)
{
	const struct parameters *p = &t->par;
	socklen_t len = sizeof(t->congestion);
	int i;

	for (i = 0; i < t->nr_streams; i++) {
		struct stream *st = &t->streams[i];
		/* Of both directions, the client opens those first that it sends. */
		bool client = p->bidir ? i < p->parallel : !p->reverse;

		st->id = i ? i + 2 : 1;
		st->sending = client == t->end->client;
		report_stream(t, st);
	}
	if (getsockopt(t->streams[0].conn->fd, IPPROTO_TCP, TCP_CONGESTION,
		       t->congestion, &len))
		t->congestion[0] = 0;
}

void test_start(struct test *t)
{
	report_started(t);
	t->run->transport->ops->stats(t->run->transport, &t->stats_start);
	clock_start(&t->clock, t->par.omit, t->run->opt->interval * NSEC);
}

void test_stop(struct test *t)
{
	t->clock.stop = now_ns();
	sender_stop(t);
}

static bool test_sends(const struct test *t)
{
	int i;

	for (i = 0; i < t->nr_streams; i++)
		if (t->streams[i].sending)
			return true;
	return false;
}

/* What the other end is told about the test. */
cJSON *test_results(struct test *t)
{
	cJSON *json = cJSON_CreateObject(), *streams, *o;
	const struct stream *st;
	int i;

	if (!json)
		return NULL;
	sample(t);
	cJSON_AddNumberToObject(json, "cpu_util_total", t->clock.cpu_total);
	cJSON_AddNumberToObject(json, "cpu_util_user", t->clock.cpu_user);
	cJSON_AddNumberToObject(json, "cpu_util_system", t->clock.cpu_system);
	cJSON_AddNumberToObject(json, "sender_has_retransmits",
				test_sends(t) ? 1 : -1);
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
		st = &t->streams[i];
		cJSON_AddNumberToObject(o, "id", st->id);
		cJSON_AddNumberToObject(o, "bytes", st->bytes);
		cJSON_AddNumberToObject(o, "retransmits", st->sending ?
					st->retransmits - st->retransmits_start : -1);
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

static struct stream *find_stream(struct test *t, int id)
{
	int i;

	for (i = 0; i < t->nr_streams; i++)
		if (t->streams[i].id == id)
			return &t->streams[i];
	return NULL;
}

bool test_results_received(struct test *t, const cJSON *json)
{
	int i;

	if (!results_parse(&t->remote, json))
		return false;
	for (i = 0; i < t->remote.nr_streams; i++) {
		const struct stream_results *r = &t->remote.streams[i];
		struct stream *st = find_stream(t, r->id);

		if (!st)
			continue;
		if (r->has_bytes) {
			st->claimed = r->bytes;
			st->claimed_seconds = r->seconds;
			st->has_claim = true;
		}
		if (!st->sending)
			st->retransmits = r->retransmits;
	}
	return true;
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
		test_error(t, IE_INITTEST, ENOMEM, "out of memory for --record");
}

void test_data(struct test *t, struct stream *st,
		 const struct chunk *chunk)
{
	uint64_t now = now_ns();

	/* The server has not heard yet that the client has ended it. */
	if (t->end->client && t->clock.stop)
		return;
	/* Nobody is to send on those that go out. */
	if (st->sending)
		return;
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

void test_data_ended(struct test *t, struct stream *st, int error)
{
	if (t->phase == PHASE_STREAMS) {
		test_error(t, IE_STREAMREAD, error ? -error : EPIPE,
			     "a stream was closed before the test has begun");
		return;
	}
	if (error && error != -ECONNRESET && t->phase == PHASE_RUNNING) {
		snprintf(t->text, sizeof(t->text),
			 "stream %d could not be received after %llu bytes: %s%s",
			 st->id, (unsigned long long)st->total, strerror(-error),
			 error == -EFAULT ? " (the network device mixed payload in host memory with payload in the region)" :
			 error == -ENODEV ? " (the memory was taken away)" : "");
		test_error(t, IE_STREAMREAD, -error, t->text);
	}
}

static void end_omit(struct test *t, uint64_t now)
{
	int i;

	sample(t);
	report_interval(t, now);
	clock_start_counting(&t->clock, now);
	for (i = 0; i < t->nr_streams; i++) {
		t->streams[i].bytes = 0;
		t->streams[i].stray = 0;
		t->streams[i].interval_bytes = 0;
		t->streams[i].first = 0;
		if (t->streams[i].sending)
			sender_omit(&t->streams[i]);
	}
	t->given = 0;
	t->run->transport->ops->stats(t->run->transport, &t->stats_start);
	sender_go_on(t);
}

void test_running_clock(struct test *t, uint64_t now)
{
	uint64_t limit = t->run->opt->rcv_timeout * MSEC;

	if (t->clock.omitting && now >= t->clock.omit_end)
		end_omit(t, now);
	if (t->clock.interval_next && now >= t->clock.interval_next) {
		report_interval(t, now);
		clock_next_interval(&t->clock, now);
	}
	if (limit && now - t->clock.last_data >= limit)
		test_terminate(t, "no data for too long");
	else if (t->exhausted && now - t->clock.last_data >= EXHAUSTED_TIME)
		test_error(t, IE_INITTEST, ENOBUFS,
			     "the region is full and --hold keeps all of it: use a larger --region-size");
}

int64_t test_timeout(const struct test *t, uint64_t now)
{
	int64_t timeout = -1;

	if (t->clock.deadline)
		clock_sooner(&timeout, now, t->clock.deadline);
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
	t->end->timeout(t, now, &timeout);
	return timeout;
}

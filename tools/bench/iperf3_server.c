// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* iperf3's protocol, the server's half. */
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
#include "sender.h"

#define PARAMETERS_MAX	(256u << 10)	/* bytes of JSON */

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

static void server_error(struct test *t, enum iperf_error error, int err)
{
	uint32_t pair[2] = { htonl(error), htonl(err) };

	test_send_message(t, MSG_SERVER_ERROR);
	if (t->control)
		conn_send(t->control, pair, sizeof(pair));
}

static void server_terminate(struct test *t)
{
	test_send_message(t, MSG_SERVER_TERMINATE);
}

static void parameters_received(struct test *t, const cJSON *json)
{
	struct refusal no;

	if (!parameters_parse(&t->par, json, &no)) {
		test_error(t, no.error, no.err, no.why);
		return;
	}
	if ((t->par.reverse || t->par.bidir) && !t->run->transport->sendable) {
		snprintf(t->text, sizeof(t->text), "the client wants to receive, and nothing can be sent: %s",
			 t->run->transport->why_not);
		test_error(t, IE_UNIMP, EOPNOTSUPP, t->text);
		return;
	}
	if (t->par.server_output && !t->run->opt->json)
		t->capture = open_memstream(&t->captured, &t->captured_len);
	report_accepted(t);
	listener_set_options(t->run->listener, t->par.window, t->par.mss);
	test_set_phase(t, PHASE_STREAMS, STREAMS_TIME);
	test_send_message(t, MSG_CREATE_STREAMS);
}

static void start(struct test *t)
{
	const struct parameters *p = &t->par;

	listener_set_options(t->run->listener, 0, 0);
	test_streams_ready(t);
	test_send_message(t, MSG_TEST_START);
	test_set_phase(t, PHASE_RUNNING, p->seconds ?
		       (p->seconds + p->omit) * NSEC + GRACE_TIME : 0);
	test_start(t);
	test_send_message(t, MSG_TEST_RUNNING);
	sender_start(t);
}

bool server_join(struct test *t, struct conn *c)
{
	if (t->phase != PHASE_STREAMS || t->nr_streams == test_streams_wanted(t) ||
	    memcmp(c->cookie, t->cookie, COOKIE_SIZE))
		return false;

	test_add_stream(t, c);
	if (t->nr_streams == test_streams_wanted(t))
		start(t);
	return true;
}

static void answer(struct test *t)
{
	cJSON *json;

	test_conclude(t);
	json = test_results(t);
	if (!json) {
		test_error(t, IE_INITTEST, ENOMEM, "out of memory");
		return;
	}
	test_send_json(t, json);
	cJSON_Delete(json);
	test_send_message(t, MSG_DISPLAY_RESULTS);
	test_set_phase(t, PHASE_DISPLAY, DISPLAY_TIME);
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

		if (st->sending || !st->conn || st->conn->eof)
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

static void message_received(struct test *t)
{
	const int8_t m = t->wire.in[0];

	switch (m) {
	case MSG_TEST_START:
		return;
	case MSG_TEST_END:
		if (t->phase != PHASE_RUNNING)
			break;
		test_stop(t);
		test_set_phase(t, PHASE_RESULTS, RESULTS_TIME);
		test_send_message(t, MSG_EXCHANGE_RESULTS);
		return;
	case MSG_IPERF_DONE:
		if (t->phase == PHASE_DRAIN) {
			test_broken(t, "the client did not wait for its results, while what it has sent was still arriving");
			return;
		}
		if (t->phase != PHASE_DISPLAY)
			break;
		test_over(t);
		return;
	case MSG_CLIENT_TERMINATE:
		test_broken(t, "the client has terminated");
		return;
	}
	snprintf(t->text, sizeof(t->text),
		 "the client sent control message %d, which does not belong here (phase %d)",
		 m, t->phase);
	test_error(t, IE_MESSAGE, EPROTO, t->text);
}

static void json_received(struct test *t)
{
	bool parameters = t->phase == PHASE_PARAMS;
	cJSON *json = cJSON_ParseWithLength(t->wire.in, t->wire.have);

	if (!cJSON_IsObject(json))
		test_error(t, parameters ? IE_RECVPARAMS : IE_RECVRESULTS,
			     EPROTO, "the client sent something that is not JSON");
	else if (parameters)
		parameters_received(t, json);
	else if (test_results_received(t, json))
		test_set_phase(t, PHASE_DRAIN, DRAIN_TIME);
	else
		test_error(t, IE_RECVRESULTS, EPROTO,
			     "the client sent results without streams");
	cJSON_Delete(json);
}

static void cookie_received(struct test *t)
{
	if (memchr(t->wire.in, 0, COOKIE_SIZE) != t->wire.in + COOKIE_SIZE - 1) {
		test_error(t, IE_RECVPARAMS, EPROTO,
			     "what connected is not an iperf3 client");
		return;
	}
	memcpy(t->cookie, t->wire.in, COOKIE_SIZE);
	t->control->role = ROLE_CONTROL;
	test_set_phase(t, PHASE_PARAMS, PARAMETERS_TIME);
	test_send_message(t, MSG_PARAM_EXCHANGE);
}

static void server_not_received(struct test *t, int ret)
{
	if (ret == -ENOMEM)
		test_error(t, IE_INITTEST, ENOMEM, "out of memory");
	else
		test_error(t, t->phase == PHASE_PARAMS ? IE_RECVPARAMS :
			     IE_RECVRESULTS, -ret,
			     "the client announced JSON of an impossible length");
}

static enum wire_item server_item(const struct test *t, size_t *json_max)
{
	*json_max = t->phase == PHASE_PARAMS ? PARAMETERS_MAX : RESULTS_MAX;
	switch (t->phase) {
	case PHASE_COOKIE:
		return WIRE_COOKIE;
	case PHASE_PARAMS:
	case PHASE_RESULTS:
		return WIRE_JSON;
	default:
		return WIRE_MESSAGE;
	}
}

static void server_ended(struct test *t, int error)
{
	switch (t->phase) {
	case PHASE_DISPLAY:
		test_over(t);
		return;
	case PHASE_OVER:
		return;
	default:
		test_broken(t, error ? strerror(-error) :
		       "the client has unexpectedly closed the connection");
	}
}

static void deadline_passed(struct test *t)
{
	t->clock.deadline = 0;
	switch (t->phase) {
	case PHASE_COOKIE:
		test_broken(t, "what connected did not say who it is");
		break;
	case PHASE_PARAMS:
		test_broken(t, "the client sent no parameters");
		break;
	case PHASE_STREAMS:
		test_error(t, IE_INITTEST, ETIMEDOUT,
			     "the client did not open all of its streams");
		break;
	case PHASE_RUNNING:
		test_terminate(t, "the test should have ended by now");
		break;
	case PHASE_RESULTS:
		test_error(t, IE_RECVRESULTS, ETIMEDOUT,
			     "the client sent no results");
		break;
	case PHASE_DRAIN:
		report_note(t, "not all of what the client has sent did arrive");
		answer(t);
		break;
	case PHASE_DISPLAY:
		test_over(t);
		break;
	case PHASE_ANSWER:
	case PHASE_OVER:
		break;
	}
}

static void server_clock(struct test *t, uint64_t now)
{
	if (t->phase == PHASE_RUNNING)
		test_running_clock(t, now);
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

static void server_timeout(const struct test *t, uint64_t now, int64_t *timeout)
{
	if (t->phase == PHASE_DRAIN)
		clock_sooner(timeout, now, now + DRAIN_QUIET / 4);
}

static const struct test_end server_end = {
	.item = server_item,
	.received = {
		[WIRE_COOKIE] = cookie_received,
		[WIRE_MESSAGE] = message_received,
		[WIRE_JSON] = json_received,
	},
	.not_received = server_not_received,
	.error = server_error,
	.terminate = server_terminate,
	.ended = server_ended,
	.clock = server_clock,
	.timeout = server_timeout,
};

struct test *server_begin(struct run *run, struct conn *control)
{
	struct test *t = test_new(run, control, &server_end);

	if (t)
		test_set_phase(t, PHASE_COOKIE, COOKIE_TIME);
	return t;
}

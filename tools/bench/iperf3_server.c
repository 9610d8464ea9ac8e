// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * iperf3's protocol, the server's half.
 *
 * The control connection is a byte stream: a cookie, then single signed bytes
 * that name a state, and in two places a length (32 bits, network order) with
 * JSON behind it.  Whatever brings the bytes calls session_control(); nothing
 * here reads a socket, so the bytes may just as well come out of a region.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "iperf3_server.h"

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

static void set_phase(struct session *s, enum phase phase, uint64_t time)
{
	s->phase = phase;
	s->deadline = time ? now_ns() + time : 0;
}

static void send_message(struct session *s, enum message m)
{
	int8_t byte = m;

	if (s->control)
		conn_send(s->bench, s->control, &byte, 1);
}

static void send_json(struct session *s, const cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);
	uint32_t size;

	if (!text) {
		session_error(s, IE_INITTEST, ENOMEM, "out of memory");
		return;
	}
	size = htonl(strlen(text));
	if (s->control) {
		conn_send(s->bench, s->control, &size, sizeof(size));
		conn_send(s->bench, s->control, text, strlen(text));
	}
	cJSON_free(text);
}

struct session *session_new(struct bench *b, struct conn *control)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->bench = b;
	s->control = control;
	s->number = ++b->tests;
	s->remote_retransmits = -1;
	set_phase(s, PHASE_COOKIE, COOKIE_TIME);
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	if (s->capture)
		fclose(s->capture);
	free(s->captured);
	cJSON_Delete(s->json);
	cJSON_Delete(s->json_start);
	cJSON_Delete(s->json_intervals);
	free(s->par.title);
	free(s->par.extra);
	free(s->records);
	free(s->in);
	free(s);
}

static void over(struct session *s)
{
	int i;

	if (s->phase == PHASE_OVER)
		return;
	set_phase(s, PHASE_OVER, 0);
	for (i = 0; i < s->nr_streams; i++) {
		struct conn *c = s->streams[i].conn;

		s->streams[i].conn = NULL;
		if (c)
			conn_close(s->bench, c);
	}
	if (s->control) {
		struct conn *c = s->control;

		s->control = NULL;
		conn_finish(s->bench, c);
	}
	bench_session_over(s->bench);
}

static void cpu_begin(struct session *s)
{
	clock_gettime(CLOCK_MONOTONIC, &s->cpu_wall);
	getrusage(RUSAGE_SELF, &s->cpu_start);
}

static double seconds_between(struct timeval a, struct timeval b)
{
	return (b.tv_sec - a.tv_sec) + (b.tv_usec - a.tv_usec) / 1e6;
}

static void cpu_end(struct session *s)
{
	struct timespec now;
	struct rusage r;
	double wall;

	clock_gettime(CLOCK_MONOTONIC, &now);
	getrusage(RUSAGE_SELF, &r);
	wall = (now.tv_sec - s->cpu_wall.tv_sec) +
	       (now.tv_nsec - s->cpu_wall.tv_nsec) / 1e9;
	if (wall <= 0)
		return;
	s->cpu_user = 100 * seconds_between(s->cpu_start.ru_utime, r.ru_utime) / wall;
	s->cpu_system = 100 * seconds_between(s->cpu_start.ru_stime, r.ru_stime) / wall;
	s->cpu_total = s->cpu_user + s->cpu_system;
}

/* The figures of a test that has run, whatever ended it. */
static void conclude(struct session *s)
{
	struct receive_stats now = { 0 };

	if (!s->start || s->json)
		return;
	if (!s->stop)
		s->stop = now_ns();
	cpu_end(s);
	s->bench->receiver->stats(s->bench, &now);
	s->stats.completions = now.completions - s->stats_start.completions;
	s->stats.extents = now.extents - s->stats_start.extents;
	s->stats.rearms = now.rearms - s->stats_start.rearms;
	s->stats.flushes = now.flushes - s->stats_start.flushes;
	s->stats.alloc_failures = now.alloc_failures - s->stats_start.alloc_failures;
	s->stats.kernel_copies = now.kernel_copies - s->stats_start.kernel_copies;
	s->stats.kernel_copy_bytes = now.kernel_copy_bytes - s->stats_start.kernel_copy_bytes;
	s->stats.stray_bytes = now.stray_bytes - s->stats_start.stray_bytes;
	s->stats.cpu_copy_bytes = now.cpu_copy_bytes - s->stats_start.cpu_copy_bytes;
	s->stats.held = now.held;
	report_final(s);
}

/* Ends that nobody asked for: the sentence first, then the figures. */
static void broken(struct session *s, const char *why)
{
	s->broken = true;
	s->why = why;
	complain("%s", why);
	conclude(s);
	over(s);
}

void session_error(struct session *s, enum iperf_error error, int err,
		   const char *why)
{
	uint32_t pair[2] = { htonl(error), htonl(err) };

	if (s->phase == PHASE_OVER)
		return;
	send_message(s, MSG_SERVER_ERROR);
	if (s->control)
		conn_send(s->bench, s->control, pair, sizeof(pair));
	broken(s, why);
}

void session_terminate(struct session *s, const char *why)
{
	if (s->phase == PHASE_OVER)
		return;
	send_message(s, MSG_SERVER_TERMINATE);
	broken(s, why);
}

/* 1 and *@value, 0 when absent, -1 when it is not such a number. */
static int get_number(const cJSON *json, const char *name, double min,
		      double max, double *value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

	if (!item || cJSON_IsNull(item))
		return 0;
	if (cJSON_IsBool(item)) {
		*value = cJSON_IsTrue(item);
		return 1;
	}
	if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble) ||
	    item->valuedouble < min || item->valuedouble > max)
		return -1;
	*value = item->valuedouble;
	return 1;
}

static bool get_flag(const cJSON *json, const char *name)
{
	double v = 0;

	return get_number(json, name, -1e18, 1e18, &v) == 1 && v;
}

static const char *get_string(const cJSON *json, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

/* A field of the parameters with its limits and what to say beyond them. */
struct limit {
	const char *name;
	double min, max;
	enum iperf_error error;
};

static const struct limit limits[] = {
	{ "time",	0, 86400,	IE_DURATION },
	{ "omit",	0, 600,		IE_OMIT },
	{ "parallel",	1, MAX_STREAMS,	IE_STREAMS },
	{ "window",	0, 512 << 20,	IE_BUFSIZE },
	{ "MSS",	0, 32767,	IE_MSS },
	{ "len",	0, 1 << 20,	IE_RECVPARAMS },
	{ "TOS",	0, 255,		IE_RECVPARAMS },
	{ "num",	0, 0x1p63,	IE_RECVPARAMS },
	{ "blockcount",	0, 0x1p63,	IE_RECVPARAMS },
	{ "bandwidth",	0, 0x1p63,	IE_RECVPARAMS },
	{ "fqrate",	0, 0x1p63,	IE_RECVPARAMS },
	{ "get_server_output", 0, 1,	IE_RECVPARAMS },
};

/* What the session goes by, or an error sent and false. */
static bool take_parameters(struct session *s, const cJSON *json)
{
	double v[ARRAY_SIZE(limits)] = { [2] = 1 };
	struct parameters *p = &s->par;
	const char *text;
	size_t i;

	if (get_flag(json, "udp")) {
		session_error(s, IE_INITTEST, EPROTONOSUPPORT,
			      "the client asked for UDP; only TCP is received");
		return false;
	}
	if (get_flag(json, "sctp")) {
		session_error(s, IE_NOSCTP, EPROTONOSUPPORT,
			      "the client asked for SCTP; only TCP is received");
		return false;
	}
	if (!get_flag(json, "tcp")) {
		session_error(s, IE_RECVPARAMS, EPROTO,
			      "the client named no protocol");
		return false;
	}
	if (get_flag(json, "reverse")) {
		session_error(s, IE_UNIMP, EOPNOTSUPP,
			      "the client asked for -R; this server only receives");
		return false;
	}
	if (get_flag(json, "bidirectional")) {
		session_error(s, IE_UNIMP, EOPNOTSUPP,
			      "the client asked for --bidir; this server only receives");
		return false;
	}
	if (cJSON_GetObjectItemCaseSensitive(json, "authtoken")) {
		session_error(s, IE_AUTHTEST, EOPNOTSUPP,
			      "the client wants to log in; this server has no users");
		return false;
	}
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct limit *l = &limits[i];

		if (get_number(json, l->name, l->min, l->max, &v[i]) < 0) {
			session_error(s, l->error, EINVAL,
				      "the client sent parameters out of range");
			return false;
		}
	}
	p->seconds = v[0];
	p->omit = v[1];
	p->parallel = v[2];
	p->window = v[3];
	p->mss = v[4];
	p->length = v[5];
	p->tos = v[6];
	p->bytes = v[7];
	p->blocks = v[8];
	p->bandwidth = v[9];
	p->fq_rate = v[10];
	p->server_output = v[11];
	text = get_string(json, "congestion");
	if (text)
		snprintf(p->congestion, sizeof(p->congestion), "%s", text);
	text = get_string(json, "client_version");
	if (text)
		snprintf(p->version, sizeof(p->version), "%s", text);
	text = get_string(json, "title");
	if (text)
		p->title = strdup(text);
	text = get_string(json, "extra_data");
	if (text)
		p->extra = strdup(text);
	return true;
}

static void parameters_received(struct session *s, const cJSON *json)
{
	if (!take_parameters(s, json))
		return;
	if (s->par.server_output && !s->bench->opt.json)
		s->capture = open_memstream(&s->captured, &s->captured_len);
	report_accepted(s);
	bench_listen_options(s->bench, s->par.window, s->par.mss);
	set_phase(s, PHASE_STREAMS, STREAMS_TIME);
	send_message(s, MSG_CREATE_STREAMS);
}

static void start(struct session *s)
{
	uint64_t step = s->bench->opt.interval * NSEC;
	socklen_t len = sizeof(s->congestion);
	struct parameters *p = &s->par;

	bench_listen_options(s->bench, 0, 0);
	if (getsockopt(s->streams[0].conn->fd, IPPROTO_TCP, TCP_CONGESTION,
		       s->congestion, &len))
		s->congestion[0] = 0;
	send_message(s, MSG_TEST_START);
	report_started(s);
	s->bench->receiver->stats(s->bench, &s->stats_start);
	cpu_begin(s);
	set_phase(s, PHASE_RUNNING, p->seconds ?
		  (p->seconds + p->omit) * NSEC + GRACE_TIME : 0);
	s->start = s->last_data = s->interval_start = now_ns();
	s->omitting = p->omit;
	s->omit_end = s->start + p->omit * NSEC;
	s->interval_next = step ? s->start + step : 0;
	send_message(s, MSG_TEST_RUNNING);
}

bool session_join(struct session *s, struct conn *c)
{
	struct parameters *p = &s->par;
	int buf = p->window;
	struct stream *st;

	if (s->phase != PHASE_STREAMS || s->nr_streams == p->parallel ||
	    memcmp(c->cookie, s->cookie, COOKIE_SIZE))
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
		       strlen(p->congestion)))
		report_note(s, "congestion control \"%s\" is not to be had here: %s",
			    p->congestion, strerror(errno));

	st = &s->streams[s->nr_streams];
	st->session = s;
	st->conn = c;
	st->id = s->nr_streams ? s->nr_streams + 2 : 1;
	st->socket = c->fd;
	memcpy(st->local_host, c->local_host, sizeof(st->local_host));
	memcpy(st->remote_host, c->remote_host, sizeof(st->remote_host));
	st->local_port = c->local_port;
	st->remote_port = c->remote_port;
	c->stream = st;
	c->role = ROLE_DATA;
	c->deadline = 0;
	s->nr_streams++;
	report_stream(s, st);
	if (s->nr_streams == p->parallel)
		start(s);
	return true;
}

static void answer(struct session *s)
{
	cJSON *json;

	conclude(s);
	json = report_results(s);
	if (!json) {
		session_error(s, IE_INITTEST, ENOMEM, "out of memory");
		return;
	}
	send_json(s, json);
	cJSON_Delete(json);
	send_message(s, MSG_DISPLAY_RESULTS);
	set_phase(s, PHASE_DISPLAY, DISPLAY_TIME);
}

/*
 * All that the client has sent is here, as far as can be known: the bytes it
 * claims leave out those of the omitted time, so with --omit silence decides.
 */
static bool drained(struct session *s, uint64_t now)
{
	bool quiet = now - s->last_data >= DRAIN_QUIET;
	int i;

	for (i = 0; i < s->nr_streams; i++) {
		struct stream *st = &s->streams[i];

		if (!st->conn || st->conn->eof)
			continue;
		if (!st->has_claim || s->par.omit) {
			if (!quiet)
				return false;
		} else if (st->total < st->claimed) {
			return false;
		}
	}
	return true;
}

static void results_received(struct session *s, const cJSON *json)
{
	const cJSON *streams, *item;
	const char *text;
	double v;

	streams = cJSON_GetObjectItemCaseSensitive(json, "streams");
	if (!cJSON_IsArray(streams)) {
		session_error(s, IE_RECVRESULTS, EPROTO,
			      "the client sent results without streams");
		return;
	}
	if (get_number(json, "cpu_util_total", 0, 1e9, &v) == 1)
		s->remote_cpu_total = v;
	if (get_number(json, "cpu_util_user", 0, 1e9, &v) == 1)
		s->remote_cpu_user = v;
	if (get_number(json, "cpu_util_system", 0, 1e9, &v) == 1)
		s->remote_cpu_system = v;
	text = get_string(json, "congestion_used");
	if (text)
		snprintf(s->remote_congestion, sizeof(s->remote_congestion),
			 "%s", text);

	cJSON_ArrayForEach(item, streams) {
		struct stream *st = NULL;
		int i;

		if (get_number(item, "id", 1, MAX_STREAMS + 2, &v) != 1)
			continue;
		for (i = 0; i < s->nr_streams; i++)
			if (s->streams[i].id == (int)v)
				st = &s->streams[i];
		if (!st)
			continue;
		if (get_number(item, "bytes", 0, 0x1p63, &v) == 1) {
			st->claimed = v;
			st->has_claim = true;
			s->remote_bytes += st->claimed;
		}
		if (get_number(item, "retransmits", 0, 0x1p53, &v) == 1) {
			if (s->remote_retransmits < 0)
				s->remote_retransmits = 0;
			s->remote_retransmits += v;
		}
		if (get_number(item, "end_time", 0, 1e9, &v) == 1)
			s->remote_seconds = v;
	}

	set_phase(s, PHASE_DRAIN, DRAIN_TIME);
}

static void message_received(struct session *s, int8_t m)
{
	switch (m) {
	case MSG_TEST_START:
		return;
	case MSG_TEST_END:
		if (s->phase != PHASE_RUNNING)
			break;
		s->stop = now_ns();
		set_phase(s, PHASE_RESULTS, RESULTS_TIME);
		send_message(s, MSG_EXCHANGE_RESULTS);
		return;
	case MSG_IPERF_DONE:
		if (s->phase != PHASE_DISPLAY)
			break;
		over(s);
		return;
	case MSG_CLIENT_TERMINATE:
		broken(s, "the client has terminated");
		return;
	}
	session_error(s, IE_MESSAGE, EPROTO,
		      "the client sent a control message that does not belong here");
}

static void body_received(struct session *s)
{
	cJSON *json = cJSON_ParseWithLength(s->in, s->have);

	s->body = false;
	if (!cJSON_IsObject(json))
		session_error(s, s->phase == PHASE_PARAMS ? IE_RECVPARAMS :
			      IE_RECVRESULTS, EPROTO,
			      "the client sent something that is not JSON");
	else if (s->phase == PHASE_PARAMS)
		parameters_received(s, json);
	else
		results_received(s, json);
	cJSON_Delete(json);
}

static void length_received(struct session *s)
{
	bool params = s->phase == PHASE_PARAMS;
	uint32_t length;

	memcpy(&length, s->in, sizeof(length));
	length = ntohl(length);
	if (!length || length > (params ? PARAMETERS_MAX : RESULTS_MAX)) {
		session_error(s, params ? IE_RECVPARAMS : IE_RECVRESULTS,
			      EMSGSIZE, "the client announced JSON of an impossible length");
		return;
	}
	s->body = true;
	s->need = length;
}

static void cookie_received(struct session *s)
{
	if (memchr(s->in, 0, COOKIE_SIZE) != s->in + COOKIE_SIZE - 1) {
		session_error(s, IE_RECVPARAMS, EPROTO,
			      "what connected is not an iperf3 client");
		return;
	}
	memcpy(s->cookie, s->in, COOKIE_SIZE);
	s->control->role = ROLE_CONTROL;
	set_phase(s, PHASE_PARAMS, PARAMETERS_TIME);
	send_message(s, MSG_PARAM_EXCHANGE);
}

/* Input grows with what has come, not with what was announced. */
static bool collect(struct session *s, const char **data, size_t *len)
{
	size_t n = s->need - s->have;

	if (n > *len)
		n = *len;
	if (s->have + n > s->cap) {
		size_t cap = s->cap ? s->cap : 1024;
		char *in;

		while (cap < s->have + n)
			cap *= 2;
		in = realloc(s->in, cap);
		if (!in) {
			session_error(s, IE_INITTEST, ENOMEM, "out of memory");
			return false;
		}
		s->in = in;
		s->cap = cap;
	}
	memcpy(s->in + s->have, *data, n);
	s->have += n;
	*data += n;
	*len -= n;
	return s->have == s->need;
}

void session_control(struct session *s, const void *data, size_t len)
{
	const char *p = data;

	while (len && s->phase != PHASE_OVER) {
		bool json = s->phase == PHASE_PARAMS || s->phase == PHASE_RESULTS;

		if (!s->body)
			s->need = s->phase == PHASE_COOKIE ? COOKIE_SIZE :
				  json ? sizeof(uint32_t) : 1;
		if (!collect(s, &p, &len))
			continue;
		if (s->phase == PHASE_COOKIE)
			cookie_received(s);
		else if (s->body)
			body_received(s);
		else if (json)
			length_received(s);
		else
			message_received(s, s->in[0]);
		s->have = 0;
	}
}

void session_control_ended(struct session *s, int error)
{
	switch (s->phase) {
	case PHASE_DISPLAY:
		over(s);
		return;
	case PHASE_OVER:
		return;
	default:
		broken(s, error ? strerror(-error) :
		       "the client has unexpectedly closed the connection");
	}
}

static void record(struct session *s, struct stream *st,
		   const struct chunk *chunk)
{
	struct record *r;

	if (s->nr_records == s->cap_records) {
		size_t cap = s->cap_records ? s->cap_records * 2 : 32768;

		r = realloc(s->records, cap * sizeof(*r));
		if (!r) {
			session_error(s, IE_INITTEST, ENOMEM,
				      "out of memory for --record");
			return;
		}
		s->records = r;
		s->cap_records = cap;
	}
	s->records[s->nr_records++] = (struct record) {
		.stream = st->id,
		.offset = st->total,
		.region = chunk->offset,
		.length = chunk->length,
	};
}

void session_data(struct session *s, struct stream *st,
		  const struct chunk *chunk)
{
	uint64_t now = now_ns();

	if (s->bench->opt.record)
		record(s, st, chunk);
	if (!st->first)
		st->first = now;
	st->last = s->last_data = now;
	st->total += chunk->length;
	st->bytes += chunk->length;
	st->interval_bytes += chunk->length;
	if (chunk->offset == NOT_IN_REGION)
		st->stray += chunk->length;
}

void session_data_ended(struct session *s, struct stream *st, int error)
{
	if (error && error != -ECONNRESET && s->phase == PHASE_RUNNING) {
		snprintf(s->text, sizeof(s->text),
			 "stream %d could not be received after %llu bytes: %s%s",
			 st->id, (unsigned long long)st->total, strerror(-error),
			 error == -EFAULT ? " (the network device mixed payload in host memory with payload in the region)" :
			 error == -ENODEV ? " (the memory was taken away)" : "");
		session_error(s, IE_STREAMREAD, -error, s->text);
	}
}

static void end_omit(struct session *s, uint64_t now)
{
	int i;

	report_interval(s, now);
	s->omitting = false;
	s->start = s->interval_start = now;
	if (s->interval_next)
		s->interval_next = now + (uint64_t)(s->bench->opt.interval * NSEC);
	for (i = 0; i < s->nr_streams; i++) {
		s->streams[i].bytes = 0;
		s->streams[i].stray = 0;
		s->streams[i].interval_bytes = 0;
		s->streams[i].first = 0;
	}
	s->bench->receiver->stats(s->bench, &s->stats_start);
	cpu_begin(s);
}

static void running_clock(struct session *s, uint64_t now)
{
	uint64_t idle = s->bench->opt.idle * NSEC;

	if (s->omitting && now >= s->omit_end)
		end_omit(s, now);
	if (s->interval_next && now >= s->interval_next) {
		uint64_t step = s->bench->opt.interval * NSEC;

		report_interval(s, now);
		s->interval_start = now;
		while (s->interval_next <= now)
			s->interval_next += step;
	}
	if (idle && now - s->last_data >= idle)
		session_terminate(s, "no data for too long");
	else if (s->alloc_fail && now - s->last_data >= EXHAUSTED_TIME)
		session_error(s, IE_INITTEST, ENOBUFS,
			      "the region is full and --hold keeps all of it: use a larger --region-size");
}

static void deadline_passed(struct session *s)
{
	s->deadline = 0;
	switch (s->phase) {
	case PHASE_COOKIE:
		broken(s, "what connected did not say who it is");
		break;
	case PHASE_PARAMS:
		broken(s, "the client sent no parameters");
		break;
	case PHASE_STREAMS:
		session_error(s, IE_INITTEST, ETIMEDOUT,
			      "the client did not open all of its streams");
		break;
	case PHASE_RUNNING:
		session_terminate(s, "the test should have ended by now");
		break;
	case PHASE_RESULTS:
		session_error(s, IE_RECVRESULTS, ETIMEDOUT,
			      "the client sent no results");
		break;
	case PHASE_DRAIN:
		report_note(s, "not all of what the client has sent did arrive");
		answer(s);
		break;
	case PHASE_DISPLAY:
		over(s);
		break;
	case PHASE_OVER:
		break;
	}
}

void session_clock(struct session *s, uint64_t now)
{
	if (s->phase == PHASE_RUNNING)
		running_clock(s, now);
	if (s->phase == PHASE_DRAIN) {
		if (drained(s, now))
			answer(s);
		else if (now - s->last_data >= DRAIN_STALL &&
			 now - s->stop >= DRAIN_STALL)
			deadline_passed(s);
	}
	if (s->deadline && now >= s->deadline)
		deadline_passed(s);
}

static void sooner(int64_t *timeout, uint64_t now, uint64_t when)
{
	int64_t t = when > now ? (int64_t)(when - now) : 0;

	if (*timeout < 0 || t < *timeout)
		*timeout = t;
}

int64_t session_timeout(struct session *s, uint64_t now)
{
	int64_t timeout = -1;

	if (s->deadline)
		sooner(&timeout, now, s->deadline);
	if (s->phase == PHASE_DRAIN)
		sooner(&timeout, now, now + DRAIN_QUIET / 4);
	if (s->phase == PHASE_RUNNING) {
		if (s->omitting)
			sooner(&timeout, now, s->omit_end);
		if (s->interval_next)
			sooner(&timeout, now, s->interval_next);
		if (s->bench->opt.idle)
			sooner(&timeout, now, s->last_data + s->bench->opt.idle * NSEC);
		if (s->alloc_fail)
			sooner(&timeout, now, s->last_data + EXHAUSTED_TIME);
	}
	return timeout;
}

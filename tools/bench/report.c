// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* What bench prints: iperf3's lines, or iperf3's JSON, and our own below. */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "iperf3_server.h"

#define RULE	"-----------------------------------------------------------\n"
#define DASHES	"- - - - - - - - - - - - - - - - - - - - - - - - -\n"

static void vprint(struct session *s, const char *fmt, va_list ap)
{
	va_list copy;

	if (s->capture) {
		va_copy(copy, ap);
		vfprintf(s->capture, fmt, copy);
		va_end(copy);
	}
	vfprintf(s->bench->out, fmt, ap);
}

static void __attribute__((format(printf, 2, 3)))
print(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(s, fmt, ap);
	va_end(ap);
}

void report_note(struct session *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (s->bench->opt.json)
		complain("%s", text);
	else
		print(s, "netgpu: %s\n", text);
}

/* @step is 1000 for bits, 1024 for bytes. */
static const char *amount(char *buf, size_t size, double n, int step, char unit)
{
	static const char prefixes[] = " KMGT";
	int i = 0;

	if (unit) {
		char u = toupper((unsigned char)unit);

		while (prefixes[i] != u && prefixes[i + 1]) {
			n /= step;
			i++;
		}
	} else {
		while (n >= step && prefixes[i + 1]) {
			n /= step;
			i++;
		}
	}
	snprintf(buf, size, n < 9.995 ? "%4.2f %s%s" : n < 99.95 ? "%4.1f %s%s" :
		 "%4.0f %s%s", n, i ? (char[]){ prefixes[i], 0 } : "",
		 step == 1000 ? "bits" : "Bytes");
	return buf;
}

static double rate(double bytes, double seconds)
{
	return seconds > 0 ? bytes * 8 / seconds : 0;
}

static void line(struct session *s, int id, double start, double end,
		 uint64_t bytes, const char *tail)
{
	char f = s->bench->opt.format;
	char moved[32], speed[32], name[16];
	double bps = rate(bytes, end - start);

	if (id < 0)
		strcpy(name, "SUM");
	else
		snprintf(name, sizeof(name), "%3d", id);
	amount(moved, sizeof(moved), bytes, 1024, 0);
	if (f && isupper((unsigned char)f))
		amount(speed, sizeof(speed), bps / 8, 1024, f);
	else
		amount(speed, sizeof(speed), bps, 1000, f);
	print(s, "[%s] %6.2f-%-6.2f sec  %s  %s/sec                  %s\n",
	      name, start, end, moved, speed, tail);
}

static cJSON *figures(int socket, double start, double end, uint64_t bytes)
{
	cJSON *o = cJSON_CreateObject();

	if (socket >= 0)
		cJSON_AddNumberToObject(o, "socket", socket);
	cJSON_AddNumberToObject(o, "start", start);
	cJSON_AddNumberToObject(o, "end", end);
	cJSON_AddNumberToObject(o, "seconds", end - start);
	cJSON_AddNumberToObject(o, "bytes", bytes);
	cJSON_AddNumberToObject(o, "bits_per_second", rate(bytes, end - start));
	return o;
}

void report_listening(struct bench *b)
{
	if (!b->opt.json)
		fprintf(b->out, RULE "Server listening on %ld (test #%u)\n" RULE,
			b->opt.port, b->tests + 1);
	fflush(b->out);
}

void report_accepted(struct session *s)
{
	if (!s->bench->opt.json)
		print(s, "Accepted connection from %s, port %d\n",
		      s->control->remote_host, s->control->remote_port);
}

static cJSON *start_object(struct session *s)
{
	if (!s->json_start) {
		s->json_start = cJSON_CreateObject();
		cJSON_AddItemToObject(s->json_start, "connected",
				      cJSON_CreateArray());
	}
	return s->json_start;
}

void report_stream(struct session *s, struct stream *st)
{
	cJSON *o;

	if (!s->bench->opt.json) {
		print(s, "[%3d] local %s port %d connected to %s port %d\n",
		      st->socket, st->local_host, st->local_port,
		      st->remote_host, st->remote_port);
		return;
	}
	o = cJSON_CreateObject();
	cJSON_AddNumberToObject(o, "socket", st->socket);
	cJSON_AddStringToObject(o, "local_host", st->local_host);
	cJSON_AddNumberToObject(o, "local_port", st->local_port);
	cJSON_AddStringToObject(o, "remote_host", st->remote_host);
	cJSON_AddNumberToObject(o, "remote_port", st->remote_port);
	cJSON_AddItemToArray(cJSON_GetObjectItem(start_object(s), "connected"), o);
}

static int socket_number(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = 0;

	getsockopt(fd, level, name, &v, &len);
	return v;
}

void report_started(struct session *s)
{
	struct parameters *p = &s->par;
	int fd = s->streams[0].conn->fd;
	cJSON *o, *t;
	struct utsname u;
	struct timespec now;
	char text[512];
	struct tm tm;

	if (!s->bench->opt.json)
		return;

	o = start_object(s);
	cJSON_AddStringToObject(o, "version", "netgpu " NETGPU_VERSION);
	uname(&u);
	snprintf(text, sizeof(text), "%s %s %s %s %s", u.sysname, u.nodename,
		 u.release, u.version, u.machine);
	cJSON_AddStringToObject(o, "system_info", text);
	cJSON_AddNumberToObject(o, "sock_bufsize", p->window);
	cJSON_AddNumberToObject(o, "sndbuf_actual",
				socket_number(fd, SOL_SOCKET, SO_SNDBUF));
	cJSON_AddNumberToObject(o, "rcvbuf_actual",
				socket_number(fd, SOL_SOCKET, SO_RCVBUF));
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	t = cJSON_AddObjectToObject(o, "timestamp");
	cJSON_AddStringToObject(t, "time", text);
	cJSON_AddNumberToObject(t, "timesecs", now.tv_sec);
	cJSON_AddNumberToObject(t, "timemillisecs",
				now.tv_sec * 1000.0 + now.tv_nsec / 1000000);
	t = cJSON_AddObjectToObject(o, "accepted_connection");
	cJSON_AddStringToObject(t, "host", s->control->remote_host);
	cJSON_AddNumberToObject(t, "port", s->control->remote_port);
	cJSON_AddStringToObject(o, "cookie", s->cookie);
	cJSON_AddNumberToObject(o, "tcp_mss_default",
				socket_number(fd, IPPROTO_TCP, TCP_MAXSEG));
	cJSON_AddNumberToObject(o, "target_bitrate", p->bandwidth);
	cJSON_AddNumberToObject(o, "fq_rate", p->fq_rate);
	t = cJSON_AddObjectToObject(o, "test_start");
	cJSON_AddStringToObject(t, "protocol", "TCP");
	cJSON_AddNumberToObject(t, "num_streams", p->parallel);
	cJSON_AddNumberToObject(t, "blksize", p->length);
	cJSON_AddNumberToObject(t, "omit", p->omit);
	cJSON_AddNumberToObject(t, "duration", p->seconds);
	cJSON_AddNumberToObject(t, "bytes", p->bytes);
	cJSON_AddNumberToObject(t, "blocks", p->blocks);
	cJSON_AddNumberToObject(t, "reverse", 0);
	cJSON_AddNumberToObject(t, "tos", p->tos);
	cJSON_AddNumberToObject(t, "target_bitrate", p->bandwidth);
	cJSON_AddNumberToObject(t, "bidir", 0);
	cJSON_AddNumberToObject(t, "fqrate", p->fq_rate);
	cJSON_AddNumberToObject(t, "interval", s->bench->opt.interval);
	s->json_intervals = cJSON_CreateArray();
}

static void heading(struct session *s)
{
	if (!s->headed)
		print(s, "[ ID] Interval           Transfer     Bitrate\n");
	s->headed = true;
}

void report_interval(struct session *s, uint64_t now)
{
	const char *tail = s->omitting ? "(omitted)" : "";
	double start = (s->interval_start - s->start) / 1e9;
	double end = (now - s->start) / 1e9;
	cJSON *interval = NULL, *streams = NULL, *o;
	uint64_t sum = 0;
	int i;

	if (!s->bench->opt.interval)
		return;
	if (s->bench->opt.json) {
		interval = cJSON_CreateObject();
		streams = cJSON_AddArrayToObject(interval, "streams");
	} else {
		if (s->headed && s->nr_streams > 1)
			print(s, DASHES);
		heading(s);
	}
	for (i = 0; i < s->nr_streams; i++) {
		struct stream *st = &s->streams[i];

		if (streams) {
			o = figures(st->socket, start, end, st->interval_bytes);
			cJSON_AddBoolToObject(o, "omitted", s->omitting);
			cJSON_AddBoolToObject(o, "sender", false);
			cJSON_AddItemToArray(streams, o);
		} else {
			line(s, st->socket, start, end, st->interval_bytes, tail);
		}
		sum += st->interval_bytes;
		st->interval_bytes = 0;
	}
	if (interval) {
		o = figures(-1, start, end, sum);
		cJSON_AddBoolToObject(o, "omitted", s->omitting);
		cJSON_AddBoolToObject(o, "sender", false);
		cJSON_AddItemToObject(interval, "sum", o);
		cJSON_AddItemToArray(s->json_intervals, interval);
	} else if (s->nr_streams > 1) {
		line(s, -1, start, end, sum, tail);
	}
	fflush(s->bench->out);
}

/* Payload that came in host memory, as opposed to control messages. */
static uint64_t stray_payload(const struct session *s)
{
	uint64_t sum = 0;
	int i;

	if (s->bench->opt.mode != MODE_ZC)
		return 0;
	for (i = 0; i < s->nr_streams; i++)
		sum += s->streams[i].stray;
	return sum;
}

static uint64_t copied_bytes(const struct session *s)
{
	return s->stats.kernel_copy_bytes + stray_payload(s) +
	       s->stats.cpu_copy_bytes;
}

static const char *mode_name(enum receive_mode mode)
{
	return mode == MODE_ZC ? "zc" : mode == MODE_RECV ? "recv" : "recv-copy";
}

static cJSON *netgpu_object(struct session *s, uint64_t bytes)
{
	struct options *opt = &s->bench->opt;
	struct receive_stats *st = &s->stats;
	struct receive_info info = { 0 };
	cJSON *o = cJSON_CreateObject(), *r;

	s->bench->receiver->info(s->bench, &info);
	cJSON_AddStringToObject(o, "mode", mode_name(opt->mode));
	if (opt->mode == MODE_ZC && opt->iface) {
		cJSON_AddStringToObject(o, "interface", opt->iface);
		cJSON_AddNumberToObject(o, "queue", opt->queue);
	}
	if (info.memory) {
		cJSON_AddStringToObject(o, "memory", info.memory);
		cJSON_AddStringToObject(o, "placement", info.placement);
		if (info.exporter)
			cJSON_AddStringToObject(o, "exporter", info.exporter);
		r = cJSON_AddObjectToObject(o, "region");
		cJSON_AddNumberToObject(r, "offset", info.region_offset);
		cJSON_AddNumberToObject(r, "length", info.region_length);
		cJSON_AddBoolToObject(r, "netgpu", info.region);
	}
	cJSON_AddNumberToObject(o, "bytes", bytes);
	cJSON_AddNumberToObject(o, "completions", st->completions);
	cJSON_AddNumberToObject(o, "extents", st->extents);
	cJSON_AddNumberToObject(o, "bytes_copied_by_cpu", copied_bytes(s));
	cJSON_AddNumberToObject(o, "kernel_copies", st->kernel_copies);
	cJSON_AddNumberToObject(o, "kernel_copy_bytes", st->kernel_copy_bytes);
	cJSON_AddNumberToObject(o, "stray_bytes", stray_payload(s));
	cJSON_AddNumberToObject(o, "stray_control_bytes",
				st->stray_bytes - stray_payload(s));
	cJSON_AddNumberToObject(o, "program_copy_bytes", st->cpu_copy_bytes);
	cJSON_AddNumberToObject(o, "rearms", st->rearms);
	cJSON_AddNumberToObject(o, "refill_flushes", st->flushes);
	cJSON_AddNumberToObject(o, "allocation_failures", st->alloc_failures);
	cJSON_AddNumberToObject(o, "held", st->held);
	if (opt->record)
		cJSON_AddStringToObject(o, "record", opt->record);
	return o;
}

/* End of the test in seconds since its start: the last byte counts. */
static double test_end(const struct session *s)
{
	uint64_t end = s->last_data > s->stop ? s->last_data : s->stop;

	return (end - s->start) / 1e9;
}

static void final_json(struct session *s)
{
	double end = test_end(s);
	cJSON *e, *streams, *o, *st_json;
	uint64_t sum = 0;
	int i;

	s->json = cJSON_CreateObject();
	if (s->par.title)
		cJSON_AddStringToObject(s->json, "title", s->par.title);
	if (s->par.extra)
		cJSON_AddStringToObject(s->json, "extra_data", s->par.extra);
	cJSON_AddItemToObject(s->json, "start", s->json_start);
	cJSON_AddItemToObject(s->json, "intervals", s->json_intervals);
	s->json_start = s->json_intervals = NULL;

	e = cJSON_AddObjectToObject(s->json, "end");
	streams = cJSON_AddArrayToObject(e, "streams");
	for (i = 0; i < s->nr_streams; i++) {
		struct stream *st = &s->streams[i];

		st_json = cJSON_CreateObject();
		o = figures(st->socket, 0, end, st->claimed);
		cJSON_AddBoolToObject(o, "sender", false);
		cJSON_AddItemToObject(st_json, "sender", o);
		o = figures(st->socket, 0, end, st->bytes);
		cJSON_AddBoolToObject(o, "sender", false);
		cJSON_AddItemToObject(st_json, "receiver", o);
		cJSON_AddItemToArray(streams, st_json);
		sum += st->bytes;
	}
	o = figures(-1, 0, end, s->remote_bytes);
	cJSON_AddBoolToObject(o, "sender", false);
	cJSON_AddItemToObject(e, "sum_sent", o);
	o = figures(-1, 0, end, sum);
	cJSON_AddBoolToObject(o, "sender", false);
	cJSON_AddItemToObject(e, "sum_received", o);
	o = cJSON_AddObjectToObject(e, "cpu_utilization_percent");
	cJSON_AddNumberToObject(o, "host_total", s->cpu_total);
	cJSON_AddNumberToObject(o, "host_user", s->cpu_user);
	cJSON_AddNumberToObject(o, "host_system", s->cpu_system);
	cJSON_AddNumberToObject(o, "remote_total", s->remote_cpu_total);
	cJSON_AddNumberToObject(o, "remote_user", s->remote_cpu_user);
	cJSON_AddNumberToObject(o, "remote_system", s->remote_cpu_system);
	if (s->remote_congestion[0])
		cJSON_AddStringToObject(e, "sender_tcp_congestion",
					s->remote_congestion);
	cJSON_AddStringToObject(e, "receiver_tcp_congestion", s->congestion);
	cJSON_AddItemToObject(s->json, "netgpu", netgpu_object(s, sum));
	if (s->why)
		cJSON_AddStringToObject(s->json, "error", s->why);
}

static void final_text(struct session *s)
{
	struct receive_stats *st = &s->stats;
	struct receive_info info = { 0 };
	double end = test_end(s);
	uint64_t sum = 0;
	char a[32], c[32];
	int i;

	print(s, DASHES);
	print(s, "[ ID] Interval           Transfer     Bitrate\n");
	for (i = 0; i < s->nr_streams; i++) {
		line(s, s->streams[i].socket, 0, end, s->streams[i].bytes,
		     "receiver");
		sum += s->streams[i].bytes;
	}
	if (s->nr_streams > 1)
		line(s, -1, 0, end, sum, "receiver");

	s->bench->receiver->info(s->bench, &info);
	amount(a, sizeof(a), sum, 1024, 0);
	amount(c, sizeof(c), copied_bytes(s), 1024, 0);
	print(s, "[netgpu] mode %s", mode_name(s->bench->opt.mode));
	if (info.memory)
		print(s, ", %s, placement %s", info.memory, info.placement);
	print(s, "\n[netgpu] %s in %" PRIu64 " completions, %" PRIu64
	      " extents; copied by the CPU: %s\n", a, st->completions,
	      st->extents, c);
	if (st->kernel_copies || stray_payload(s))
		print(s, "[netgpu] came in host memory: %" PRIu64 " bytes, of which the kernel copied %" PRIu64 "\n",
		      st->kernel_copy_bytes + stray_payload(s),
		      st->kernel_copy_bytes);
	if (st->alloc_failures)
		print(s, "[netgpu] the region was exhausted (%" PRIu64 " reports)\n",
		      st->alloc_failures);
	if (s->capture)
		fflush(s->capture);
}

void report_final(struct session *s)
{
	uint64_t pending = 0;
	int i;

	for (i = 0; i < s->nr_streams; i++)
		pending += s->streams[i].interval_bytes;
	if (pending)
		report_interval(s, s->last_data > s->interval_start ?
				s->last_data : s->stop);
	if (s->bench->opt.json)
		final_json(s);
	else
		final_text(s);
	fflush(s->bench->out);
}

cJSON *report_results(struct session *s)
{
	cJSON *json = cJSON_CreateObject(), *streams, *o;
	int i;

	if (!json)
		return NULL;
	cJSON_AddNumberToObject(json, "cpu_util_total", s->cpu_total);
	cJSON_AddNumberToObject(json, "cpu_util_user", s->cpu_user);
	cJSON_AddNumberToObject(json, "cpu_util_system", s->cpu_system);
	cJSON_AddNumberToObject(json, "sender_has_retransmits", -1);
	if (s->congestion[0])
		cJSON_AddStringToObject(json, "congestion_used", s->congestion);
	if (s->capture && s->captured)
		cJSON_AddStringToObject(json, "server_output_text", s->captured);
	else if (s->par.server_output && s->json)
		cJSON_AddItemToObject(json, "server_output_json",
				      cJSON_Duplicate(s->json, true));
	streams = cJSON_AddArrayToObject(json, "streams");
	for (i = 0; i < s->nr_streams; i++) {
		o = cJSON_CreateObject();
		cJSON_AddNumberToObject(o, "id", s->streams[i].id);
		cJSON_AddNumberToObject(o, "bytes", s->streams[i].bytes);
		cJSON_AddNumberToObject(o, "retransmits", -1);
		cJSON_AddNumberToObject(o, "jitter", 0);
		cJSON_AddNumberToObject(o, "errors", 0);
		cJSON_AddNumberToObject(o, "omitted_errors", 0);
		cJSON_AddNumberToObject(o, "packets", 0);
		cJSON_AddNumberToObject(o, "omitted_packets", 0);
		cJSON_AddNumberToObject(o, "start_time", 0);
		cJSON_AddNumberToObject(o, "end_time", test_end(s));
		cJSON_AddItemToArray(streams, o);
	}
	return json;
}

static int by_stream(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* JSON lines: {"stream", "offset", "region", "length"}, all in bytes. */
static void write_records(struct session *s)
{
	FILE *f = fopen(s->bench->opt.record, "w");
	size_t i;

	if (!f) {
		complain("%s: %m", s->bench->opt.record);
		s->bench->status = 1;
		return;
	}
	qsort(s->records, s->nr_records, sizeof(s->records[0]), by_stream);
	for (i = 0; i < s->nr_records; i++) {
		struct record *r = &s->records[i];

		fprintf(f, "{\"stream\":%u,\"offset\":%" PRIu64 ",\"region\":",
			r->stream, r->offset);
		if (r->region == NOT_IN_REGION)
			fputs("null", f);
		else
			fprintf(f, "%" PRIu64, r->region);
		fprintf(f, ",\"length\":%u}\n", r->length);
	}
	if (fclose(f)) {
		complain("%s: %m", s->bench->opt.record);
		s->bench->status = 1;
	}
}

void report_done(struct session *s)
{
	if (s->bench->opt.json) {
		char *text;

		if (!s->json) {
			s->json = cJSON_CreateObject();
			cJSON_AddItemToObject(s->json, "start", s->json_start ?
					      s->json_start : cJSON_CreateObject());
			cJSON_AddArrayToObject(s->json, "intervals");
			cJSON_AddObjectToObject(s->json, "end");
			s->json_start = NULL;
		}
		if (s->why && !cJSON_GetObjectItem(s->json, "error"))
			cJSON_AddStringToObject(s->json, "error", s->why);
		text = cJSON_Print(s->json);
		if (text)
			fprintf(s->bench->out, "%s\n", text);
		cJSON_free(text);
	}
	if (s->bench->opt.record && s->start)
		write_records(s);
	fflush(s->bench->out);
}

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

#include "command.h"
#include "connection.h"
#include "options.h"
#include "report.h"
#include "sender.h"

#define RULE	"-----------------------------------------------------------\n"
#define DASHES	"- - - - - - - - - - - - - - - - - - - - - - - - -\n"

static void vprint(struct test *t, const char *fmt, va_list ap)
{
	va_list copy;

	if (t->capture) {
		va_copy(copy, ap);
		vfprintf(t->capture, fmt, copy);
		va_end(copy);
	}
	vfprintf(t->run->out, fmt, ap);
}

static void __attribute__((format(printf, 2, 3)))
print(struct test *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(t, fmt, ap);
	va_end(ap);
}

void report_note(struct test *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (t->run->opt->json)
		complain("%s", text);
	else
		print(t, "netgpu: %s\n", text);
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

/* What iperf3 calls the streams of this end, when they go both ways. */
static const char *role(const struct test *t, bool sending)
{
	if (!t->par.bidir)
		return "";
	if (t->end->client)
		return sending ? "[TX-C]" : "[RX-C]";
	return sending ? "[TX-S]" : "[RX-S]";
}

/* @id < 0 is for all that go one way; @retransmits < 0 is not shown. */
static void line(struct test *t, int id, bool sending, double start, double end,
		 uint64_t bytes, int64_t retransmits, const char *tail)
{
	char f = t->run->opt->format;
	char moved[32], speed[32], name[16], again[24] = "";
	double bps = rate(bytes, end - start);

	if (id < 0)
		strcpy(name, "SUM");
	else
		snprintf(name, sizeof(name), "%3d", id);
	if (retransmits >= 0)
		snprintf(again, sizeof(again), "%" PRId64, retransmits);
	amount(moved, sizeof(moved), bytes, 1024, 0);
	if (f && isupper((unsigned char)f))
		amount(speed, sizeof(speed), bps / 8, 1024, f);
	else
		amount(speed, sizeof(speed), bps, 1000, f);
	print(t, "[%s]%s %6.2f-%-6.2f sec  %s  %s/sec  %4s            %s\n",
	      name, role(t, sending), start, end, moved, speed, again, tail);
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

void report_listening(const struct run *run)
{
	if (!run->opt->json)
		fprintf(run->out, RULE "Server listening on %ld (test #%u)\n" RULE,
			run->opt->port, run->tests + 1);
	fflush(run->out);
}

void report_accepted(struct test *t)
{
	if (!t->run->opt->json)
		print(t, "Accepted connection from %s, port %d\n",
		      t->control->remote_host, t->control->remote_port);
}

void report_connecting(struct test *t)
{
	const struct options *opt = t->run->opt;

	if (opt->json)
		return;
	print(t, "Connecting to host %s, port %ld\n", opt->client, opt->port);
	if (opt->reverse)
		print(t, "Reverse mode, remote host %s is sending\n", opt->client);
}

static cJSON *start_object(struct test *t)
{
	if (!t->json_start) {
		t->json_start = cJSON_CreateObject();
		cJSON_AddItemToObject(t->json_start, "connected",
				      cJSON_CreateArray());
	}
	return t->json_start;
}

void report_stream(struct test *t, struct stream *st)
{
	cJSON *o;

	if (!t->run->opt->json) {
		print(t, "[%3d] local %s port %d connected to %s port %d\n",
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
	cJSON_AddItemToArray(cJSON_GetObjectItem(start_object(t), "connected"), o);
}

static int socket_number(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = 0;

	getsockopt(fd, level, name, &v, &len);
	return v;
}

void report_started(struct test *t)
{
	struct parameters *p = &t->par;
	int fd = t->streams[0].conn->fd;
	cJSON *o, *sub;
	struct utsname u;
	struct timespec now;
	char text[512];
	struct tm tm;

	if (!t->run->opt->json)
		return;

	o = start_object(t);
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
	sub = cJSON_AddObjectToObject(o, "timestamp");
	cJSON_AddStringToObject(sub, "time", text);
	cJSON_AddNumberToObject(sub, "timesecs", now.tv_sec);
	cJSON_AddNumberToObject(sub, "timemillisecs",
				now.tv_sec * 1000.0 + now.tv_nsec / 1000000);
	sub = cJSON_AddObjectToObject(o, t->end->client ? "connecting_to" : "accepted_connection");
	cJSON_AddStringToObject(sub, "host", t->end->client ? t->run->opt->client :
				t->control->remote_host);
	cJSON_AddNumberToObject(sub, "port", t->control->remote_port);
	cJSON_AddStringToObject(o, "cookie", t->cookie);
	cJSON_AddNumberToObject(o, "tcp_mss_default",
				socket_number(fd, IPPROTO_TCP, TCP_MAXSEG));
	cJSON_AddNumberToObject(o, "target_bitrate", p->bandwidth);
	cJSON_AddNumberToObject(o, "fq_rate", p->fq_rate);
	sub = cJSON_AddObjectToObject(o, "test_start");
	cJSON_AddStringToObject(sub, "protocol", "TCP");
	cJSON_AddNumberToObject(sub, "num_streams", p->parallel);
	cJSON_AddNumberToObject(sub, "blksize", p->length);
	cJSON_AddNumberToObject(sub, "omit", p->omit);
	cJSON_AddNumberToObject(sub, "duration", p->seconds);
	cJSON_AddNumberToObject(sub, "bytes", p->bytes);
	cJSON_AddNumberToObject(sub, "blocks", p->blocks);
	cJSON_AddNumberToObject(sub, "reverse", p->reverse);
	cJSON_AddNumberToObject(sub, "tos", p->tos);
	cJSON_AddNumberToObject(sub, "target_bitrate", p->bandwidth);
	cJSON_AddNumberToObject(sub, "bidir", p->bidir);
	cJSON_AddNumberToObject(sub, "fqrate", p->fq_rate);
	cJSON_AddNumberToObject(sub, "interval", t->run->opt->interval);
	t->json_intervals = cJSON_CreateArray();
}

static bool sends(const struct test *t)
{
	return t->par.bidir || t->par.reverse != t->end->client;
}

static void head(struct test *t)
{
	print(t, "[ ID]%s Interval           Transfer     Bitrate%s\n",
	      t->par.bidir ? "[Role]" : "",
	      sends(t) || t->end->client ? "         Retr" : "");
}

static void heading(struct test *t)
{
	if (!t->headed)
		head(t);
	t->headed = true;
}

/* Streams that go one way, and their sum; see sum_name(). */
struct way {
	bool sending;
	int streams;
	uint64_t bytes;
	int64_t retransmits;	/* -1 for those that come in */
};

/* What the client sends comes first, and has the plain names, at both ends. */
static const char *sum_name(const struct test *t, const struct way *way,
			    const char *plain, const char *reverse)
{
	return t->par.bidir && way->sending != t->end->client ? reverse : plain;
}

static void interval_stream(struct test *t, struct stream *st, struct way *way,
			    double start, double end, cJSON *streams)
{
	const char *tail = t->clock.omitting ? "(omitted)" : "";
	int64_t again = -1;
	cJSON *o;

	if (st->sending) {
		sender_sample(t, st);
		again = st->retransmits - st->retransmits_interval;
		st->retransmits_interval = st->retransmits;
		way->retransmits += again;
	}
	if (streams) {
		o = figures(st->socket, start, end, st->interval_bytes);
		if (again >= 0)
			cJSON_AddNumberToObject(o, "retransmits", again);
		cJSON_AddBoolToObject(o, "omitted", t->clock.omitting);
		cJSON_AddBoolToObject(o, "sender", st->sending);
		cJSON_AddItemToArray(streams, o);
	} else {
		line(t, st->socket, st->sending, start, end, st->interval_bytes, again, tail);
	}
	way->streams++;
	way->bytes += st->interval_bytes;
	st->interval_bytes = 0;
}

void report_interval(struct test *t, uint64_t now)
{
	const char *tail = t->clock.omitting ? "(omitted)" : "";
	double start = (t->clock.interval_start - t->clock.start) / 1e9;
	double end = (now - t->clock.start) / 1e9;
	cJSON *interval = NULL, *streams = NULL, *o;
	int i, turn;

	if (!t->run->opt->interval)
		return;
	if (t->run->opt->json) {
		interval = cJSON_CreateObject();
		streams = cJSON_AddArrayToObject(interval, "streams");
	} else {
		if (t->headed && t->nr_streams > 1)
			print(t, DASHES);
		heading(t);
	}
	for (turn = 0; turn < 2; turn++) {
		bool sending = (turn == 0) == t->end->client;
		struct way way = { .sending = sending, .retransmits = sending ? 0 : -1 };

		for (i = 0; i < t->nr_streams; i++)
			if (t->streams[i].sending == sending)
				interval_stream(t, &t->streams[i], &way, start, end, streams);
		if (interval && way.streams) {
			o = figures(-1, start, end, way.bytes);
			if (sending)
				cJSON_AddNumberToObject(o, "retransmits", way.retransmits);
			cJSON_AddBoolToObject(o, "omitted", t->clock.omitting);
			cJSON_AddBoolToObject(o, "sender", sending);
			cJSON_AddItemToObject(interval, sum_name(t, &way, "sum", "sum_bidir_reverse"), o);
		} else if (way.streams > 1) {
			line(t, -1, sending, start, end, way.bytes, way.retransmits, tail);
		}
	}
	if (interval)
		cJSON_AddItemToArray(t->json_intervals, interval);
	fflush(t->run->out);
}

/* Payload that came in host memory, as opposed to control messages. */
static uint64_t stray_payload(const struct test *t)
{
	uint64_t sum = 0;
	int i;

	if (t->run->opt->mode != MODE_ZC)
		return 0;
	for (i = 0; i < t->nr_streams; i++)
		sum += t->streams[i].stray;
	return sum;
}

static uint64_t copied_bytes(const struct test *t)
{
	return t->stats.kernel_copy_bytes + stray_payload(t) +
	       t->stats.cpu_copy_bytes;
}

static const char *mode_name(enum receive_mode mode)
{
	return mode == MODE_ZC ? "zc" : mode == MODE_RECV ? "recv" : "recv-copy";
}

static cJSON *netgpu_object(struct test *t, uint64_t bytes, uint64_t bytes_sent)
{
	const struct options *opt = t->run->opt;
	struct transport_stats *st = &t->stats;
	struct transport_info info = { 0 };
	cJSON *o = cJSON_CreateObject(), *r;

	t->run->transport->ops->info(t->run->transport, &info);
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
	cJSON_AddNumberToObject(o, "bytes_copied_by_cpu", copied_bytes(t));
	cJSON_AddNumberToObject(o, "kernel_copies", st->kernel_copies);
	cJSON_AddNumberToObject(o, "kernel_copy_bytes", st->kernel_copy_bytes);
	cJSON_AddNumberToObject(o, "stray_bytes", stray_payload(t));
	cJSON_AddNumberToObject(o, "stray_control_bytes",
				st->stray_bytes - stray_payload(t));
	cJSON_AddNumberToObject(o, "program_copy_bytes", st->cpu_copy_bytes);
	cJSON_AddNumberToObject(o, "rearms", st->rearms);
	cJSON_AddNumberToObject(o, "refill_flushes", st->flushes);
	cJSON_AddNumberToObject(o, "allocation_failures", st->alloc_failures);
	cJSON_AddNumberToObject(o, "held_bytes", st->held_bytes);
	if (sends(t)) {
		r = cJSON_AddObjectToObject(o, "send");
		cJSON_AddNumberToObject(r, "bytes", bytes_sent);
		cJSON_AddNumberToObject(r, "sends", st->sends);
		cJSON_AddNumberToObject(r, "program_copy_bytes", st->send_copy_bytes);
	}
	if (opt->record)
		cJSON_AddStringToObject(o, "record", opt->record);
	return o;
}

/* Both ends' figures of a stream, or of all that go one way. */
/* Bytes, and the seconds that they took there. */
struct ends {
	uint64_t sent, received;
	double sent_time, received_time;
};

static struct ends ends_of(const struct test *t, const struct stream *st)
{
	double here = clock_seconds(&t->clock);
	double there = st->has_claim && st->claimed_seconds > 0 ? st->claimed_seconds : here;

	return st->sending ? (struct ends) { st->bytes, st->claimed, here, there } :
			     (struct ends) { st->claimed, st->bytes, there, here };
}

static void add_ends(struct ends *sum, const struct ends *one)
{
	sum->sent += one->sent;
	sum->received += one->received;
	if (one->sent_time > sum->sent_time)
		sum->sent_time = one->sent_time;
	if (one->received_time > sum->received_time)
		sum->received_time = one->received_time;
}

/* -1 where that is not known */
static int64_t retransmits(const struct stream *st)
{
	return st->sending ? st->retransmits - st->retransmits_start : st->retransmits;
}

static void final_streams(struct test *t, cJSON *json, struct way *way)
{
	cJSON *st_json, *o;
	struct ends sum = { 0 };
	int64_t again;
	int i;

	for (i = 0; i < t->nr_streams; i++) {
		struct stream *st = &t->streams[i];
		struct ends both = ends_of(t, st);

		if (st->sending != way->sending)
			continue;
		st_json = cJSON_CreateObject();
		o = figures(st->socket, 0, both.sent_time, both.sent);
		again = retransmits(st);
		if (again >= 0) {
			cJSON_AddNumberToObject(o, "retransmits", again);
			way->retransmits = (way->retransmits < 0 ? 0 : way->retransmits) + again;
		}
		cJSON_AddBoolToObject(o, "sender", st->sending);
		cJSON_AddItemToObject(st_json, "sender", o);
		o = figures(st->socket, 0, both.received_time, both.received);
		cJSON_AddBoolToObject(o, "sender", st->sending);
		cJSON_AddItemToObject(st_json, "receiver", o);
		cJSON_AddItemToArray(cJSON_GetObjectItem(json, "streams"), st_json);
		add_ends(&sum, &both);
		way->bytes += st->bytes;
		way->streams++;
	}
	if (!way->streams)
		return;
	o = figures(-1, 0, sum.sent_time, sum.sent);
	if (way->retransmits >= 0)
		cJSON_AddNumberToObject(o, "retransmits", way->retransmits);
	cJSON_AddBoolToObject(o, "sender", way->sending);
	cJSON_AddItemToObject(json, sum_name(t, way, "sum_sent", "sum_sent_bidir_reverse"), o);
	o = figures(-1, 0, sum.received_time, sum.received);
	cJSON_AddBoolToObject(o, "sender", way->sending);
	cJSON_AddItemToObject(json, sum_name(t, way, "sum_received", "sum_received_bidir_reverse"), o);
}

static void final_json(struct test *t)
{
	struct way out = { .sending = true }, in = { .retransmits = -1 };
	cJSON *e, *o;

	t->json = cJSON_CreateObject();
	if (t->par.title)
		cJSON_AddStringToObject(t->json, "title", t->par.title);
	if (t->par.extra)
		cJSON_AddStringToObject(t->json, "extra_data", t->par.extra);
	cJSON_AddItemToObject(t->json, "start", t->json_start);
	cJSON_AddItemToObject(t->json, "intervals", t->json_intervals);
	t->json_start = t->json_intervals = NULL;

	e = cJSON_AddObjectToObject(t->json, "end");
	cJSON_AddArrayToObject(e, "streams");
	final_streams(t, e, t->end->client ? &out : &in);
	final_streams(t, e, t->end->client ? &in : &out);
	o = cJSON_AddObjectToObject(e, "cpu_utilization_percent");
	cJSON_AddNumberToObject(o, "host_total", t->clock.cpu_total);
	cJSON_AddNumberToObject(o, "host_user", t->clock.cpu_user);
	cJSON_AddNumberToObject(o, "host_system", t->clock.cpu_system);
	cJSON_AddNumberToObject(o, "remote_total", t->remote.cpu_total);
	cJSON_AddNumberToObject(o, "remote_user", t->remote.cpu_user);
	cJSON_AddNumberToObject(o, "remote_system", t->remote.cpu_system);
	if (out.streams)
		cJSON_AddStringToObject(e, "sender_tcp_congestion", t->congestion);
	else if (t->remote.congestion[0])
		cJSON_AddStringToObject(e, "sender_tcp_congestion", t->remote.congestion);
	if (in.streams)
		cJSON_AddStringToObject(e, "receiver_tcp_congestion", t->congestion);
	else if (t->remote.congestion[0])
		cJSON_AddStringToObject(e, "receiver_tcp_congestion", t->remote.congestion);
	cJSON_AddItemToObject(t->json, "netgpu", netgpu_object(t, in.bytes, out.bytes));
	if (t->why)
		cJSON_AddStringToObject(t->json, "error", t->why);
}

static void final_lines(struct test *t, struct way *way)
{
	bool claims = false;
	struct ends sum = { 0 };
	int64_t again;
	int i;

	for (i = 0; i < t->nr_streams; i++) {
		struct stream *st = &t->streams[i];
		struct ends both = ends_of(t, st);

		if (st->sending != way->sending)
			continue;
		if (st->sending || (t->end->client && st->has_claim)) {
			again = retransmits(st);
			line(t, st->socket, st->sending, 0, both.sent_time, both.sent, again, "sender");
			if (again >= 0)
				way->retransmits = (way->retransmits < 0 ? 0 : way->retransmits) + again;
		}
		if (!st->sending || st->has_claim)
			line(t, st->socket, st->sending, 0, both.received_time, both.received, -1, "receiver");
		claims |= st->has_claim;
		add_ends(&sum, &both);
		way->bytes += st->bytes;
		way->streams++;
	}
	if (way->streams < 2)
		return;
	if (way->sending || (t->end->client && claims))
		line(t, -1, way->sending, 0, sum.sent_time, sum.sent, way->retransmits, "sender");
	if (!way->sending || claims)
		line(t, -1, way->sending, 0, sum.received_time, sum.received, -1, "receiver");
}

static void final_text(struct test *t)
{
	struct way out = { .sending = true }, in = { .retransmits = -1 };
	struct transport_stats *st = &t->stats;
	struct transport_info info = { 0 };
	char a[32], c[32];

	print(t, DASHES);
	head(t);
	final_lines(t, t->end->client ? &out : &in);
	final_lines(t, t->end->client ? &in : &out);

	t->run->transport->ops->info(t->run->transport, &info);
	print(t, "[netgpu] mode %s", mode_name(t->run->opt->mode));
	if (info.memory)
		print(t, ", %s, placement %s", info.memory, info.placement);
	if (out.streams) {
		amount(a, sizeof(a), out.bytes, 1024, 0);
		amount(c, sizeof(c), st->send_copy_bytes, 1024, 0);
		print(t, "\n[netgpu] %s sent by %" PRIu64 " calls; copied by the CPU: %s",
		      a, st->sends, c);
	}
	if (in.streams) {
		amount(a, sizeof(a), in.bytes, 1024, 0);
		amount(c, sizeof(c), copied_bytes(t), 1024, 0);
		print(t, "\n[netgpu] %s in %" PRIu64 " completions, %" PRIu64
		      " extents; copied by the CPU: %s", a, st->completions, st->extents, c);
	}
	print(t, "\n");
	if (st->kernel_copies || stray_payload(t))
		print(t, "[netgpu] came in host memory: %" PRIu64 " bytes, of which the kernel copied %" PRIu64 "\n",
		      st->kernel_copy_bytes + stray_payload(t),
		      st->kernel_copy_bytes);
	if (st->alloc_failures)
		print(t, "[netgpu] the region was exhausted (%" PRIu64 " reports)\n",
		      st->alloc_failures);
	if (t->capture)
		fflush(t->capture);
}

void report_final(struct test *t)
{
	uint64_t pending = 0;
	int i;

	for (i = 0; i < t->nr_streams; i++)
		pending += t->streams[i].interval_bytes;
	if (pending)
		report_interval(t, t->clock.last_data > t->clock.interval_start ?
				t->clock.last_data : t->clock.stop);
	if (t->run->opt->json)
		final_json(t);
	else
		final_text(t);
	fflush(t->run->out);
}

void report_done(struct test *t)
{
	if (t->run->opt->json) {
		char *text;

		if (!t->json) {
			t->json = cJSON_CreateObject();
			cJSON_AddItemToObject(t->json, "start", t->json_start ?
					      t->json_start : cJSON_CreateObject());
			cJSON_AddArrayToObject(t->json, "intervals");
			cJSON_AddObjectToObject(t->json, "end");
			t->json_start = NULL;
		}
		if (t->why && !cJSON_GetObjectItem(t->json, "error"))
			cJSON_AddStringToObject(t->json, "error", t->why);
		text = cJSON_Print(t->json);
		if (text)
			fprintf(t->run->out, "%s\n", text);
		cJSON_free(text);
	}
	if (t->run->opt->record && t->clock.start &&
	    record_write(&t->record, t->run->opt->record))
		t->failed = true;
	fflush(t->run->out);
}

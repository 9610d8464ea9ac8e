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

static void line(struct test *t, int id, double start, double end,
		 uint64_t bytes, const char *tail)
{
	char f = t->run->opt->format;
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
	print(t, "[%s] %6.2f-%-6.2f sec  %s  %s/sec                  %s\n",
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
	sub = cJSON_AddObjectToObject(o, "accepted_connection");
	cJSON_AddStringToObject(sub, "host", t->control->remote_host);
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
	cJSON_AddNumberToObject(sub, "reverse", 0);
	cJSON_AddNumberToObject(sub, "tos", p->tos);
	cJSON_AddNumberToObject(sub, "target_bitrate", p->bandwidth);
	cJSON_AddNumberToObject(sub, "bidir", 0);
	cJSON_AddNumberToObject(sub, "fqrate", p->fq_rate);
	cJSON_AddNumberToObject(sub, "interval", t->run->opt->interval);
	t->json_intervals = cJSON_CreateArray();
}

static void heading(struct test *t)
{
	if (!t->headed)
		print(t, "[ ID] Interval           Transfer     Bitrate\n");
	t->headed = true;
}

void report_interval(struct test *t, uint64_t now)
{
	const char *tail = t->clock.omitting ? "(omitted)" : "";
	double start = (t->clock.interval_start - t->clock.start) / 1e9;
	double end = (now - t->clock.start) / 1e9;
	cJSON *interval = NULL, *streams = NULL, *o;
	uint64_t sum = 0;
	int i;

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
	for (i = 0; i < t->nr_streams; i++) {
		struct stream *st = &t->streams[i];

		if (streams) {
			o = figures(st->socket, start, end, st->interval_bytes);
			cJSON_AddBoolToObject(o, "omitted", t->clock.omitting);
			cJSON_AddBoolToObject(o, "sender", false);
			cJSON_AddItemToArray(streams, o);
		} else {
			line(t, st->socket, start, end, st->interval_bytes, tail);
		}
		sum += st->interval_bytes;
		st->interval_bytes = 0;
	}
	if (interval) {
		o = figures(-1, start, end, sum);
		cJSON_AddBoolToObject(o, "omitted", t->clock.omitting);
		cJSON_AddBoolToObject(o, "sender", false);
		cJSON_AddItemToObject(interval, "sum", o);
		cJSON_AddItemToArray(t->json_intervals, interval);
	} else if (t->nr_streams > 1) {
		line(t, -1, start, end, sum, tail);
	}
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

static cJSON *netgpu_object(struct test *t, uint64_t bytes)
{
	const struct options *opt = t->run->opt;
	struct receive_stats *st = &t->stats;
	struct receive_info info = { 0 };
	cJSON *o = cJSON_CreateObject(), *r;

	t->run->receiver->ops->info(t->run->receiver, &info);
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
	if (opt->record)
		cJSON_AddStringToObject(o, "record", opt->record);
	return o;
}

static void final_json(struct test *t)
{
	double end = clock_seconds(&t->clock);
	cJSON *e, *streams, *o, *st_json;
	uint64_t sum = 0;
	int i;

	t->json = cJSON_CreateObject();
	if (t->par.title)
		cJSON_AddStringToObject(t->json, "title", t->par.title);
	if (t->par.extra)
		cJSON_AddStringToObject(t->json, "extra_data", t->par.extra);
	cJSON_AddItemToObject(t->json, "start", t->json_start);
	cJSON_AddItemToObject(t->json, "intervals", t->json_intervals);
	t->json_start = t->json_intervals = NULL;

	e = cJSON_AddObjectToObject(t->json, "end");
	streams = cJSON_AddArrayToObject(e, "streams");
	for (i = 0; i < t->nr_streams; i++) {
		struct stream *st = &t->streams[i];

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
	o = figures(-1, 0, end, t->remote_bytes);
	cJSON_AddBoolToObject(o, "sender", false);
	cJSON_AddItemToObject(e, "sum_sent", o);
	o = figures(-1, 0, end, sum);
	cJSON_AddBoolToObject(o, "sender", false);
	cJSON_AddItemToObject(e, "sum_received", o);
	o = cJSON_AddObjectToObject(e, "cpu_utilization_percent");
	cJSON_AddNumberToObject(o, "host_total", t->clock.cpu_total);
	cJSON_AddNumberToObject(o, "host_user", t->clock.cpu_user);
	cJSON_AddNumberToObject(o, "host_system", t->clock.cpu_system);
	cJSON_AddNumberToObject(o, "remote_total", t->remote.cpu_total);
	cJSON_AddNumberToObject(o, "remote_user", t->remote.cpu_user);
	cJSON_AddNumberToObject(o, "remote_system", t->remote.cpu_system);
	if (t->remote.congestion[0])
		cJSON_AddStringToObject(e, "sender_tcp_congestion",
					t->remote.congestion);
	cJSON_AddStringToObject(e, "receiver_tcp_congestion", t->congestion);
	cJSON_AddItemToObject(t->json, "netgpu", netgpu_object(t, sum));
	if (t->why)
		cJSON_AddStringToObject(t->json, "error", t->why);
}

static void final_text(struct test *t)
{
	struct receive_stats *st = &t->stats;
	struct receive_info info = { 0 };
	double end = clock_seconds(&t->clock);
	uint64_t sum = 0;
	char a[32], c[32];
	int i;

	print(t, DASHES);
	print(t, "[ ID] Interval           Transfer     Bitrate\n");
	for (i = 0; i < t->nr_streams; i++) {
		line(t, t->streams[i].socket, 0, end, t->streams[i].bytes,
		     "receiver");
		sum += t->streams[i].bytes;
	}
	if (t->nr_streams > 1)
		line(t, -1, 0, end, sum, "receiver");

	t->run->receiver->ops->info(t->run->receiver, &info);
	amount(a, sizeof(a), sum, 1024, 0);
	amount(c, sizeof(c), copied_bytes(t), 1024, 0);
	print(t, "[netgpu] mode %s", mode_name(t->run->opt->mode));
	if (info.memory)
		print(t, ", %s, placement %s", info.memory, info.placement);
	print(t, "\n[netgpu] %s in %" PRIu64 " completions, %" PRIu64
	      " extents; copied by the CPU: %s\n", a, st->completions,
	      st->extents, c);
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

/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* One test of one iperf3 client. */
#ifndef NETGPU_SESSION_H
#define NETGPU_SESSION_H

#include <sys/resource.h>
#include <time.h>

#include "bench.h"

/* iperf3's control messages, one signed byte each. */
enum message {
	MSG_TEST_START		= 1,
	MSG_TEST_RUNNING	= 2,
	MSG_TEST_END		= 4,
	MSG_PARAM_EXCHANGE	= 9,
	MSG_CREATE_STREAMS	= 10,
	MSG_SERVER_TERMINATE	= 11,
	MSG_CLIENT_TERMINATE	= 12,
	MSG_EXCHANGE_RESULTS	= 13,
	MSG_DISPLAY_RESULTS	= 14,
	MSG_IPERF_DONE		= 16,
	MSG_ACCESS_DENIED	= -1,
	MSG_SERVER_ERROR	= -2,
};

/* iperf3's error numbers, as far as they are sent. */
enum iperf_error {
	IE_DURATION	= 5,
	IE_STREAMS	= 6,
	IE_BUFSIZE	= 8,
	IE_MSS		= 10,
	IE_OMIT		= 12,
	IE_UNIMP	= 13,
	IE_NOSCTP	= 18,
	IE_INITTEST	= 101,
	IE_RECVPARAMS	= 114,
	IE_RECVRESULTS	= 117,
	IE_MESSAGE	= 110,
	IE_AUTHTEST	= 142,
	IE_STREAMREAD	= 206,
};

enum phase {
	PHASE_COOKIE,		/* the client has connected */
	PHASE_PARAMS,		/* told to send its parameters */
	PHASE_STREAMS,		/* told to open its streams */
	PHASE_RUNNING,
	PHASE_RESULTS,		/* told to send its results */
	PHASE_DRAIN,		/* has sent more than has arrived so far */
	PHASE_DISPLAY,		/* has all it needs */
	PHASE_OVER,
};

/* A stretch of a stream, for --record. */
struct record {
	uint64_t offset;	/* in the stream */
	uint64_t region;
	uint32_t length;
	uint32_t stream;
};

struct stream {
	struct session *session;
	struct conn *conn;	/* NULL once closed */
	int id;			/* 1, 3, 4, 5, ...: iperf3's own numbers */
	int socket;
	uint64_t total;		/* bytes since the first one */
	uint64_t bytes;		/* the same, without the omitted ones */
	uint64_t interval_bytes;
	uint64_t stray;		/* bytes that arrived in host memory */
	uint64_t first, last;	/* ns, of data that counts */
	uint64_t claimed;	/* bytes the client says it has sent */
	bool has_claim;
	char local_host[INET6_ADDRSTRLEN], remote_host[INET6_ADDRSTRLEN];
	int local_port, remote_port;
};

struct parameters {
	uint64_t bytes, blocks, bandwidth, fq_rate;
	int seconds, omit, parallel, window, mss, length, tos;
	int server_output;
	char congestion[16];
	char *title, *extra;
	char version[32];
};

struct session {
	struct bench *bench;
	struct conn *control;
	enum phase phase;
	unsigned int number;
	char cookie[COOKIE_SIZE];
	struct parameters par;
	struct stream streams[MAX_STREAMS];
	int nr_streams;
	bool broken;		/* ended by an error */
	const char *why;	/* it ended early */
	char text[200];		/* room for such a sentence */

	/* control input: a message of @need bytes, @have of them here */
	char *in;
	size_t need, have, cap;
	bool body;		/* the length before the message is known */

	uint64_t deadline;	/* of the phase, ns, 0 for none */
	uint64_t start;		/* of the test, ns */
	uint64_t stop;		/* ns: the client said it is done */
	uint64_t last_data;	/* ns */
	bool omitting;
	uint64_t omit_end;
	uint64_t interval_start, interval_next;
	bool alloc_fail;	/* with --hold: the region has run out of buffers */

	struct timespec cpu_wall;
	struct rusage cpu_start;
	double cpu_total, cpu_user, cpu_system;	/* percent */
	double remote_cpu_total, remote_cpu_user, remote_cpu_system;
	char remote_congestion[16], congestion[16];
	int64_t remote_retransmits;
	uint64_t remote_bytes;
	double remote_seconds;

	struct receive_stats stats_start, stats;
	struct record *records;
	size_t nr_records, cap_records;

	/* report */
	FILE *capture;		/* text, for the client that asks for it */
	char *captured;
	size_t captured_len;
	struct cJSON *json_start, *json_intervals, *json;
	bool headed;
};

struct session *session_new(struct bench *b, struct conn *control);
void session_free(struct session *s);

/* Bytes of the control connection. */
void session_control(struct session *s, const void *data, size_t len);
void session_control_ended(struct session *s, int error);
/* True when the connection is one of the test's. */
bool session_join(struct session *s, struct conn *c);
/* Bytes of a stream. */
void session_data(struct session *s, struct stream *st,
		  const struct chunk *chunk);
void session_data_ended(struct session *s, struct stream *st, int error);
/* End the test; the client is told if @tell. */
void session_terminate(struct session *s, const char *why);
void session_error(struct session *s, enum iperf_error error, int err,
		   const char *why);
/*
 * At the end of each turn, when the receiver has accounted for all that it has
 * handed over: do what the clock says, and answer if everything has come.
 */
void session_clock(struct session *s, uint64_t now);
/* ns until session_clock() is wanted, -1 for never. */
int64_t session_timeout(struct session *s, uint64_t now);

/* report.c */
void report_listening(struct bench *b);
void report_accepted(struct session *s);
void report_stream(struct session *s, struct stream *st);
void report_started(struct session *s);
void report_interval(struct session *s, uint64_t now);
void report_final(struct session *s);
/* After the last byte of the session. */
void report_done(struct session *s);
void report_note(struct session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
struct cJSON *report_results(struct session *s);

#endif

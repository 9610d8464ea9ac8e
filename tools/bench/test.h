/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* What there is to know of one test. */
#ifndef BENCH_TEST_H
#define BENCH_TEST_H

#include <netinet/in.h>
#include <stdio.h>

#include "iperf3_wire.h"
#include "transport.h"
#include "record.h"
#include "test_clock.h"

struct conn;
struct cJSON;
struct listener;
struct options;
struct test;

/* What all tests of a run have in common. */
struct run {
	const struct options *opt;
	struct transport *transport;
	struct listener *listener;
	FILE *out;		/* reports */
	unsigned int tests;	/* started so far */
};

enum phase {
	PHASE_COOKIE,		/* the client has connected */
	PHASE_PARAMS,		/* told to send its parameters */
	PHASE_STREAMS,		/* told to open its streams */
	PHASE_RUNNING,
	PHASE_RESULTS,		/* told to send its results */
	PHASE_ANSWER,		/* the client's end: they are sent, those of the server come */
	PHASE_DRAIN,		/* has sent more than has arrived so far */
	PHASE_DISPLAY,		/* has all it needs */
	PHASE_OVER,
};

struct stream {
	struct conn *conn;	/* NULL once closed */
	unsigned int number;	/* of the connection */
	int id;			/* 1, 3, 4, 5, ...: iperf3's own numbers */
	int socket;
	bool sending;
	uint64_t total;		/* bytes since the first one */
	uint64_t bytes;		/* the same, without the omitted ones */
	uint64_t interval_bytes;
	uint64_t stray;		/* bytes that arrived in host memory */
	uint64_t first, last;	/* ns, of data that counts */
	uint64_t claimed;	/* bytes of the other end, which has sent or received them */
	double claimed_seconds;	/* that it took there; -1 if it does not say so */
	bool has_claim;
	/* of one that is sending */
	uint64_t offset;	/* of what is sent next */
	uint64_t block_left;	/* when the memory has ended in a block */
	unsigned int sends;	/* that have not ended */
	uint64_t taken;		/* bytes that the kernel has, or had */
	uint64_t acked;		/* bytes of sends that have ended */
	int64_t retransmits;	/* of one that comes in: as its sender says; -1: not known */
	int64_t retransmits_start, retransmits_interval;
	char local_host[INET6_ADDRSTRLEN], remote_host[INET6_ADDRSTRLEN];
	int local_port, remote_port;
};

#define RESULTS_MAX	(1u << 20)	/* bytes of JSON, of either end's */

/* An end of a test: the server's, or the client's. */
struct test_end {
	bool client;
	/* What comes next on the control connection. */
	enum wire_item (*item)(const struct test *t, size_t *json_max);
	/* By &enum wire_item, of those that item() names: it is in test::wire. */
	void (*received[WIRE_ITEMS])(struct test *t);
	/* It makes no sense: -ENOMEM, -EMSGSIZE. */
	void (*not_received)(struct test *t, int error);
	/* Tell the other end why it ends. */
	void (*error)(struct test *t, enum iperf_error error, int err);
	void (*terminate)(struct test *t);
	/* The control connection has ended: 0, or -errno. */
	void (*ended)(struct test *t, int error);
	/*
	 * At the end of each turn, when the transport has accounted for all that it has
	 * handed over.
	 */
	void (*clock)(struct test *t, uint64_t now);
	/* Make *@timeout sooner, if clock() is to be called sooner. */
	void (*timeout)(const struct test *t, uint64_t now, int64_t *timeout);
};

struct test {
	struct run *run;
	const struct test_end *end;
	struct conn *control;
	enum phase phase;
	char cookie[COOKIE_SIZE];
	struct wire wire;
	struct parameters par;
	struct stream streams[2 * MAX_STREAMS];
	uint64_t given;		/* bytes to send, of all streams */
	int nr_streams;
	bool broken;		/* ended by an error */
	const char *why;	/* it ended early */
	char text[200];		/* room for such a sentence */
	bool failed;		/* something of ours, complained of */
	bool failing;		/* the server says why next */

	struct test_clock clock;
	bool exhausted;		/* with --hold: no buffer is left */

	struct results remote;
	char congestion[16];

	struct transport_stats stats_start, stats;
	struct record record;

	/* report */
	FILE *capture;		/* text, for the client that asks for it */
	char *captured;
	size_t captured_len;
	struct cJSON *json_start, *json_intervals, *json;
	bool headed;
};

/* NULL when there is no memory. */
struct test *test_new(struct run *run, struct conn *control, const struct test_end *end);
void test_free(struct test *t);

/* Bytes of the control connection. */
void test_control(struct test *t, const void *data, size_t len);
/* Bytes of a stream. */
void test_data(struct test *t, struct stream *st, const struct chunk *chunk);
void test_data_ended(struct test *t, struct stream *st, int error);
/* End the test, and tell the other end. */
void test_terminate(struct test *t, const char *why);
void test_error(struct test *t, enum iperf_error error, int err, const char *why);
/* ns until test_end::clock() is wanted, -1 for never. */
int64_t test_timeout(const struct test *t, uint64_t now);

/* For its ends. Wait @time ns, or without end if 0, in this phase. */
void test_set_phase(struct test *t, enum phase phase, uint64_t time);
void test_send_message(struct test *t, enum message m);
void test_send_json(struct test *t, const struct cJSON *json);
int test_streams_wanted(const struct test *t);
void test_add_stream(struct test *t, struct conn *c);
/* All of them are there. */
void test_streams_ready(struct test *t);
/* From here on time runs. */
void test_start(struct test *t);
/* And no more. */
void test_stop(struct test *t);
void test_running_clock(struct test *t, uint64_t now);
/* What the other end is told, NULL when there is no memory. */
struct cJSON *test_results(struct test *t);
/* What that has said; false when it makes no sense. */
bool test_results_received(struct test *t, const struct cJSON *json);
/* The figures of a test that has run, whatever ended it. */
void test_conclude(struct test *t);
/* It ends, and nobody asked for that: the sentence first, then the figures. */
void test_broken(struct test *t, const char *why);
void test_over(struct test *t);

#endif

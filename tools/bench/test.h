/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* What there is to know of one test. */
#ifndef BENCH_TEST_H
#define BENCH_TEST_H

#include <netinet/in.h>
#include <stdio.h>

#include "iperf3_wire.h"
#include "receiver.h"
#include "record.h"
#include "test_clock.h"

struct conn;
struct cJSON;
struct listener;
struct options;

/* What all tests of a run have in common. */
struct run {
	const struct options *opt;
	struct receiver *receiver;
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
	PHASE_DRAIN,		/* has sent more than has arrived so far */
	PHASE_DISPLAY,		/* has all it needs */
	PHASE_OVER,
};

struct stream {
	struct conn *conn;	/* NULL once closed */
	unsigned int number;	/* of the connection */
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

struct test {
	struct run *run;
	struct conn *control;
	enum phase phase;
	char cookie[COOKIE_SIZE];
	struct wire wire;
	struct parameters par;
	struct stream streams[MAX_STREAMS];
	int nr_streams;
	bool broken;		/* ended by an error */
	const char *why;	/* it ended early */
	char text[200];		/* room for such a sentence */
	bool failed;		/* something of ours, complained of */

	struct test_clock clock;
	bool exhausted;		/* with --hold: no buffer is left */

	struct results remote;
	int64_t remote_retransmits;	/* -1: not known */
	uint64_t remote_bytes;
	double remote_seconds;
	char congestion[16];

	struct receive_stats stats_start, stats;
	struct record record;

	/* report */
	FILE *capture;		/* text, for the client that asks for it */
	char *captured;
	size_t captured_len;
	struct cJSON *json_start, *json_intervals, *json;
	bool headed;
};

#endif

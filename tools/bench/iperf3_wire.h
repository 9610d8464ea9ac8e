/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * iperf3's protocol as it is on the wire.
 *
 * The control connection is a byte stream: a cookie, then single signed bytes
 * that name a state, and in two places a length (32 bits, network order) with
 * JSON behind it.
 */
#ifndef BENCH_IPERF3_WIRE_H
#define BENCH_IPERF3_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;

#define COOKIE_SIZE	37	/* 36 characters and a NUL */
#define MAX_STREAMS	128

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
	IE_STREAMWRITE	= 205,
	IE_STREAMREAD	= 206,
};

/* Control input, an item after the other. An error is two numbers of 32 bits. */
enum wire_item { WIRE_COOKIE, WIRE_MESSAGE, WIRE_JSON, WIRE_ERROR, WIRE_ITEMS };

struct wire {
	char *in;		/* of the item: @have bytes out of @need */
	size_t need, have, cap;
	bool body;		/* the length before the JSON is known */
	bool whole;		/* and was handed out */
};

/*
 * Take from @data what belongs to an item of this kind.  1 when it is whole:
 * wire::have bytes at wire::in, until the next call.  0 when more is needed;
 * EMSGSIZE, ENOMEM.
 */
int wire_take(struct wire *w, enum wire_item item, size_t json_max,
	      const char **data, size_t *len);
void wire_free(struct wire *w);

/* What a client says about the test. */
struct parameters {
	uint64_t bytes, blocks, bandwidth, fq_rate;
	int seconds, omit, parallel, window, mss, length, tos;
	int server_output;
	bool reverse, bidir;
	char congestion[16];
	char *title, *extra;
	char version[32];
};

/* Why they are refused. */
struct refusal {
	enum iperf_error error;
	int err;
	const char *why;
};

/* False, and *@why. */
bool parameters_parse(struct parameters *p, const struct cJSON *json,
		      struct refusal *why);
void parameters_free(struct parameters *p);

/* What the other end says about the test when it is over; -1: not known. */
struct stream_results {
	int id;
	bool has_bytes;
	uint64_t bytes;
	int64_t retransmits;
	double seconds;
};

struct results {
	double cpu_total, cpu_user, cpu_system;	/* percent */
	char congestion[16];
	int nr_streams;
	struct stream_results streams[2 * MAX_STREAMS];
};

/* False when it makes no sense. */
bool results_parse(struct results *r, const struct cJSON *json);

#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * A rude client of netgpu bench: control PORT CASE.  Says what the server
 * answered; exits with 0 when that is what the protocol has for the case.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TEST_START = 1, TEST_RUNNING = 2, TEST_END = 4, PARAM_EXCHANGE = 9,
	CREATE_STREAMS = 10, SERVER_TERMINATE = 11, CLIENT_TERMINATE = 12,
	EXCHANGE_RESULTS = 13, DISPLAY_RESULTS = 14, IPERF_DONE = 16,
	ACCESS_DENIED = -1, SERVER_ERROR = -2,
};

static const char cookie[37] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char other[37] = "bbcdefghijklmnopqrstuvwxyz0123456789";
static int port;

static int dial(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("connect");
		exit(2);
	}
	return fd;
}

static void put(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		p += n;
		len -= n;
	}
}

static void put_byte(int fd, int b)
{
	signed char c = b;

	put(fd, &c, 1);
}

static void put_json(int fd, const char *text)
{
	uint32_t len = htonl(strlen(text));

	put(fd, &len, sizeof(len));
	put(fd, text, strlen(text));
}

/* Bytes within 12 s; how many came before the end or the time was over. */
static size_t get(int fd, void *data, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t have = 0;

	while (have < len && poll(&p, 1, 12000) > 0) {
		ssize_t n = recv(fd, (char *)data + have, len - have, 0);

		if (n <= 0)
			break;
		have += n;
	}
	return have;
}

static int get_byte(int fd)
{
	signed char c;

	return get(fd, &c, 1) == 1 ? c : -1000;
}

static bool expect(int fd, int what)
{
	int b = get_byte(fd);

	if (b != what)
		printf("# expected state %d, got %d\n", what, b);
	return b == what;
}

/* SERVER_ERROR with this number of iperf3's. */
static bool expect_error(int fd, int number)
{
	uint32_t pair[2];

	if (!expect(fd, SERVER_ERROR))
		return false;
	if (get(fd, pair, sizeof(pair)) != sizeof(pair)) {
		puts("# the error has no numbers");
		return false;
	}
	if ((int)ntohl(pair[0]) != number)
		printf("# expected error %d, got %d (errno %d)\n", number,
		       ntohl(pair[0]), ntohl(pair[1]));
	return (int)ntohl(pair[0]) == number;
}

static bool expect_end(int fd)
{
	char c;

	if (!get(fd, &c, 1))
		return true;
	printf("# more came: %d\n", c);
	return false;
}

static int hello(void)
{
	int fd = dial();

	put(fd, cookie, sizeof(cookie));
	if (!expect(fd, PARAM_EXCHANGE))
		exit(1);
	return fd;
}

static bool refused(const char *parameters, int error)
{
	int fd = hello();

	put_json(fd, parameters);
	return expect_error(fd, error) && expect_end(fd);
}

static const char plain[] =
	"{\"tcp\":true,\"omit\":0,\"time\":2,\"parallel\":1,\"len\":131072}";

static int running(int *data)
{
	int fd = hello();

	put_json(fd, plain);
	if (!expect(fd, CREATE_STREAMS))
		exit(1);
	*data = dial();
	put(*data, cookie, sizeof(cookie));
	if (!expect(fd, TEST_START) || !expect(fd, TEST_RUNNING))
		exit(1);
	return fd;
}

/* Who reads a block to its end, before anything else, is not left waiting for the rest of one. */
static bool mid_block(void)
{
	static char block[131072];
	int fd = hello(), data;
	struct pollfd p;
	ssize_t n;

	put_json(fd, "{\"tcp\":true,\"time\":2,\"parallel\":1,\"len\":131072,\"reverse\":true}");
	if (!expect(fd, CREATE_STREAMS))
		return false;
	data = dial();
	put(data, cookie, sizeof(cookie));
	if (!expect(fd, TEST_START) || !expect(fd, TEST_RUNNING) || get(data, block, 1000) != 1000)
		return false;
	put_byte(fd, TEST_END);
	p = (struct pollfd) { .fd = data, .events = POLLIN };
	do {
		if (poll(&p, 1, 5000) <= 0) {
			puts("# the stream does not end");
			return false;
		}
		n = recv(data, block, sizeof(block), 0);
	} while (n > 0);
	if (n)
		printf("# the stream ends with %s\n", strerror(errno));
	return !n && expect(fd, EXCHANGE_RESULTS);
}

/* What it names is not to reach the terminal of the server as it is. */
static bool odd_name(void)
{
	int fd = hello(), data;

	put_json(fd, "{\"tcp\":true,\"time\":2,\"parallel\":1,\"congestion\":\"\\u001b[31m\"}");
	if (!expect(fd, CREATE_STREAMS))
		return false;
	data = dial();
	put(data, cookie, sizeof(cookie));
	return expect(fd, TEST_START) && expect(fd, TEST_RUNNING);
}

static bool huge_length(void)
{
	uint32_t len = htonl(0xfffffff0);
	int fd = hello();

	put(fd, &len, sizeof(len));
	return expect_error(fd, 114) && expect_end(fd);
}

static bool zero_length(void)
{
	uint32_t len = 0;
	int fd = hello();

	put(fd, &len, sizeof(len));
	return expect_error(fd, 114);
}

static bool garbage(void)
{
	char noise[4096];
	int fd = dial(), i;

	srand(1);
	for (i = 0; i < (int)sizeof(noise); i++)
		noise[i] = 1 + rand() % 255;
	put(fd, noise, sizeof(noise));
	return expect_error(fd, 114) && expect_end(fd);
}

static bool http(void)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nxxxxxxxxx";
	int fd = dial();

	put(fd, text, sizeof(text) - 1);
	return expect_error(fd, 114);
}

static bool deep_json(void)
{
	size_t n = 100000;
	char *text = malloc(n + 1);
	bool good;

	if (!text)
		return false;
	memset(text, '[', n);
	text[n] = 0;
	good = refused(text, 114);
	free(text);
	return good;
}

static bool long_json(void)
{
	size_t n = 200000;
	char *text = malloc(n + 200);
	int fd = hello();

	if (!text)
		return false;
	/* As --extra-data with a long text makes it: not an error. */
	sprintf(text, "{\"tcp\":true,\"time\":1,\"parallel\":1,\"extra_data\":\"");
	memset(text + strlen(text), 'x', n);
	strcpy(text + n, "\"}");
	put_json(fd, text);
	free(text);
	return expect(fd, CREATE_STREAMS);
}

/* All that a client says until it is told to open its streams. */
#define OPENING	(sizeof(cookie) + sizeof(uint32_t) + sizeof(plain) - 1)

static void opening(char *all)
{
	uint32_t len = htonl(sizeof(plain) - 1);

	memcpy(all, cookie, sizeof(cookie));
	memcpy(all + sizeof(cookie), &len, sizeof(len));
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): as sent */
	memcpy(all + sizeof(cookie) + sizeof(len), plain, sizeof(plain) - 1);
}

static bool slow_bytes(void)
{
	char all[OPENING];
	int fd = dial(), i, n = sizeof(all);

	opening(all);
	for (i = 0; i < n; i++) {
		put(fd, &all[i], 1);
		usleep(2000);
	}
	return expect(fd, PARAM_EXCHANGE) && expect(fd, CREATE_STREAMS);
}

/* Everything at once, before the server has asked for any of it. */
static bool all_at_once(void)
{
	char all[OPENING];
	int fd = dial();

	opening(all);
	put(fd, all, sizeof(all));
	return expect(fd, PARAM_EXCHANGE) && expect(fd, CREATE_STREAMS);
}

static bool wrong_cookie(void)
{
	int fd = hello(), data;

	put_json(fd, plain);
	if (!expect(fd, CREATE_STREAMS))
		return false;
	data = dial();
	put(data, other, sizeof(other));
	if (!expect(data, ACCESS_DENIED) || !expect_end(data))
		return false;
	/* The test goes on with the right one. */
	data = dial();
	put(data, cookie, sizeof(cookie));
	return expect(fd, TEST_START) && expect(fd, TEST_RUNNING);
}

static bool too_many_streams(void)
{
	int data, fd = running(&data), more = dial();

	put(more, cookie, sizeof(cookie));
	return expect(more, ACCESS_DENIED) && expect_end(more) &&
	       recv(fd, &data, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static bool busy(void)
{
	int data, second;

	running(&data);
	second = dial();
	put(second, other, sizeof(other));
	return expect(second, ACCESS_DENIED) && expect_end(second);
}

static bool unknown_message(void)
{
	int data, fd = running(&data);

	put_byte(fd, 99);
	return expect_error(fd, 110) && expect_end(fd);
}

/* A sender that is reset does not get to read what the server says. */
static bool still_sending(void)
{
	static const char bytes[65536];
	int data, i, fd = running(&data);

	put_byte(fd, 99);
	if (!expect_error(fd, 110) || !expect_end(fd))
		return false;
	for (i = 0; i < 16; i++) {
		if (send(data, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0) {
			printf("# send %d: %s\n", i, strerror(errno));
			return false;
		}
	}
	return true;
}

static bool early_done(void)
{
	int data, fd = running(&data);

	put_byte(fd, IPERF_DONE);
	return expect_error(fd, 110);
}

static bool terminate(void)
{
	int data, fd = running(&data);

	put_byte(fd, CLIENT_TERMINATE);
	return expect_end(fd) && expect_end(data);
}

/* The results a client of this test would send, claiming @bytes. */
static void results(int fd, double bytes)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"cpu_util_total\":1,\"cpu_util_user\":1,\"cpu_util_system\":0,"
		 "\"sender_has_retransmits\":1,\"streams\":[{\"id\":1,\"bytes\":%.0f,"
		 "\"retransmits\":0,\"jitter\":0,\"errors\":0,\"packets\":0}]}", bytes);
	put_json(fd, text);
}

/* The bytes of the server's first @n streams. */
static bool received_by(int fd, long *bytes, int n)
{
	uint32_t len;
	char *text;
	cJSON *json, *streams;
	int i;

	for (i = 0; i < n; i++)
		bytes[i] = -1;
	if (get(fd, &len, sizeof(len)) != sizeof(len) || ntohl(len) > 1 << 20)
		return false;
	len = ntohl(len);
	text = malloc(len);
	if (!text || get(fd, text, len) != len)
		return false;
	json = cJSON_ParseWithLength(text, len);
	streams = cJSON_GetObjectItem(json, "streams");
	for (i = 0; i < n; i++)
		bytes[i] = cJSON_GetNumberValue(cJSON_GetObjectItem(
				cJSON_GetArrayItem(streams, i), "bytes"));
	free(text);
	cJSON_Delete(json);
	return true;
}

static long received(int fd)
{
	long bytes;

	return received_by(fd, &bytes, 1) ? bytes : -1;
}

/* The end of the data comes after the client has said that it is done. */
static bool late_data(void)
{
	int data, fd = running(&data);
	char block[50000] = { 0 };

	put(data, block, sizeof(block));
	put_byte(fd, TEST_END);
	if (!expect(fd, EXCHANGE_RESULTS))
		return false;
	results(fd, 3 * sizeof(block));
	usleep(300000);
	put(data, block, sizeof(block));
	usleep(300000);
	put(data, block, sizeof(block));
	if (received(fd) != 3 * sizeof(block)) {
		puts("# bytes are missing in the result");
		return false;
	}
	if (!expect(fd, DISPLAY_RESULTS))
		return false;
	put_byte(fd, IPERF_DONE);
	close(fd);
	return true;
}

/* More is claimed than ever comes: an answer all the same, in time. */
static bool false_claim(void)
{
	int data, fd = running(&data);

	put_byte(fd, TEST_END);
	if (!expect(fd, EXCHANGE_RESULTS))
		return false;
	results(fd, 1e15);
	return received(fd) == 0 && expect(fd, DISPLAY_RESULTS);
}

/* As iperf3 does when it has waited for 10 s: it wants no answer any more. */
static bool impatient(void)
{
	int data, fd = running(&data);

	put_byte(fd, TEST_END);
	if (!expect(fd, EXCHANGE_RESULTS))
		return false;
	results(fd, 1e15);
	put_byte(fd, IPERF_DONE);
	return expect_end(fd) && expect_end(data);
}

/* Two streams, of which the second says first who it is: numbers go by the order of opening. */
static bool stream_order(void)
{
	int fd = hello(), first, second;
	char block[2000] = { 0 };
	long bytes[2];

	put_json(fd, "{\"tcp\":true,\"omit\":0,\"time\":2,\"parallel\":2,\"len\":131072}");
	if (!expect(fd, CREATE_STREAMS))
		return false;
	first = dial();
	second = dial();
	put(second, cookie, sizeof(cookie));
	usleep(200000);
	put(first, cookie, sizeof(cookie));
	if (!expect(fd, TEST_START) || !expect(fd, TEST_RUNNING))
		return false;
	put(first, block, 1000);
	put(second, block, 2000);
	usleep(200000);
	put_byte(fd, TEST_END);
	if (!expect(fd, EXCHANGE_RESULTS))
		return false;
	put_json(fd, "{\"streams\":[{\"id\":1,\"bytes\":1000},{\"id\":3,\"bytes\":2000}]}");
	if (!received_by(fd, bytes, 2) || bytes[0] != 1000 || bytes[1] != 2000) {
		printf("# %ld and %ld bytes\n", bytes[0], bytes[1]);
		return false;
	}
	return expect(fd, DISPLAY_RESULTS);
}

/* A stream is gone before the other has come. */
static bool stream_gone(void)
{
	int fd = hello(), data;

	put_json(fd, "{\"tcp\":true,\"omit\":0,\"time\":2,\"parallel\":2,\"len\":131072}");
	if (!expect(fd, CREATE_STREAMS))
		return false;
	data = dial();
	put(data, cookie, sizeof(cookie));
	usleep(100000);
	close(data);
	usleep(100000);
	data = dial();
	put(data, cookie, sizeof(cookie));
	return expect_error(fd, 206) && expect_end(fd);
}

static bool bad_results(void)
{
	int data, fd = running(&data);

	put_byte(fd, TEST_END);
	if (!expect(fd, EXCHANGE_RESULTS))
		return false;
	put_json(fd, "{\"streams\":[17,{\"id\":\"x\"},{\"id\":1,\"bytes\":-5},null]}");
	return received(fd) >= 0 && expect(fd, DISPLAY_RESULTS);
}

static bool no_results(void)
{
	int data, fd = running(&data);

	put_byte(fd, TEST_END);
	if (!expect(fd, EXCHANGE_RESULTS))
		return false;
	put_json(fd, "[]");
	return expect_error(fd, 117);
}

static bool data_first(void)
{
	int data, fd = running(&data);

	put(data, cookie, 20);
	close(data);
	usleep(200000);
	put_byte(fd, TEST_END);
	if (!expect(fd, EXCHANGE_RESULTS))
		return false;
	results(fd, 20);
	return received(fd) == 20 && expect(fd, DISPLAY_RESULTS);
}

static bool control_first(void)
{
	int data, fd = running(&data);

	close(fd);
	return expect_end(data);
}

static bool many_strangers(void)
{
	int data, fd = running(&data), i, fds[300];

	for (i = 0; i < 300; i++)
		fds[i] = dial();
	for (i = 0; i < 300; i++)
		close(fds[i]);
	put_byte(fd, TEST_END);
	return expect(fd, EXCHANGE_RESULTS);
}

static bool half_cookie(void)
{
	int fd = dial();

	put(fd, cookie, 10);
	shutdown(fd, SHUT_WR);
	return expect_end(fd);
}

static bool silent(void)
{
	/* Says nothing: must not keep others out for longer than 10 s. */
	int fd = dial();

	return expect_end(fd);
}

/* With a zc receiver: does nothing odd, many times over. */
static bool again(void)
{
	int i, data, fd;

	for (i = 0; i < 20; i++) {
		fd = running(&data);
		put(data, cookie, sizeof(cookie));
		put_byte(fd, TEST_END);
		if (!expect(fd, EXCHANGE_RESULTS))
			return false;
		results(fd, sizeof(cookie));
		if (received(fd) != sizeof(cookie) || !expect(fd, DISPLAY_RESULTS))
			return false;
		put_byte(fd, IPERF_DONE);
		close(fd);
		close(data);
	}
	return true;
}

static bool authentication(void)
{
	return refused("{\"tcp\":true,\"parallel\":1,\"authtoken\":\"bm8=\"}", 142);
}

static bool params_not_json(void) { return refused("hello", 114); }
static bool params_array(void) { return refused("[1,2]", 114); }
static bool no_protocol(void) { return refused("{}", 114); }
static bool streams_0(void) { return refused("{\"tcp\":true,\"parallel\":0}", 6); }
static bool streams_129(void) { return refused("{\"tcp\":true,\"parallel\":129}", 6); }
static bool streams_text(void) { return refused("{\"tcp\":true,\"parallel\":\"2\"}", 6); }
static bool time_negative(void) { return refused("{\"tcp\":true,\"time\":-1}", 5); }
static bool time_huge(void) { return refused("{\"tcp\":true,\"time\":1e300}", 5); }
static bool omit_huge(void) { return refused("{\"tcp\":true,\"omit\":601}", 12); }
static bool window_huge(void) { return refused("{\"tcp\":true,\"window\":1e12}", 8); }
static bool mss_huge(void) { return refused("{\"tcp\":true,\"MSS\":65536}", 10); }
static bool num_nan(void) { return refused("{\"tcp\":true,\"num\":1e999}", 114); }

static const struct {
	const char *name;
	bool (*run)(void);
} cases[] = {
	{ "huge-length", huge_length }, { "zero-length", zero_length },
	{ "garbage", garbage }, { "http", http },
	{ "deep-json", deep_json }, { "long-json", long_json },
	{ "slow-bytes", slow_bytes }, { "all-at-once", all_at_once },
	{ "wrong-cookie", wrong_cookie }, { "too-many-streams", too_many_streams },
	{ "busy", busy }, { "unknown-message", unknown_message },
	{ "still-sending", still_sending }, { "mid-block", mid_block },
	{ "early-done", early_done }, { "terminate", terminate },
	{ "late-data", late_data }, { "false-claim", false_claim },
	{ "impatient", impatient },
	{ "bad-results", bad_results }, { "no-results", no_results },
	{ "data-first", data_first }, { "control-first", control_first },
	{ "many-strangers", many_strangers }, { "half-cookie", half_cookie },
	{ "silent", silent }, { "again", again },
	{ "odd-name", odd_name }, { "stream-order", stream_order }, { "stream-gone", stream_gone },
	{ "authentication", authentication },
	{ "params-not-json", params_not_json }, { "params-array", params_array },
	{ "no-protocol", no_protocol }, { "streams-0", streams_0 },
	{ "streams-129", streams_129 }, { "streams-text", streams_text },
	{ "time-negative", time_negative }, { "time-huge", time_huge },
	{ "omit-huge", omit_huge }, { "window-huge", window_huge },
	{ "mss-huge", mss_huge }, { "num-nan", num_nan },
};

int main(int argc, char **argv)
{
	size_t i;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			puts(cases[i].name);
		return 0;
	}
	if (argc != 3) {
		fputs("usage: control list | control PORT CASE\n", stderr);
		return 2;
	}
	port = atoi(argv[1]);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(argv[2], cases[i].name))
			return !cases[i].run();
	fprintf(stderr, "no such case: %s\n", argv[2]);
	return 2;
}

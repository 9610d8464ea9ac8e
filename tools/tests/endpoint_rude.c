// SPDX-License-Identifier: GPL-2.0
/*
 * Peers that break the rules of netgpu-wire(7), one rule at a time: only their endpoint ends, they are told the right
 * status, the program hears why, nothing is written that was not granted, and the domain serves others. KTAP.
 */
#include <fcntl.h>
#include <poll.h>

#include "ktap.h"
#include "endpoint_raw.h"

/* -------------------------------------------------- once the endpoint is up */

static void unknown_op(struct raw *r)
{
	struct message m = say_what(r, 15);

	say(r, &m);
}

static void unknown_version(struct raw *r)
{
	struct message m = say_what(r, ACK);

	m.version = 2;
	say(r, &m);
}

static void reserved_flag(struct raw *r)
{
	struct message m = request(r, SEND, INLINE | 1 << 7, 8);

	say(r, &m);
}

static void unknown_status(struct raw *r)
{
	struct message m = say_what(r, FAIL);

	m.status = CANCELED + 1;
	say(r, &m);
}

static void too_much_behind(struct raw *r)
{
	struct message m = request(r, SEND, INLINE, INLINE_MAX + 1);

	say(r, &m);
}

static void other_length_behind(struct raw *r)
{
	struct message m = request(r, SEND, INLINE, 16);

	m.length = 8;
	say(r, &m);
}

static void read_with_payload(struct raw *r)
{
	struct message m = request(r, READ, INLINE, 8);

	say(r, &m);
}

static void read_with_number(struct raw *r)
{
	struct message m = request(r, READ, IMMEDIATE, 8);

	say(r, &m);
}

static void credit_with_bytes(struct raw *r)
{
	struct message m = say_what(r, CREDIT);

	m.length = NO_LIMIT;
	m.inline_length = 8;
	say(r, &m);
}

static void hello_again(struct raw *r)
{
	struct message m = hello(r);

	say(r, &m);
}

static void send_without_credit(struct raw *r)
{
	struct message m;
	unsigned int i;

	for (i = 0; i < 2; i++)
		must(!netgpu_ep_recv(r->side.ep, mrs[BUFFERS], 100ull * i, 100, NULL, 0), "recv");
	pump(0);
	for (i = 0; i < 3; i++) {
		m = request(r, SEND, INLINE, 10);
		say(r, &m);
	}
}

static void sequence_left_out(struct raw *r)
{
	struct message m;

	r->sequence = 1;
	m = request(r, WRITE, INLINE, 0);
	say(r, &m);
}

static void sequence_again(struct raw *r)
{
	struct message m = request(r, READ, 0, 1);

	say(r, &m);
	say(r, &m);
}

static struct message write_of(struct raw *r, unsigned int flags, uint64_t length)
{
	struct message m = request(r, WRITE, flags, length);

	m.key = netgpu_mr_key(mrs[WRITABLE]);
	return m;
}

static void full_window(struct raw *r)
{
	struct message m = write_of(r, 0, 1000);
	unsigned int i;

	say(r, &m);	/* what it announces does not come, and nothing overtakes it */
	for (i = 0; i < 1024; i++) {
		m = write_of(r, INLINE, 8);
		say(r, &m);
	}
}

static void other_stream(struct raw *r)
{
	struct message m = write_of(r, 0, 1000);

	say(r, &m);
	push(r->payload, bytes, 1000);
	m = write_of(r, 0, 1000);
	m.stream++;
	say(r, &m);
}

static void address_too_large(struct raw *r)
{
	struct message m = write_of(r, INLINE, 8);

	m.address = TOO_LARGE;
	say(r, &m);
}

static void length_too_large(struct raw *r)
{
	struct message m = write_of(r, 0, UINT64_MAX);

	say(r, &m);
}

static void post_read(struct raw *r, uint64_t length)
{
	struct netgpu_msg msg = part_of(READS, 0, length);
	struct message m;

	must(!netgpu_ep_read(r->side.ep, &msg), "read");
	hear(r, READ, &m);
}

static struct message data_of(struct raw *r, unsigned int flags, uint64_t length)
{
	struct message m = request(r, DATA, flags, length);

	m.address = r->done++;
	m.ack = r->done;
	return m;
}

static void answer_too_long(struct raw *r)
{
	struct message m;

	post_read(r, 1000);
	m = data_of(r, 0, 1001);
	say(r, &m);
	push(r->payload, bytes, 1001);
}

static void answer_too_short(struct raw *r)
{
	struct message m;

	post_read(r, 1000);
	m = data_of(r, INLINE, 200);
	say(r, &m);
}

static void answer_twice(struct raw *r)
{
	struct message m;

	post_read(r, 1000);
	m = data_of(r, 0, 1000);
	say(r, &m);
	m.stream += 1000;
	say(r, &m);
	push(r->payload, bytes, 2000);
}

static void answer_again(struct raw *r)
{
	struct message m;

	post_read(r, 100);
	m = data_of(r, INLINE, 100);
	say(r, &m);
	UNTIL(r->side.events[NETGPU_EVENT_READ] == 1);
	say(r, &m);
}

static void answer_left_out(struct raw *r)
{
	struct message m;

	post_read(r, 100);
	r->done++;
	m = say_what(r, ACK);
	say(r, &m);
}

static void answer_to_nothing(struct raw *r)
{
	struct message m = request(r, DATA, 0, 1000);

	say(r, &m);
	push(r->payload, bytes, 1000);
}

static void post_send(struct raw *r, uint64_t length)
{
	struct netgpu_msg msg = part_of(SOURCE, 0, length);
	struct message m;

	msg.flags = NETGPU_MSG_DELIVERED;
	must(!netgpu_ep_send(r->side.ep, &msg), "send");
	hear(r, SEND, &m);
}

static void answer_to_send(struct raw *r)
{
	struct message m;

	post_send(r, 100);
	m = data_of(r, INLINE, 100);
	say(r, &m);
}

static void answer_to_failed(struct raw *r)
{
	struct message m;

	post_read(r, 100);
	r->done++;
	m = say_what(r, ACK);
	m.status = NO_KEY;
	say(r, &m);
	m = request(r, DATA, INLINE, 100);
	say(r, &m);
}

static void failed_after_answer(struct raw *r)
{
	struct message m;

	post_read(r, 1000);
	m = data_of(r, 0, 1000);
	say(r, &m);
	m = say_what(r, ACK);
	m.status = NO_KEY;
	say(r, &m);
}

static void ack_of_nothing(struct raw *r)
{
	struct message m;

	post_send(r, 8);
	m = say_what(r, ACK);
	m.ack = 2;
	say(r, &m);
}

static void ack_backwards(struct raw *r)
{
	struct message m;

	post_send(r, 8);
	m = say_what(r, ACK);
	m.ack = 1;
	say(r, &m);
	m.ack = 0;
	say(r, &m);
}

static void failed_nothing(struct raw *r)
{
	struct message m;

	post_send(r, 8);
	m = say_what(r, ACK);
	m.ack = 1;
	m.sequence = 7;
	m.status = TOO_LONG;
	say(r, &m);
}

static void failed_late(struct raw *r)
{
	struct message m;

	post_send(r, 8);
	m = say_what(r, ACK);
	m.ack = 1;
	say(r, &m);
	m.status = TOO_LONG;
	say(r, &m);
}

static void failed_early(struct raw *r)
{
	struct message m;

	post_send(r, 8);
	m = say_what(r, ACK);
	m.status = TOO_LONG;
	say(r, &m);
}

static void recvs_back(struct raw *r)
{
	struct message m;

	r->recvs--;
	m = say_what(r, CREDIT);
	m.length = NO_LIMIT;
	say(r, &m);
}

/* Each step is one forward, and all of them are once round. */
static void recvs_round(struct raw *r)
{
	struct message m;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		r->recvs += 0x60000000;
		m = say_what(r, CREDIT);
		m.length = NO_LIMIT;
		say(r, &m);
	}
}

static void credit_back(struct raw *r)
{
	struct message m = say_what(r, CREDIT);

	m.length = NO_LIMIT - 1;
	say(r, &m);
}

static void credit_too_large(struct raw *r)
{
	struct message m = say_what(r, CREDIT);

	m.length = TOO_LARGE;
	say(r, &m);
}

static void request_after_close(struct raw *r)
{
	struct message m = say_what(r, CLOSE);

	say(r, &m);
	m = write_of(r, INLINE, 8);
	say(r, &m);
}

static void close_twice(struct raw *r)
{
	struct message m = say_what(r, CLOSE);

	say(r, &m);
	say(r, &m);
}

static void payload_closed(struct raw *r)
{
	raw_hang_up(&r->payload);
}

static void payload_cut(struct raw *r)
{
	struct message m = write_of(r, 0, 1000);

	say(r, &m);
	push(r->payload, bytes, 500);
	raw_hang_up(&r->payload);
}

static const struct {
	const char *name;
	void (*rude)(struct raw *r);
	uint32_t status;
	int error;
	const char *words;
} cases[] = {
	{ "an op that is none", unknown_op, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "another version", unknown_version, BAD_VERSION, -EPROTONOSUPPORT, "version" },
	{ "a reserved flag", reserved_flag, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "a status that is none", unknown_status, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "257 bytes behind the header", too_much_behind, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "a length that is not that behind the header", other_length_behind, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "a READ with a payload", read_with_payload, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "a READ with an immediate", read_with_number, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "a CREDIT with bytes behind it", credit_with_bytes, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "HELLO again", hello_again, BAD_MESSAGE, -EPROTO, "out of turn" },
	{ "a SEND beyond credits", send_without_credit, BAD_MESSAGE, -EPROTO, "buffer" },
	{ "a sequence number left out", sequence_left_out, BAD_MESSAGE, -EPROTO, "sequence" },
	{ "a sequence number again", sequence_again, BAD_MESSAGE, -EPROTO, "sequence" },
	{ "1025 requests without acknowledgement", full_window, BAD_MESSAGE, -EPROTO, "1024" },
	{ "a stream offset that disagrees", other_stream, BAD_MESSAGE, -EPROTO, "stream" },
	{ "an address of 2^62", address_too_large, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "a length of 2^64 - 1", length_too_large, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "too long an answer to a READ", answer_too_long, BAD_MESSAGE, -EPROTO, "length" },
	{ "too short an answer to a READ", answer_too_short, BAD_MESSAGE, -EPROTO, "length" },
	{ "a READ answered twice", answer_twice, BAD_MESSAGE, -EPROTO, "not asked" },
	{ "a READ answered once more when it is over", answer_again, BAD_MESSAGE, -EPROTO, "not asked" },
	{ "a READ acknowledged, and not answered", answer_left_out, BAD_MESSAGE, -EPROTO, "not answered" },
	{ "DATA that nobody asked for", answer_to_nothing, BAD_MESSAGE, -EPROTO, "not asked" },
	{ "DATA for a SEND", answer_to_send, BAD_MESSAGE, -EPROTO, "not asked" },
	{ "DATA for a READ that has failed", answer_to_failed, BAD_MESSAGE, -EPROTO, "not asked" },
	{ "a READ that fails when it is answered", failed_after_answer, BAD_MESSAGE, -EPROTO, "failure" },
	{ "an ack of what was not sent", ack_of_nothing, BAD_MESSAGE, -EPROTO, "acknowledge" },
	{ "an ack that goes back", ack_backwards, BAD_MESSAGE, -EPROTO, "acknowledge" },
	{ "the failure of a request that was not sent", failed_nothing, BAD_MESSAGE, -EPROTO, "failure" },
	{ "the failure of a request that was acknowledged", failed_late, BAD_MESSAGE, -EPROTO, "failure" },
	{ "the failure of a request that it does not acknowledge", failed_early, BAD_MESSAGE, -EPROTO, "failure" },
	{ "buffers that are taken back", recvs_back, BAD_MESSAGE, -EPROTO, "buffers" },
	{ "so many buffers that the counter overflows", recvs_round, BAD_MESSAGE, -EPROTO, "buffers" },
	{ "a grant that is taken back", credit_back, BAD_MESSAGE, -EPROTO, "grant" },
	{ "a grant of 2^62", credit_too_large, BAD_MESSAGE, -EPROTO, "malformed" },
	{ "a request after CLOSE", request_after_close, BAD_MESSAGE, -EPROTO, "CLOSE" },
	{ "CLOSE twice", close_twice, BAD_MESSAGE, -EPROTO, "CLOSE" },
	{ "the payload lane closed while the control lane stays", payload_closed, BAD_MESSAGE, -ECONNRESET, "payload" },
	{ "the payload lane closed in the middle of a payload", payload_cut, BAD_MESSAGE, -ECONNRESET, "payload" },
};

#define CASES	(sizeof(cases) / sizeof(*cases))

/* As it should be: it is told this, the program hears that. */
static bool ends(struct raw *r, uint32_t status, int error, const char *words)
{
	struct message m = { 0 };
	bool well, told = hear(r, FAIL, &m);

	well = told && m.status == status && UNTIL(r->side.ended) && r->side.result == error &&
	       strstr(r->side.why, words);
	if (!well)
		printf("# FAIL %s, status %u; end %s, %d (%s)\n", told ? "told" : "not told", m.status,
		       r->side.ended ? "heard" : "not heard", r->side.result, r->side.why);
	return well;
}

/* Behind each test. */
static bool others_go_on(void)
{
	bool harmless = unharmed(), served = good();

	if (!harmless || !served)
		printf("# %s, others are %sserved\n", harmless ? "no harm" : "harm", served ? "" : "not ");
	return harmless && served;
}

static void test_cases(struct raw *r)
{
	bool well;
	size_t i;

	for (i = 0; i < CASES; i++) {
		well = i % 2 ? raw_listen(r) : raw_connect(r);
		if (well)
			cases[i].rude(r);
		well = well && ends(r, cases[i].status, cases[i].error, cases[i].words);
		well = raw_end(r) && well;
		ok(others_go_on() && well, "%s", cases[i].name);
	}
}

/* ------------------------------------------------ requests that are refused */

/* One that fails alone. */
static bool refused(struct raw *r, struct message m, uint32_t status)
{
	struct message answer = { 0 };
	uint32_t number = r->sequence - 1;
	bool well;

	well = say(r, &m) && (m.op == READ || m.flags & INLINE || push(r->payload, before, m.length));
	well = well && hear(r, ACK, &answer) && answer.sequence == number && answer.status == status &&
	       answer.ack == number + 1;
	if (!well)
		printf("# op %u: request %u, ack %u, status %u\n", answer.op, answer.sequence, answer.ack,
		       answer.status);
	return well;
}

/* It does what it should. */
static bool works(struct raw *r)
{
	struct message m = write_of(r, INLINE | ACK_AT_ONCE, 8);

	m.address = 80;
	memset(m.bytes, r->sequence, 8);
	return say(r, &m) && hear(r, ACK, &m) && !m.status && m.ack == r->sequence &&
	       bytes[AT(WRITABLE) + 80] == (uint8_t)r->sequence && bytes[AT(WRITABLE) + 87] == (uint8_t)r->sequence;
}

static void test_refused(struct raw *r)
{
	const uint64_t writable = netgpu_mr_key(mrs[WRITABLE]), readable = netgpu_mr_key(mrs[READABLE]);
	static const uint64_t far[][2] = {
		/* address, length */
		{ ROOM, 1 }, { ROOM - 7, 8 }, { 0, ROOM + 1 }, { NO_LIMIT, 8 }, { NO_LIMIT, 0 }, { ROOM + 1, 0 },
	};
	struct message m;
	bool well;
	size_t i;

	must(raw_connect(r), "an endpoint");
	m = write_of(r, INLINE | ACK_AT_ONCE, 8);
	m.key = writable + 1;
	well = refused(r, m, NO_KEY);
	m = write_of(r, 0, 3000);
	m.key = 0;
	ok(refused(r, m, NO_KEY) && well && works(r) && others_go_on(),
	   "a WRITE with a key that was guessed fails alone");

	m = write_of(r, INLINE | ACK_AT_ONCE, 8);
	m.key = readable;
	well = refused(r, m, NO_KEY);
	m = request(r, READ, 0, 8);
	m.key = writable;
	ok(refused(r, m, NO_KEY) && well && works(r) && others_go_on(),
	   "a WRITE and a READ with a key without that right");

	for (well = true, i = 0; i < sizeof(far) / sizeof(*far); i++) {
		m = request(r, READ, 0, far[i][1]);
		m.key = readable;
		m.address = far[i][0];
		well = well && refused(r, m, OUT_OF_RANGE);
		m = write_of(r, far[i][1] <= INLINE_MAX ? INLINE : 0, far[i][1]);
		m.address = far[i][0];
		well = well && refused(r, m, OUT_OF_RANGE);
	}
	m = request(r, READ, 0, NO_LIMIT);
	m.key = readable;
	m.address = NO_LIMIT;
	ok(refused(r, m, OUT_OF_RANGE) && well && works(r) && others_go_on(),
	   "beyond the memory, also when the sum overflows");

	must(!netgpu_ep_recv(r->side.ep, mrs[BUFFERS], 0, 1000, NULL, 0), "recv");
	m = request(r, SEND, 0, 5000);
	well = refused(r, m, TOO_LONG) && r->side.last[NETGPU_EVENT_RECEIVED] == -EMSGSIZE &&
	       !memcmp(bytes + AT(BUFFERS), before, 1000) &&
	       !memcmp(bytes + AT(BUFFERS) + 1000, before + AT(BUFFERS) + 1000, ROOM - 1000);
	ok(well && works(r) && others_go_on(), "a SEND longer than the buffer: what fits, and no more");
	raw_end(r);
}

/* --------------------------------------------------------------- connecting */

/* It is told so, and the connection closed; the program hears nothing. */
static bool turned_away(struct raw *r, uint32_t status)
{
	struct message m = { 0 };
	bool told = hear(r, FAIL, &m);

	if (!told || m.status != status)
		printf("# FAIL %s, status %u\n", told ? "told" : "not told", m.status);
	return told && m.status == status && UNTIL((listen_now(r), r->over));
}

static void test_hello(struct raw *r)
{
	static const struct {
		const char *name;
		uint32_t status;
		uint8_t version, op;
		uint64_t key, port;
	} hellos[] = {
		{ "HELLO with a magic number that is none", BAD_MESSAGE, 1, HELLO, MAGIC + 1, 1000 },
		{ "HELLO of another version", BAD_VERSION, 2, HELLO, MAGIC, 1000 },
		{ "HELLO without a port", BAD_MESSAGE, 1, HELLO, MAGIC, 0 },
		{ "HELLO with a port that is none", BAD_MESSAGE, 1, HELLO, MAGIC, 65536 + 80 },
		{ "SEND before HELLO", BAD_MESSAGE, 1, SEND, 0, 0 },
		{ "ACCEPT instead of HELLO", BAD_MESSAGE, 1, ACCEPT, MAGIC, 1000 },
	};
	struct message m;
	bool well;
	size_t i;

	for (i = 0; i < sizeof(hellos) / sizeof(*hellos); i++) {
		raw_start(r);
		m = hello(r);
		m.version = hellos[i].version;
		m.op = hellos[i].op;
		m.key = hellos[i].key;
		m.address = hellos[i].port;
		well = say(r, &m) && turned_away(r, hellos[i].status);
		raw_end(r);
		ok(others_go_on() && well && !r->side.ep, "%s", hellos[i].name);
	}

	raw_start(r);
	accepting = &r->side;
	m = hello(r);
	well = say(r, &m) && hear(r, ACCEPT, &m);
	m = request(r, SEND, INLINE, 8);
	well = well && say(r, &m) && ends(r, BAD_MESSAGE, -EPROTO, "out of turn");
	raw_end(r);
	ok(others_go_on() && well, "SEND before READY");
}

static void test_accept(struct raw *r)
{
	struct message m;
	bool well;
	int fd;

	well = raw_asked(r, &fd);
	m = accepted(r);
	m.key += 1;
	well = well && say(r, &m) && ends(r, BAD_MESSAGE, -EPROTO, "malformed");
	raw_end(r);
	close(fd);
	ok(others_go_on() && well, "ACCEPT with a magic number that is none");

	well = raw_asked(r, &fd);
	m = say_what(r, READY);
	well = well && say(r, &m) && ends(r, BAD_MESSAGE, -EPROTO, "out of turn");
	raw_end(r);
	close(fd);
	ok(others_go_on() && well, "READY before ACCEPT");

	well = raw_asked(r, &fd);
	m = accepted(r);
	well = well && say(r, &m) && say(r, &m) && ends(r, BAD_MESSAGE, -EPROTO, "out of turn");
	raw_end(r);
	close(fd);
	ok(others_go_on() && well, "ACCEPT twice");

	well = raw_asked(r, &fd);
	m = accepted(r);
	m.recvs = UINT32_MAX;
	well = well && say(r, &m) && ends(r, BAD_MESSAGE, -EPROTO, "buffers");
	raw_end(r);
	close(fd);
	ok(others_go_on() && well, "ACCEPT with more buffers than there may be");
}

static unsigned int descriptors(void)
{
	unsigned int n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static const char own_data[] = "let me in";

/* A peer that listens at @fd, and an endpoint on its way there, with a buffer posted; @own: from this port, if not 0. */
static void asks(struct raw *r, int *fd, uint16_t own)
{
	const struct timeval patience = { .tv_sec = 5 };
	struct sockaddr_in at = { 0 }, from = { .sin_family = AF_INET, .sin_port = own, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	*r = (struct raw) { .recvs = 8, .payload = -1, .control = -1 };
	*fd = plain_socket(&at, "127.0.0.1");
	must(!listen(*fd, 4) && !setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) &&
	     !netgpu_ep_open(domain, &r->side, &r->side.ep) &&
	     (!own || !netgpu_ep_bind(r->side.ep, (struct sockaddr *)&from, sizeof(from))) &&
	     !netgpu_ep_recv(r->side.ep, mrs[BUFFERS], 0, 1000, NULL, 0) &&
	     !netgpu_ep_connect(r->side.ep, (struct sockaddr *)&at, sizeof(at), own_data, sizeof(own_data)), "connect");
}

/* It comes, from other ports than before, but for @own, and with all that the program has given it. */
static bool comes(struct raw *r, int fd, uint16_t own, uint16_t *from)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const uint16_t payload = r->port, control = *from;
	struct sockaddr_in at = { 0 };
	socklen_t length = sizeof(at);
	struct message m;

	raw_hang_up(&r->control);
	r->in_bytes = 0;
	r->over = false;
	if (!UNTIL(poll(&p, 1, 0) == 1 || r->side.ended) || r->side.ended)
		return false;
	r->control = accept(fd, (struct sockaddr *)&at, &length);
	if (r->control < 0 || !hear(r, HELLO, &m))
		return false;
	r->port = m.address;
	*from = at.sin_port;
	return m.key == MAGIC && m.recvs == 1 && m.length == NO_LIMIT && m.inline_length == sizeof(own_data) &&
	       !memcmp(m.bytes, own_data, sizeof(own_data)) && r->port && r->port != payload &&
	       (own ? *from == own : *from != control);
}

static struct message wrong_queue(const struct raw *r)
{
	struct message m = say_what(r, REJECT);

	m.key = MAGIC;
	m.status = WRONG_QUEUE;
	return m;
}

/* A peer that wants other ports, twice. */
static bool accepted_later(struct raw *r, uint16_t own)
{
	uint8_t packed[MESSAGE_MAX];
	uint16_t from = 0;
	struct message m;
	unsigned int i;
	bool well;
	int fd;

	asks(r, &fd, own);
	well = comes(r, fd, own, &from);
	for (i = 0; well && i < 2; i++) {
		m = wrong_queue(r);
		m.recvs = 20;	/* of what was rejected: others have none */
		pack(packed, &m);
		packed[HEADER] = 1;
		/* Of what begins behind it nothing is left; and the library closes the connection if the peer does not. */
		well = push(r->control, packed, HEADER + 1) && (i || UNTIL((listen_now(r), r->over))) && comes(r, fd, own, &from);
	}
	m = accepted(r);
	memcpy(m.bytes, "in", 3);
	m.inline_length = 3;
	well = well && say(r, &m) && raw_joined(r, fd);
	m = say_what(r, READY);
	well = well && say(r, &m) && UNTIL(r->side.up) && works(r);
	m = request(r, SEND, INLINE | ACK_AT_ONCE, 20);
	memset(m.bytes, 0x77, 20);
	well = well && say(r, &m) && hear(r, ACK, &m) && bytes[AT(BUFFERS) + 19] == 0x77;
	close(fd);
	well = well && r->side.events[NETGPU_EVENT_CONNECTED] == 1 && !r->side.ended &&
	       r->side.events[NETGPU_EVENT_RECEIVED] == 1 && !r->side.last[NETGPU_EVENT_RECEIVED];
	if (!well)
		printf("# %u connected, %u received, end %s, %d (%s)\n", r->side.events[NETGPU_EVENT_CONNECTED],
		       r->side.events[NETGPU_EVENT_RECEIVED], r->side.ended ? "heard" : "not heard", r->side.result, r->side.why);
	return well;
}

static void test_other_ports(struct raw *r)
{
	const unsigned int most = 1 + 64, before_all = descriptors();
	uint8_t packed[2 * MESSAGE_MAX];
	struct sockaddr_in at = { 0 };
	unsigned int i, n;
	struct message m;
	uint16_t from;
	size_t both;
	bool well;
	int fd;

	well = accepted_later(r, 0);
	raw_end(r);
	ok(others_go_on() && well, "REJECT with status 9, twice: it comes from other ports, and the program hears nothing of that");

	close(plain_socket(&at, "127.0.0.1"));
	well = accepted_later(r, at.sin_port);
	raw_end(r);
	ok(others_go_on() && well, "the same from a port that the program has named: the other is another");

	asks(r, &fd, 0);
	for (from = n = 0; n <= most && comes(r, fd, 0, &from); n++) {
		m = wrong_queue(r);
		say(r, &m);
	}
	well = n == most && UNTIL(r->side.ended) && r->side.result == -EADDRNOTAVAIL && strstr(r->side.why, "ethtool -X") &&
	       !r->side.up && r->side.events[NETGPU_EVENT_RECEIVED] == 1 &&
	       r->side.last[NETGPU_EVENT_RECEIVED] == -EADDRNOTAVAIL;
	raw_end(r);
	close(fd);
	ok(others_go_on() && well, "always so: EADDRNOTAVAIL after %u connections, and what is to be done", n);

	/* While REJECT is on its way, while it connects again, and when it has said HELLO again; aborted, and just closed. */
	for (well = true, i = 0; i < 6; i++) {
		asks(r, &fd, 0);
		from = 0;
		well = comes(r, fd, 0, &from) && well;
		m = wrong_queue(r);
		well = say(r, &m) && well;
		if (i / 2 == 1)
			pump(0);
		else if (i / 2 == 2)
			well = comes(r, fd, 0, &from) && well;
		if (i % 2) {
			well = !netgpu_ep_abort(r->side.ep) && UNTIL(r->side.ended) && r->side.result == -ECANCELED &&
			       !r->side.up && well;
		}
		raw_end(r);
		close(fd);
	}
	ok(others_go_on() && well, "aborted or closed in the middle of that");

	asks(r, &fd, 0);
	from = 0;
	well = comes(r, fd, 0, &from);
	m = wrong_queue(r);
	both = pack(packed, &m);
	m = accepted(r);
	both += pack(packed + both, &m);
	well = well && push(r->control, packed, both) && ends(r, BAD_MESSAGE, -EPROTO, "out of turn");
	raw_end(r);
	close(fd);
	ok(others_go_on() && well, "REJECT with status 9, and ACCEPT");
	ok(descriptors() <= before_all, "no descriptor of all these is left open");
}

/* Two that name the same port: the payload's lane of the first is not the second's. */
static void test_same_port(struct raw *r)
{
	static struct raw thief;
	struct message m;
	bool well;

	raw_start(r);
	accepting = &r->side;
	m = hello(r);
	well = say(r, &m) && hear(r, ACCEPT, &m);
	raw_start(&thief);
	m = hello(r);
	well = well && say(&thief, &m) && turned_away(&thief, BAD_MESSAGE);
	well = well && !connect(r->payload, (struct sockaddr *)&address, sizeof(address)) && hear(r, READY, &m) &&
	       UNTIL(r->side.up) && works(r);
	raw_end(&thief);
	raw_end(r);
	ok(others_go_on() && well, "HELLO with the port of another connection does not get its payload");
}

static void test_second_lane(struct raw *r)
{
	static struct raw other;
	struct sockaddr_in at = { 0 };
	uint8_t junk[100];
	bool well;

	memset(junk, 0xee, sizeof(junk));
	well = raw_connect(r);
	other = (struct raw) { .payload = -1 };
	at.sin_port = htons(r->port);
	other.control = plain_socket(&at, "127.0.0.2");
	well = well && !connect(other.control, (struct sockaddr *)&address, sizeof(address)) &&
	       push(other.control, junk, sizeof(junk)) && turned_away(&other, BAD_VERSION) && works(r);
	raw_end(&other);
	raw_end(r);
	ok(others_go_on() && well, "a second payload lane is none");
}

/* --------------------------------------------------------------------- ends */

static void test_ends(struct raw *r)
{
	const struct linger at_once = { .l_onoff = 1 };
	struct message m;
	bool well;

	/* What was announced may still come. */
	well = raw_connect(r);
	m = write_of(r, 0, ROOM);
	well = well && say(r, &m) && push(r->payload, before + AT(SOURCE), 1000);
	pump(5);
	raw_hang_up(&r->control);
	pump(5);
	well = well && !r->side.ended && push(r->payload, before + AT(SOURCE) + 1000, ROOM - 1000) &&
	       UNTIL(r->side.ended) && r->side.result == -ECONNRESET && strstr(r->side.why, "control") &&
	       !memcmp(bytes + AT(WRITABLE), before + AT(SOURCE), ROOM);
	raw_end(r);
	ok(others_go_on() && well, "the control lane closed while payload flows: that arrives, and then the end");

	/* Nobody can be told, and that is not the reason. */
	well = raw_connect(r);
	setsockopt(r->control, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	unknown_op(r);
	raw_hang_up(&r->control);
	well = well && UNTIL(r->side.ended) && r->side.result == -EPROTO && strstr(r->side.why, "malformed");
	raw_end(r);
	ok(others_go_on() && well, "who breaks a rule and goes: the rule is the reason");

	well = raw_listen(r);
	m = say_what(r, FAIL);
	m.status = MEMORY_GONE;
	well = well && say(r, &m) && UNTIL(r->side.ended) && r->side.result == -ENODEV &&
	       strstr(r->side.why, "the peer");
	raw_end(r);
	ok(others_go_on() && well, "FAIL is reported with its reason");

	well = raw_listen(r);
	post_read(r, 5000);
	pump(50);
	well = well && good() && !r->side.ended && works(r);
	raw_hang_up(&r->control);
	well = well && UNTIL(r->side.ended) && r->side.result == -ECONNRESET &&
	       r->side.events[NETGPU_EVENT_READ] == 1 && r->side.last[NETGPU_EVENT_READ] == -ECONNRESET;
	raw_end(r);
	ok(others_go_on() && well, "a READ that is never answered ends with the endpoint");

	well = raw_connect(r);
	m = say_what(r, CLOSE);
	well = well && say(r, &m) && hear(r, CLOSE, &m) && UNTIL(r->side.ended) && !r->side.result;
	raw_end(r);
	ok(others_go_on() && well, "CLOSE is answered by CLOSE");
}

/* The payload lane ends before the control lane has brought what was said on it before, or the other end has read it. */
static void test_lanes_apart(struct raw *r)
{
	const struct linger at_once = { .l_onoff = 1 };
	unsigned int i;
	struct message m;
	bool well = true;

	for (i = 0; i < 2; i++) {
		well = raw_connect(r) && well;
		must(!netgpu_ep_recv(r->side.ep, mrs[BUFFERS], 0, 100, NULL, 0), "recv");
		raw_hang_up(&r->payload);
		pump(100);
		well = well && !r->side.ended;
		m = request(r, SEND, INLINE, 10);
		well = well && say(r, &m);
		/* Said properly, or not. */
		m = say_what(r, FAIL);
		m.status = CANCELED;
		if (!i)
			well = well && say(r, &m);
		else
			setsockopt(r->control, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		raw_hang_up(&r->control);
		well = well && UNTIL(r->side.ended) && r->side.result == (i ? -ECONNRESET : -ECANCELED) &&
		       r->side.events[NETGPU_EVENT_RECEIVED] == 1 && !r->side.last[NETGPU_EVENT_RECEIVED];
		raw_end(r);
	}
	ok(others_go_on() && well, "the payload lane ends first: what the control lane brings is heard, and why");

	/* And nothing can be answered: the library hears of it when it sends. */
	well = raw_connect(r);
	must(!netgpu_ep_recv(r->side.ep, mrs[BUFFERS], 0, 100, NULL, 0) && !netgpu_ep_recv(r->side.ep, mrs[BUFFERS], 0, 100, NULL, 0),
	     "recv");
	pump(5);
	m = request(r, SEND, INLINE, 10);
	well = well && say(r, &m);
	m = request(r, SEND, INLINE, 10);
	well = well && say(r, &m);
	setsockopt(r->control, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	raw_hang_up(&r->control);
	/* It has not looked since. */
	post_send(r, 10);
	well = well && UNTIL(r->side.ended) && r->side.result == -ECONNRESET &&
	       r->side.events[NETGPU_EVENT_RECEIVED] == 2 && !r->side.last[NETGPU_EVENT_RECEIVED];
	raw_end(r);
	ok(others_go_on() && well, "the control lane is reset before the library has read it: what is there is heard");

	/* Both have said CLOSE; that the peer's last message was too long nobody hears any more. */
	well = raw_connect(r);
	must(!netgpu_ep_recv(r->side.ep, mrs[BUFFERS], 0, 10, NULL, 0), "recv");
	pump(5);
	must(!netgpu_ep_shutdown(r->side.ep), "shutdown");
	well = well && hear(r, CLOSE, &m);
	m = request(r, SEND, INLINE, 50);
	well = well && say(r, &m);
	m = say_what(r, CLOSE);
	well = well && say(r, &m);
	setsockopt(r->control, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	raw_hang_up(&r->control);
	well = well && UNTIL(r->side.ended) && !r->side.result && r->side.events[NETGPU_EVENT_RECEIVED] == 1 &&
	       r->side.last[NETGPU_EVENT_RECEIVED] == -EMSGSIZE;
	raw_end(r);
	ok(others_go_on() && well, "an end in order is one, though something after CLOSE could not be said");
}

/* As many READs as there may be, and nobody takes the answers. */
static void test_full(struct raw *r)
{
	unsigned int i, n = 0;
	struct message m;
	bool well;

	/* Short segments: the kernel keeps little for who does not read. */
	receive_room = 2048;
	segment = 536;
	raw_start(r);
	receive_room = segment = 0;
	accepting = &r->side;
	m = hello(r);
	well = say(r, &m) && hear(r, ACCEPT, &m) &&
	       !connect(r->payload, (struct sockaddr *)&address, sizeof(address)) && hear(r, READY, &m);
	for (i = 0; well && i < 1024; i++) {
		m = request(r, READ, 0, i % 8 ? 256 : 300);
		m.key = netgpu_mr_key(mrs[READABLE]);
		well = say(r, &m);
		if (i % 64 == 0)
			pump(0);
	}
	well = well && good();
	while (well && n < 1024 && hear(r, DATA, &m)) {
		well = m.address == n && m.ack == n + 1;
		n++;
	}
	raw_end(r);
	ok(others_go_on() && well && n == 1024, "answers that nobody takes keep nobody away (%u)", n);
}

/* The peer reads nothing until the endpoint is closed: what was said to be sent is there. */
static void test_close_full(struct raw *r)
{
	struct netgpu_msg msg = part_of(SOURCE, 0, 256);
	const unsigned int most = 1000;
	unsigned int i, sent, n = 0;
	struct message m;
	bool well;

	receive_room = 2048;
	segment = 536;
	raw_start(r);
	receive_room = segment = 0;
	r->recvs = most;
	accepting = &r->side;
	m = hello(r);
	well = say(r, &m) && hear(r, ACCEPT, &m) &&
	       !connect(r->payload, (struct sockaddr *)&address, sizeof(address)) && hear(r, READY, &m);
	for (i = 0; well && i < most; i++)
		well = !netgpu_ep_send(r->side.ep, &msg);
	pump(50);
	sent = r->side.events[NETGPU_EVENT_SENT];
	well = well && sent && sent < most && good();
	netgpu_ep_close(r->side.ep);
	r->side = (struct side) { 0 };
	while (well && n < sent && hear(r, SEND, &m))
		well = m.inline_length == 256 && !memcmp(m.bytes, bytes + AT(SOURCE), 256) && m.sequence == n++;
	raw_end(r);
	ok(others_go_on() && well && n == sent, "closed while the peer takes nothing: what was reported as sent arrives (%u of %u)",
	   n, sent);
}

/* ----------------------------------------------------------------- too late */

static struct raw cut, never_joined, never_ready, never_paid, never_closed;
static int never_ready_fd;

/* Those who say nothing more: heard of at the end. */
static void start_silence(void)
{
	uint8_t packed[MESSAGE_MAX];
	struct message m;

	raw_start(&cut);
	m = hello(&cut);
	pack(packed, &m);
	must(push(cut.control, packed, 40), "half a HELLO");
	raw_start(&never_joined);
	accepting = &never_joined.side;
	m = hello(&never_joined);
	must(say(&never_joined, &m) && hear(&never_joined, ACCEPT, &m), "an endpoint");
	must(raw_asked(&never_ready, &never_ready_fd), "an endpoint");
	m = accepted(&never_ready);
	must(say(&never_ready, &m) && raw_joined(&never_ready, never_ready_fd), "an endpoint");
	/* These two have been shut down. */
	must(raw_connect(&never_paid) && !netgpu_ep_shutdown(never_paid.side.ep) && hear(&never_paid, CLOSE, &m),
	     "an endpoint");
	m = write_of(&never_paid, 0, 1000);
	say(&never_paid, &m);
	m = say_what(&never_paid, CLOSE);
	say(&never_paid, &m);
	raw_hang_up(&never_paid.control);
	must(raw_listen(&never_closed) && !netgpu_ep_shutdown(never_closed.side.ep) && hear(&never_closed, CLOSE, &m),
	     "an endpoint");
	raw_hang_up(&never_closed.payload);
}

static void end_silence(void)
{
	const uint64_t until = now() + 45 * SECOND;

	while (now() < until && !(cut.over && never_joined.side.ended && never_ready.side.ended &&
				  never_paid.side.ended && never_closed.side.ended)) {
		pump(100);
		listen_now(&cut);
	}
	ok(turned_away(&cut, BAD_MESSAGE) && others_go_on(), "half a HELLO, and silence: turned away in time");
	ok(ends(&never_joined, BAD_MESSAGE, -ETIMEDOUT, "") && others_go_on(), "a payload lane that never comes");
	ok(ends(&never_ready, BAD_MESSAGE, -ETIMEDOUT, "") && others_go_on(), "READY that never comes");
	ok(never_paid.side.ended && never_paid.side.result == -ETIMEDOUT && others_go_on(),
	   "CLOSE, and no more of the control lane, and payload that never comes");
	ok(ends(&never_closed, BAD_MESSAGE, -ETIMEDOUT, "") && others_go_on(),
	   "no more of the payload lane, and CLOSE that never comes");
	raw_end(&never_paid);
	raw_end(&never_closed);
	raw_end(&cut);
	raw_end(&never_joined);
	raw_end(&never_ready);
	close(never_ready_fd);
}

int main(void)
{
	static struct raw r;

	setvbuf(stdout, NULL, _IONBF, 0);
	alarm(200 * atoi(getenv("LAB_SLOWER") ?: "1"));
	open_library();
	printf("TAP version 13\n1..%zu\n", CASES + 39);
	start_silence();
	test_cases(&r);
	test_refused(&r);
	test_hello(&r);
	test_accept(&r);
	test_other_ports(&r);
	test_same_port(&r);
	test_second_lane(&r);
	test_ends(&r);
	test_lanes_apart(&r);
	test_full(&r);
	test_close_full(&r);
	end_silence();
	ok(good_new(), "and a new endpoint");
	close_library();
	return failed != 0;
}

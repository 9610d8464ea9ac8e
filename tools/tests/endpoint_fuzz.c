// SPDX-License-Identifier: GPL-2.0
/*
 * Peers that say anything, to an endpoint that does everything: messages of all kinds in a random order, changed, cut,
 * left out, said twice, bytes that were not announced on the payload lane, ends at any time. Whatever comes, the
 * library goes on, nothing is written that was not granted, the endpoint ends when the peer does, and the domain serves
 * others. Some peers keep the rules: theirs has to end well. Before that, the parser alone. KTAP.
 *
 * endpoint_fuzz [-s SEED] [-t SECONDS] [-n ROUND]
 *	-s	of the random numbers; else another each time
 *	-t	how long, 10 without
 *	-n	this round alone, with what it does
 */
#include <fcntl.h>
#include <signal.h>
#include "ktap.h"
/* NOLINTNEXTLINE(bugprone-suspicious-include): of the library, which does not export it */
#include "wire.c"
#include "endpoint_raw.h"

static unsigned long long seed;
static uint64_t state;
static unsigned int round_number;
static bool loud;
static unsigned long long faults;	/* that peers have made */

/* What a round needs is known from the seed and its number: it can be had again alone. */
static void start_random(uint64_t number)
{
	state = (seed + 1) * 0x9e3779b97f4a7c15ull ^ (number + 1) * 0xd1b54a32d192ed03ull;
}

static uint64_t random64(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static unsigned int below(unsigned int n)
{
	return random64() % n;
}

static bool one_of(unsigned int n)
{
	return !below(n);
}

static void random_bytes(uint8_t *to, size_t n)
{
	while (n--)
		*to++ = random64();
}

/* What a signal says, whose number goes to where the dots are: its handler may not format. */
#define AT_DOTS	17
static char last_words[100];

static void prepare_last_words(void)
{
	snprintf(last_words, sizeof(last_words), "Bail out! signal ..: -s %llu, round %u\n", seed, round_number);
}

static void stuck(int signal)
{
	last_words[AT_DOTS] = '0' + signal / 10;
	last_words[AT_DOTS + 1] = '0' + signal % 10;
	(void)!write(1, last_words, strlen(last_words));
	_exit(1);
}

/* --------------------------------------------------------------- the parser */

static const uint64_t edges[] = {
	0, 1, 2, 4, 8, 16, 63, 64, 255, 256, 257, 1023, 1024, 1025, 65535, 65536, INT32_MAX, 1ull << 31, UINT32_MAX,
	1ull << 32, NO_LIMIT, TOO_LARGE, INT64_MAX, 1ull << 63, UINT64_MAX,
};

static uint64_t edge(void)
{
	return edges[below(sizeof(edges) / sizeof(*edges))] + (one_of(4) ? below(3) - 1 : 0);
}

/* Any message that is one. */
static struct message random_message(void)
{
	static const uint8_t ops[] = {
		HELLO, ACCEPT, REJECT, READY, CLOSE, FAIL, SEND, WRITE, READ, DATA, ACK, CREDIT,
	};
	struct message m = {
		.version = 1, .op = ops[below(sizeof(ops))], .sequence = random64(), .ack = random64(),
		.recvs = random64(), .length = random64() >> 2, .stream = random64() >> 2,
		.address = random64() >> 2, .key = random64(), .immediate = random64(), .status = below(CANCELED + 1),
	};
	bool payload = m.op == SEND || m.op == WRITE || m.op == DATA;

	m.flags = one_of(2) ? ACK_AT_ONCE : 0;
	if ((m.op == SEND || m.op == WRITE) && one_of(2))
		m.flags |= IMMEDIATE;
	if (payload && one_of(2)) {
		m.flags |= INLINE;
		m.length = below(INLINE_MAX + 1);
		m.inline_length = m.length;
	}
	if (m.op <= REJECT)
		m.key = MAGIC;
	if (m.op <= REJECT || m.op == FAIL)
		m.inline_length = below(INLINE_MAX + 1);
	random_bytes(m.bytes, m.inline_length);
	return m;
}

/* Some of its fields become others, or bits of it. */
static void mutate(uint8_t *packed, size_t n)
{
	static const struct {
		uint8_t at, bytes;
	} fields[] = {
		{ 0, 1 }, { 1, 1 }, { 2, 2 }, { 4, 4 }, { 8, 4 }, { 12, 4 }, { 16, 8 }, { 24, 8 }, { 32, 8 }, { 40, 8 },
		{ 48, 8 }, { 56, 4 }, { 60, 4 },
	};
	unsigned int i, field, at, bytes_of;
	uint64_t value;

	for (i = 1 + below(3); i; i--) {
		if (one_of(3)) {
			packed[below(n)] ^= 1 << below(8);
			continue;
		}
		field = below(sizeof(fields) / sizeof(*fields));
		at = fields[field].at;
		bytes_of = fields[field].bytes;
		value = get(packed + at, bytes_of) + (one_of(2) ? 1 : -1);
		put(packed + at, one_of(2) ? edge() : value, bytes_of);
	}
}

static bool same(const struct message *m, const struct wire *w)
{
	return m->op == w->op && m->flags == w->flags && m->inline_length == w->inline_length &&
	       m->sequence == w->sequence && m->ack == w->ack && m->length == w->length && m->stream == w->stream &&
	       m->address == w->address && m->key == w->key &&
	       m->immediate == w->immediate && m->recvs == w->recvs && m->status == w->status;
}

/* The first so many bytes, in memory that ends with them. */
static int get_exact(const uint8_t *packed, size_t n, struct wire *w)
{
	uint8_t *exact = malloc(n ? n : 1);
	int ret;

	must(exact, "memory");
	memcpy(exact, packed, n);
	ret = wire_get(n ? exact : exact + 1, n, w);
	free(exact);
	return ret;
}

static bool parse_well(void)
{
	const struct message m = random_message();
	uint8_t packed[MESSAGE_MAX], *again = malloc(HEADER);
	size_t n = pack(packed, &m), cut = below(n);
	struct wire w, part;
	bool well;

	must(again, "memory");
	well = get_exact(packed, n, &w) == (int)n && same(&m, &w) && !get_exact(packed, cut, &part);
	if (well) {
		wire_put(again, &w);
		well = !memcmp(again, packed, HEADER);
	}
	free(again);
	return well;
}

/* What wire_get() lets through is within the limits that the rest relies on, and is the same when it is sent on. */
static bool parse_ill(void)
{
	uint8_t packed[MESSAGE_MAX], again[HEADER];
	struct message m = random_message();
	size_t n = sizeof(packed);
	struct wire w;
	int ret;

	if (one_of(4)) {
		random_bytes(packed, n);
		packed[0] = one_of(4) ? packed[0] : 1;
	} else {
		n = pack(packed, &m);
		mutate(packed, n);
	}
	n = one_of(2) ? n : below(n + 1);
	ret = get_exact(packed, n, &w);
	if (ret < 0)
		return -ret == BAD_MESSAGE || (-ret == BAD_VERSION && packed[0] != 1);
	if (!ret)
		return n < MESSAGE_MAX;
	wire_put(again, &w);
	return ret >= HEADER && (size_t)ret <= n && (size_t)ret == HEADER + w.inline_length &&
	       w.inline_length <= INLINE_MAX && w.length < TOO_LARGE && w.stream < TOO_LARGE &&
	       w.address < TOO_LARGE && w.status <= CANCELED && !memcmp(again, packed, HEADER);
}

static void test_parser(void)
{
	bool well = true, ill = true;
	unsigned int i;

	for (i = 0; i < 50000 && well && ill; i++) {
		start_random(i);
		well = parse_well();
		ill = parse_ill();
	}
	ok(well, "the parser: all messages there and back, each cut anywhere (-s %llu, %u)", seed, i);
	ok(ill, "the parser: messages that are none (-s %llu, %u)", seed, i);
	for (i = 0; i <= CANCELED; i++)
		well = well && wire_status(wire_errno(i)) == i;
	ok(well && wire_errno(CANCELED + 1) == -EPROTO && wire_status(-EIO) == NO_RESOURCES &&
	   wire_status(-EPIPE) == BAD_MESSAGE && wire_status(-ESHUTDOWN) == CANCELED,
	   "each status is an error, and back");
}

/* ------------------------------------------------------------ whole endpoints */

#define READS_MOST	64

/* A peer that does what the page says, with what is on its way. */
struct peer {
	struct raw r;
	uint64_t grant, sent;		/* bytes of payload: that may be sent, that were announced */
	uint32_t credits, used;		/* buffers of the library */
	uint32_t acked;			/* requests that the library has carried out */
	struct {
		uint32_t sequence;
		uint64_t length;
	} reads[READS_MOST];		/* of the library, not yet answered */
	unsigned int nr_reads;
	bool closing;			/* the library has said CLOSE */
	bool closed;			/* this side has */
	bool failed;			/* FAIL was heard */
	unsigned int evil;		/* one message of so many is changed; 0: none */
	uint8_t last[MESSAGE_MAX];	/* the one that was said last */
	size_t last_bytes;
};

static void note(const char *what, uint64_t number)
{
	if (loud)
		printf("# %s %llu\n", what, (unsigned long long)number);
}

/* What is there, all of it. Requests are carried out at once: their payload goes nowhere. */
static void peer_listens(struct peer *p)
{
	uint8_t nowhere[4096];
	struct message m;

	while (p->r.payload >= 0 && recv(p->r.payload, nowhere, sizeof(nowhere), MSG_DONTWAIT) > 0)
		;
	while (p->r.control >= 0 && p->nr_reads < READS_MOST && heard(&p->r, &m)) {
		p->credits = m.recvs;
		p->acked = m.ack;
		switch (m.op) {
		case SEND:
		case WRITE:
			/* READs before it are to be answered first */
			if (p->nr_reads) {
				p->reads[p->nr_reads].length = UINT64_MAX;
				p->reads[p->nr_reads++].sequence = m.sequence;
			} else {
				p->r.done++;
			}
			p->r.recvs += m.op == SEND;
			break;
		case READ:
			p->reads[p->nr_reads].length = m.length;
			p->reads[p->nr_reads++].sequence = m.sequence;
			break;
		case CREDIT:
			p->grant = m.length;
			break;
		case CLOSE:
			p->closing = true;
			break;
		case FAIL:
			p->failed = true;
			note("it says FAIL", m.status);
			break;
		}
	}
}

static void peer_pushes(struct peer *p, const uint8_t *data, size_t n)
{
	size_t cut = n && one_of(8) ? below(n) : 0;

	if (p->r.control < 0)
		return;
	if (cut && push(p->r.control, data, cut))
		pump(0);
	push(p->r.control, data + cut, n - cut);
}

static void peer_says(struct peer *p, const struct message *m)
{
	uint8_t packed[MESSAGE_MAX];
	size_t n = pack(packed, m);

	note("op", m->op);
	if (!p->evil || !one_of(p->evil)) {
		peer_pushes(p, packed, n);
	} else {
		unsigned int what = below(8);

		faults++;
		note("  changed", what);
		switch (what) {
		case 0:		/* twice */
			peer_pushes(p, packed, n);
			peer_pushes(p, packed, n);
			break;
		case 1:		/* cut */
			peer_pushes(p, packed, below(n));
			break;
		case 2:		/* not at all */
			break;
		case 3:		/* the one before once more */
			peer_pushes(p, p->last, p->last_bytes);
			peer_pushes(p, packed, n);
			break;
		case 4:		/* behind something else */
			random_bytes(packed + below(n), 1);
			peer_pushes(p, packed, n);
			break;
		default:
			mutate(packed, n);
			peer_pushes(p, packed, n);
		}
	}
	memcpy(p->last, packed, n);
	p->last_bytes = n;
}

/* The payload of what was just said, as far as it is on the lane; evil peers send more, less, and none. */
static void peer_pays(struct peer *p, uint64_t length)
{
	static uint8_t junk[2 * ROOM];

	if (p->evil && one_of(p->evil)) {
		faults++;
		length = below(2 * ROOM);
		note("  other payload", length);
	}
	if (p->r.payload < 0 || length > sizeof(junk))
		return;
	if (p->evil)	/* who has sent what nobody takes does not wait */
		(void)!send(p->r.payload, junk, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		push(p->r.payload, junk, length);
}

static uint64_t some_length(uint64_t most)
{
	uint64_t length = one_of(3) ? below(INLINE_MAX + 2) : one_of(2) ? below(2000) : below(ROOM + 1);

	return length < most ? length : most;
}

static bool peer_answers(struct peer *p)
{
	const uint64_t length = p->reads[0].length;
	struct message m;

	if (!p->nr_reads)
		return false;
	if (length != UINT64_MAX && length > INLINE_MAX && p->sent + length > p->grant)
		return false;
	p->r.done++;
	p->nr_reads--;
	memmove(p->reads, p->reads + 1, p->nr_reads * sizeof(*p->reads));
	if (length == UINT64_MAX) {
		m = say_what(&p->r, ACK);
		peer_says(p, &m);
	} else if (one_of(6)) {
		m = say_what(&p->r, ACK);
		m.sequence = p->r.done - 1;
		m.status = one_of(2) ? NO_KEY : OUT_OF_RANGE;
		peer_says(p, &m);
	} else {
		m = request(&p->r, DATA, length <= INLINE_MAX && one_of(2) ? INLINE : 0, length);
		m.address = p->r.done - 1;
		peer_says(p, &m);
		if (!(m.flags & INLINE)) {
			p->sent += length;
			peer_pays(p, length);
		}
	}
	return true;
}

static void peer_requests(struct peer *p)
{
	static const uint8_t ops[] = { SEND, WRITE, READ };
	uint8_t op = ops[below(3)];
	uint64_t length = some_length(ROOM);
	struct message m;
	unsigned int flags = (one_of(3) ? ACK_AT_ONCE : 0) | (op != READ && one_of(3) ? IMMEDIATE : 0);

	if (p->closed || p->r.sequence - p->acked >= 1024)
		return;
	if (op == SEND && p->used == p->credits && !(p->evil && one_of(p->evil)))
		return;
	p->used += op == SEND;
	if (op != READ && length <= INLINE_MAX && one_of(2))
		flags |= INLINE;
	m = request(&p->r, op, flags, length);
	random_bytes(m.bytes, m.inline_length);
	m.immediate = random64();
	if (op != SEND) {
		m.key = one_of(8) ? random64() : netgpu_mr_key(mrs[op == READ || one_of(16) ? READABLE : WRITABLE]);
		m.address = one_of(8) ? edge() % TOO_LARGE : below(ROOM - length + 1);
	}
	peer_says(p, &m);
	if (op != READ && !(flags & INLINE)) {
		p->sent += length;
		peer_pays(p, length);
	}
}

static void peer_steps(struct peer *p)
{
	struct message m;

	switch (below(p->evil ? 14 : 8)) {
	case 0 ... 3:
		peer_requests(p);
		break;
	case 4:
	case 5:
		if (!peer_answers(p)) {
			m = say_what(&p->r, ACK);
			peer_says(p, &m);
		}
		break;
	case 6:
		p->r.recvs += below(4);
		m = say_what(&p->r, CREDIT);
		m.length = NO_LIMIT;
		peer_says(p, &m);
		break;
	case 7:
		break;
	case 8:		/* anything */
		m = random_message();
		m.ack = one_of(2) ? m.ack : p->r.done;
		m.recvs = one_of(2) ? m.recvs : p->r.recvs;
		peer_says(p, &m);
		break;
	case 9:		/* bytes that are none */
		random_bytes(m.bytes, sizeof(m.bytes));
		if (one_of(4))
			peer_pushes(p, m.bytes, below(sizeof(m.bytes)));
		break;
	case 10:
		peer_pays(p, below(1000));
		break;
	case 11:
		if (one_of(8))
			raw_hang_up(&p->r.payload);
		break;
	case 12:
		if (one_of(8))
			raw_hang_up(&p->r.control);
		break;
	case 13:
		if (!one_of(8))
			break;
		p->closed = true;
		m = say_what(&p->r, one_of(2) ? CLOSE : FAIL);
		peer_says(p, &m);
	}
}

/* The program on the library's side: it does something, too. */
static void program_steps(struct side *s)
{
	uint64_t length = some_length(ROOM), offset = below(ROOM - length + 1);
	struct netgpu_msg m;

	if (!s->ep)
		return;
	switch (below(6)) {
	case 0:
	case 1:
		netgpu_ep_recv(s->ep, mrs[BUFFERS], offset, length, s, 0);
		break;
	case 2:
	case 3:
		m = part_of(one_of(2) ? SOURCE : READABLE, offset, length);
		m.flags = (one_of(3) ? NETGPU_MSG_DELIVERED : 0) | (one_of(3) ? NETGPU_MSG_IMMEDIATE : 0);
		if (one_of(2))
			netgpu_ep_send(s->ep, &m);
		else
			netgpu_ep_write(s->ep, &m);
		break;
	case 4:
		m = part_of(READS, offset, length);
		netgpu_ep_read(s->ep, &m);
		break;
	case 5:
		if (one_of(4))
			netgpu_ep_cancel(s->ep, s);
	}
}

/* In order, with all that it has said carried out. */
static bool peer_ends_well(struct peer *p)
{
	const uint64_t until = now() + 10 * SECOND;
	struct message m;

	netgpu_ep_shutdown(p->r.side.ep);
	while (now() < until && !p->r.side.ended && !p->failed) {
		peer_listens(p);
		while (peer_answers(p))
			;
		if (!p->closed) {
			p->r.recvs += 1000;	/* for all that it has to send */
			m = say_what(&p->r, CREDIT);
			m.length = NO_LIMIT;
			peer_says(p, &m);
		}
		if (p->closing && !p->closed) {
			p->closed = true;
			m = say_what(&p->r, CLOSE);
			peer_says(p, &m);
		}
		pump(1);
	}
	return p->r.side.ended && !p->r.side.result;
}

/* The one that connects has something to say before it is up, too. */
static bool start_ill(struct raw *r)
{
	uint8_t packed[MESSAGE_MAX];
	struct message m;
	bool listens = one_of(2), up = false;
	int fd = -1;
	size_t n;

	if (listens) {
		must(raw_asked(r, &fd), "HELLO");
		m = accepted(r);
	} else {
		raw_start(r);
		accepting = &r->side;
		m = hello(r);
	}
	m.inline_length = below(INLINE_MAX + 1);
	n = pack(packed, &m);
	if (!one_of(3))
		mutate(packed, n);
	push(r->control, packed, one_of(3) ? below(n) : n);
	if (listens) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		pump(1);
		r->payload = accept(fd, NULL, NULL);
		close(fd);
		m = say_what(r, READY);
	} else {
		m = random_message();
		pump(1);
		if (one_of(2))
			up = !connect(r->payload, (struct sockaddr *)&address, sizeof(address));
	}
	n = pack(packed, &m);
	if (!up && one_of(2))
		mutate(packed, n);
	push(r->control, packed, n);
	pump(1);
	return r->side.up;
}

static bool play(struct peer *p)
{
	unsigned int steps, i;
	bool well = true;

	receive_room = one_of(3) ? 2048 : 0;
	*p = (struct peer) { .evil = (unsigned int[]){ 0, 4, 16, 64 }[below(4)], .grant = NO_LIMIT };
	if (p->evil && one_of(4)) {
		faults++;
		if (!start_ill(&p->r))
			return true;
	} else {
		well = one_of(2) ? raw_connect(&p->r) : raw_listen(&p->r);
	}
	if (!well) {
		printf("# it did not connect\n");
		return false;
	}
	steps = below(120);
	for (i = 0; i < steps && (p->evil || !p->r.side.ended); i++) {
		peer_steps(p);
		if (one_of(2))
			program_steps(&p->r.side);
		if (one_of(2))
			pump(0);
		if (!p->evil || one_of(4))
			peer_listens(p);
		if (p->evil && one_of(60))
			netgpu_ep_shutdown(p->r.side.ep);
		if (p->evil && one_of(200))
			break;
	}
	if (p->evil)
		return true;
	well = peer_ends_well(p);
	if (!well)
		printf("# a peer that keeps the rules: ended %d, result %d (%s), %u answers due\n", p->r.side.ended,
		       p->r.side.result, p->r.side.why, p->nr_reads);
	return well;
}

static bool play_round(struct peer *p)
{
	const uint64_t start = now();
	unsigned int lane;
	bool well;

	prepare_last_words();
	start_random(1000000ull + round_number);
	well = play(p);
	accepting = NULL;
	/* One lane may end before the other. */
	lane = below(3);
	if (lane)
		raw_hang_up(lane == 1 ? &p->r.control : &p->r.payload);
	if (one_of(2))
		pump(0);
	if (!raw_end(&p->r)) {
		printf("# the end was not heard\n");
		well = false;
	}
	if (!unharmed() || !good() || (round_number % 16 == 0 && !good_new())) {
		printf("# harm, or others are not served\n");
		well = false;
	}
	if (now() - start > 20 * SECOND) {
		printf("# it took %llu s\n", (unsigned long long)((now() - start) / SECOND));
		well = false;
	}
	if (!well)
		printf("# round %u, -s %llu\n", round_number, seed);
	return well;
}

int main(int argc, char **argv)
{
	static struct peer p;
	uint64_t seconds = 10, until;
	bool well = true;
	int option, only = -1;

	seed = now();
	while ((option = getopt(argc, argv, "s:t:n:")) != -1) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			seconds = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			only = atoi(optarg);
			break;
		default:
			fprintf(stderr, "endpoint_fuzz [-s SEED] [-t SECONDS] [-n ROUND]\n");
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	prepare_last_words();
	signal(SIGALRM, stuck);
	signal(SIGABRT, stuck);
	signal(SIGBUS, stuck);
	open_library();
	if (only >= 0) {
		loud = true;
		round_number = only;
		printf("TAP version 13\n1..1\n");
		ok(play_round(&p), "round %d", only);
		return failed != 0;
	}
	printf("TAP version 13\n1..5\n# -s %llu\n", seed);
	test_parser();
	for (until = now() + seconds * SECOND; well && now() < until; round_number++) {
		alarm(60 * atoi(getenv("LAB_SLOWER") ?: "1"));
		well = play_round(&p);
	}
	ok(well, "peers that say anything (-s %llu: %u rounds, %llu faults in them)", seed, round_number, faults);
	ok(good() && good_new(), "and the domain is what it was");
	close_library();
	return failed != 0;
}

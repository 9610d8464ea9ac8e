// SPDX-License-Identifier: GPL-2.0
/*
 * What is received in place, and other things beside it; every byte is looked at, and those beside the buffers.
 *
 * in_place_mix send PORT COUNT SIZE
 * in_place_mix receive HOST PORT DEVICE QUEUE MEMORY COUNT SIZE WINDOW reads|unbuffered|short|two
 *
 * COUNT messages of SIZE bytes come from PORT, into WINDOW buffers.
 * reads: and as many are read from the peer, into every second of the buffers.
 * unbuffered: every second message has no buffer, and is looked at where it came.
 * short: the buffers are shorter than the messages, and keep what fits.
 * two: half way a second endpoint, from PORT + 1, gets half of the buffers.
 */
#include "in_place.h"

#define READABLE	16u	/* parts of SIZE bytes of the sender's that are read, again and again */
#define READ_SEED	1000000u
#define WINDOW_MOST	32u

enum kind { MESSAGE, READ, UNBUFFERED };

struct slot {
	struct netgpu_ep *ep;
	enum kind kind;
	unsigned int number;		/* of what was requested last */
};

/* One endpoint, and its peer. */
struct side {
	struct netgpu_ep *ep;
	uint64_t key;			/* of what can be read there */
	unsigned int messages, reads;	/* requested */
	unsigned int done;
};

static struct slot slots[WINDOW_MOST];
static struct side sides[2];
static struct netgpu_mr *mr;
static char *bytes;			/* of that */
static uint64_t size, room, stride;
static unsigned int bad;

/* ------------------------------------------------------------------ send */

static void run_sender(int port)
{
	const unsigned int most = 32;
	struct netgpu_listener *listener;
	unsigned int i, posted = 0;
	struct netgpu_mr *readable;
	struct netgpu_event e;
	struct netgpu_ep *ep;
	uint64_t key;
	char *memory = malloc(size * most + size * READABLE);

	must(memory != NULL, "memory");
	for (i = 0; i < READABLE; i++)
		fill(memory + size * (most + i), size, READ_SEED + i);
	must(!netgpu_mr_open(domain, NULL, (uintptr_t)memory + size * most, size * READABLE, NETGPU_MR_REMOTE_READ, &readable),
	     "mr");
	key = netgpu_mr_key(readable);
	ep = accept_one(port, &key, sizeof(key), &listener);
	for (i = 0; ;) {
		for (; posted < nr_messages && posted < i + most; posted++) {
			char *from = memory + size * (posted % most);
			struct netgpu_msg m = { .mr = netgpu_mr_process(domain), .offset = (uintptr_t)from, .length = size };

			fill(from, size, posted);
			must(!netgpu_ep_send(ep, &m), "send");
		}
		e = next();
		if (e.kind == NETGPU_EVENT_ENDED)
			break;
		i += !e.result;
	}
	printf("sent %u, ended %d\n", i, e.result);
	netgpu_ep_close(ep);
	netgpu_listener_close(listener);
	must(!netgpu_mr_close(readable), "mr");
	free(memory);
}

/* --------------------------------------------------------------- receive */

static uint64_t place_of(const struct slot *s)
{
	return stride * (s - slots) + GUARD;
}

static struct side *side_of(const struct netgpu_ep *ep)
{
	return &sides[ep == sides[1].ep];
}

/* The next of the slot's kind; false when there is none left. */
static bool request(struct slot *s)
{
	struct side *side = side_of(s->ep);
	struct netgpu_msg m = {
		.mr = mr, .offset = place_of(s), .length = size, .remote_key = side->key, .user = s,
	};

	if (s->kind == READ) {
		if (side->reads == nr_messages)
			return false;
		s->number = READ_SEED + side->reads++ % READABLE;
		m.remote_offset = size * (s->number - READ_SEED);
		must(!netgpu_ep_read(s->ep, &m), "read");
		return true;
	}
	if (side->messages == nr_messages)
		return false;
	s->number = side->messages++;
	if (s->kind == UNBUFFERED)
		must(!netgpu_ep_recv(s->ep, NULL, 0, size, s, NETGPU_MSG_NO_BUFFER), "recv");
	else
		must(!netgpu_ep_recv(s->ep, mr, place_of(s), room, s, 0), "recv");
	return true;
}

static bool extents_are_right(const struct netgpu_message *m, unsigned int number)
{
	static char *message;
	uint64_t at = 0, done, n;
	unsigned int i;

	if (!message)
		message = malloc(size);
	must(message != NULL, "memory");
	for (i = 0; i < m->count; i++) {
		const struct netgpu_extent *x = &m->extents[i];

		for (done = 0; done < x->length; done += n, at += n) {
			n = x->length - done < x->piece ? x->length - done : x->piece;
			memcpy(message + at, (const char *)x->data + done / x->piece * x->stride, n);
		}
	}
	return at == size && is_right(message, size, number);
}

/* What was requested is right, and nothing beside its buffer was touched; the buffer is a guard then. */
static void look_at(const struct slot *s, const struct netgpu_event *e)
{
	const uint64_t fits = s->kind == MESSAGE ? room : size;
	char *at = bytes + place_of(s);

	must(e->result == (fits < size ? -EMSGSIZE : 0), "the result");
	if (s->kind == UNBUFFERED) {
		bad += !e->message || !extents_are_right(e->message, s->number);
		must(!e->message || !netgpu_message_release(domain, e->message), "release");
		memset(at, 0x5a, size);
		return;
	}
	bad += !is_right(at, fits, s->number) || at[fits] != 0x5a || !is_guard(at - GUARD) || !is_guard(at + stride - GUARD);
	bad += e->dropped != size - fits;
	memset(at, 0x5a, size);
}

static void join(unsigned int i, const char *host, int port)
{
	struct side *side = &sides[i];
	struct netgpu_event e;
	char text[16];

	snprintf(text, sizeof(text), "%d", port + i);
	must(!netgpu_ep_open(domain, NULL, &side->ep), "open");
	start_to(side->ep, host, text);
	for (;;) {
		e = next();
		if (e.kind == NETGPU_EVENT_CONNECTED)
			break;
		/* of the other, meanwhile */
		must(i && e.kind == NETGPU_EVENT_RECEIVED, "connected");
		look_at(e.user, &e);
		sides[0].done++;
		request(e.user);
	}
	must(e.length == sizeof(side->key), "the key");
	memcpy(&side->key, e.data, sizeof(side->key));
}

static unsigned int expected_of(const struct side *side, bool reads)
{
	return side->ep ? nr_messages * (1 + reads) : 0;
}

static void run_receiver(char **argv, const char *how)
{
	const bool reads = !strcmp(how, "reads"), unbuffered = !strcmp(how, "unbuffered"), two = !strcmp(how, "two");
	const unsigned int window = atoi(argv[9]);
	struct netgpu_domain_params params = {
		.device = argv[4], .queue = atoi(argv[5]), .flags = NETGPU_DOMAIN_IN_PLACE, .landing_length = 4 << 20,
	};
	struct netgpu_memory *memory;
	struct netgpu_event e;
	unsigned int i, ended;

	room = !strcmp(how, "short") ? size / 3 * 2 : size;
	stride = ((size + 4095) & ~4095ull) + GUARD;
	must(window <= WINDOW_MOST && stride * window + GUARD <= ROOM - params.landing_length, "room for the buffers");
	must(!netgpu_memory_open(argv[6], !strncmp(argv[6], "vfio:", 5) ? 0 : ROOM, &memory), "memory");
	params.landing = memory;
	must(!netgpu_domain_open(&params, &domain), "domain");
	must(!netgpu_mr_open(domain, memory, params.landing_length, ROOM - params.landing_length, NETGPU_MR_IN_PLACE, &mr), "mr");
	bytes = (char *)netgpu_memory_map(memory) + params.landing_length;
	memset(bytes, 0x5a, stride * window + GUARD);
	join(0, argv[2], atoi(argv[3]));
	for (i = 0; i < window; i++) {
		slots[i] = (struct slot) { .ep = sides[0].ep, .kind = i % 2 && reads ? READ : i % 2 && unbuffered ? UNBUFFERED : MESSAGE };
		if (!two || i < window / 2)
			request(&slots[i]);
	}
	while (sides[0].done < expected_of(&sides[0], reads) || sides[1].done < expected_of(&sides[1], reads)) {
		e = next();
		must(e.kind == NETGPU_EVENT_RECEIVED || e.kind == NETGPU_EVENT_READ, "what was requested");
		look_at(e.user, &e);
		side_of(e.ep)->done++;
		request(e.user);
		if (!two || sides[1].ep || sides[0].done != nr_messages / 2)
			continue;
		join(1, argv[2], atoi(argv[3]));
		for (i = window / 2; i < window; i++) {
			slots[i].ep = sides[1].ep;
			request(&slots[i]);
		}
	}
	for (i = 0; i < 1u + two; i++)
		must(!netgpu_ep_shutdown(sides[i].ep), "shutdown");
	for (ended = 0; ended < 1u + two; ended++) {
		e = next();
		bad += e.kind != NETGPU_EVENT_ENDED || e.result;
	}
	for (i = 0; i < 1u + two; i++)
		netgpu_ep_close(sides[i].ep);
	for (i = 0; i <= window; i++)
		bad += !is_guard(bytes + stride * i);
	print_stats();
	must(!netgpu_mr_close(mr), "mr");
	netgpu_domain_close(domain);
	netgpu_memory_close(memory);
	ok(!bad, "%u and %u are right, and nothing is beside them", sides[0].done, sides[1].done);
}

int main(int argc, char **argv)
{
	struct netgpu_domain_params none = { 0 };
	const bool receives = argc == 11 && !strcmp(argv[1], "receive");

	setvbuf(stdout, NULL, _IONBF, 0);
	alarm(200 * atoi(getenv("LAB_SLOWER") ?: "1"));
	if (!receives && (argc != 5 || strcmp(argv[1], "send"))) {
		fprintf(stderr, "usage: in_place_mix send PORT COUNT SIZE | receive HOST PORT DEVICE QUEUE MEMORY COUNT SIZE WINDOW HOW\n");
		return 2;
	}
	nr_messages = atoi(argv[receives ? 7 : 3]);
	parse_sizes(argv[receives ? 8 : 4]);
	size = largest;
	expected = malloc(size + 8);
	must(expected != NULL, "memory");
	if (receives) {
		run_receiver(argv, argv[10]);
	} else {
		must(!netgpu_domain_open(&none, &domain), "domain");
		run_sender(atoi(argv[2]));
		netgpu_domain_close(domain);
	}
	return failed != 0;
}

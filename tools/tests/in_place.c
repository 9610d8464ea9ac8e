// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that are received in place: one program sends, in host memory, and the other posts buffers and looks at every byte, and at
 * those beside the buffers.
 *
 * in_place send PORT COUNT SIZES
 * in_place receive HOST PORT DEVICE QUEUE MEMORY COUNT SIZES WINDOW [abort|again|odd|[kept-]gone|[kept-]revoked|kept]
 * in_place sink PORT SIZES
 * in_place source HOST PORT DEVICE QUEUE MEMORY COUNT SIZES WINDOW [gone|revoked]
 *
 * COUNT messages, of SIZES bytes in turn (numbers, with commas between them); WINDOW buffers are posted at once.
 * abort: after half of them the endpoint is aborted, and nothing may be written into the buffers afterwards.
 * again: then another endpoint receives as many from PORT + 1, into other buffers, and these are not written to.
 * odd: the buffers do not begin with a page.
 * kept: the mr is not one to be received into in place.
 * gone: the network device or the peer is going to be taken away. The endpoint ends with an error, what was posted is told of, each once,
 * and all can be closed. revoked: the memory is, and not looked at.
 *
 * source sends out of the memory to a sink, which takes all that comes.
 *
 * Half way the command of IN_PLACE_HALFWAY is run. Of the restarts of the queue, from the abort on, the first IN_PLACE_RESTARTS_FAIL
 * fail; with IN_PLACE_RESTART_ERROR all of them do with that, from the beginning.
 *
 * The one that receives prints how many bytes came in place, how many were moved, and how often the queue was restarted.
 */
#include <liburing.h>
#include <netgpu.h>	/* the kernel's */
#include <stddef.h>

#include "in_place.h"

static struct netgpu_ep *ep;
static bool aborted;

/* In the library's stead: what the driver may say when it is short of memory. */
int io_uring_register_zcrx_ctrl(struct io_uring *ring, struct zcrx_ctrl *ctrl)
{
	const char *error = getenv("IN_PLACE_RESTART_ERROR");
	static int fail = -1;
	__u32 flags;

	if (fail < 0)
		fail = atoi(getenv("IN_PLACE_RESTARTS_FAIL") ?: "0");
	memcpy(&flags, (char *)&ctrl->zc_flush + offsetof(struct netgpu_zcrx_take_back, flags), sizeof(flags));
	if (ctrl->op == NETGPU_ZCRX_CTRL_TAKE_BACK && flags & NETGPU_ZCRX_TAKE_BACK_RESTART) {
		if (error)
			return -atoi(error);
		if (aborted && fail) {
			fail--;
			return -ENOMEM;
		}
	}
	return io_uring_register(ring->ring_fd, IORING_REGISTER_ZCRX_CTRL, ctrl, 0);
}

static void run_sender(int port)
{
	const unsigned int slots = 64;
	struct netgpu_listener *listener;
	unsigned int i, posted = 0;
	struct netgpu_event e;
	char *memory = malloc((largest + 1) * slots);

	must(memory != NULL, "memory");
	ep = accept_one(port, NULL, 0, &listener);
	for (i = 0; ;) {
		for (; posted < nr_messages && posted < i + slots; posted++) {
			char *from = memory + largest * (posted % slots);
			struct netgpu_msg m = {
				.mr = netgpu_mr_process(domain), .offset = (uintptr_t)from, .length = sizes[posted % nr_sizes],
			};

			fill(from, m.length, posted);
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
	free(memory);
}

static void run_sink(int port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	const unsigned int slots = 32;
	struct netgpu_listener *listener;
	struct netgpu_event e;
	uint64_t bytes = 0;
	uintptr_t i;
	char *memory = malloc(largest * slots);

	must(memory != NULL, "memory");
	must(!netgpu_listen(domain, (struct sockaddr *)&any, sizeof(any), NULL, &listener), "listen");
	e = next();
	must(e.kind == NETGPU_EVENT_REQUEST, "a request");
	ep = e.ep;
	for (i = 0; i < slots; i++)
		must(!netgpu_ep_recv(ep, netgpu_mr_process(domain), (uintptr_t)memory + largest * i, largest, (void *)i, 0), "recv");
	must(!netgpu_ep_accept(ep, NULL, 0), "accept");
	for (;;) {
		e = next();
		if (e.kind == NETGPU_EVENT_ENDED)
			break;
		if (e.kind != NETGPU_EVENT_RECEIVED || e.result)
			continue;
		bytes += e.length;
		i = (uintptr_t)e.user;
		netgpu_ep_recv(ep, netgpu_mr_process(domain), (uintptr_t)memory + largest * i, largest, e.user, 0);
	}
	printf("sunk %llu, ended %d\n", (unsigned long long)bytes, e.result);
	netgpu_ep_close(ep);
	netgpu_listener_close(listener);
	free(memory);
}

/* Until nothing comes any more, and a while longer. */
static void drain(void)
{
	struct netgpu_event e;

	while (netgpu_domain_wait(domain, &e, 1, 1000000000) == 1)
		;
}

static void connect_to(const char *host, const char *port)
{
	start_to(ep, host, port);
	must(next().kind == NETGPU_EVENT_CONNECTED, "connected");
}

/* It ends with an error, and @pending requests with it; how many events were wrong. */
static unsigned int hear_the_end(unsigned int kind, unsigned int pending)
{
	unsigned int bad = 0;
	struct netgpu_event e;

	for (;;) {
		e = next();
		if (e.kind == NETGPU_EVENT_ENDED)
			break;
		bad += e.kind != kind;
		pending -= e.kind == kind;
	}
	printf("ended %d, left %u\n", e.result, pending);
	return bad + pending + !e.result;
}

static void run_source(char **argv, const char *how)
{
	const unsigned int window = atoi(argv[9]);
	const bool gone = *how;
	struct netgpu_domain_params params = { .device = argv[4], .queue = atoi(argv[5]), .landing_length = 4 << 20 };
	unsigned int posted = 0, done = 0, bad = 0;
	struct netgpu_memory *memory;
	struct netgpu_event e;
	struct netgpu_mr *mr;
	bool ended = false;

	must(window && largest * window <= ROOM - params.landing_length, "room for the messages");
	must(!netgpu_memory_open(argv[6], !strncmp(argv[6], "vfio:", 5) ? 0 : ROOM, &memory), "memory");
	params.landing = memory;
	must(!netgpu_domain_open(&params, &domain), "domain");
	must(!netgpu_mr_open(domain, memory, params.landing_length, ROOM - params.landing_length, 0, &mr), "mr");
	must(!netgpu_ep_open(domain, NULL, &ep), "open");
	connect_to(argv[2], argv[3]);
	while (done < nr_messages && !ended) {
		for (; posted < nr_messages && posted < done + window; posted++) {
			struct netgpu_msg m = {
				.mr = mr, .offset = largest * (posted % window), .length = sizes[posted % nr_sizes],
			};

			if (netgpu_ep_send(ep, &m))
				break;		/* it has ended, of which there is an event */
		}
		e = next();
		ended = e.kind == NETGPU_EVENT_ENDED;
		if (e.kind == NETGPU_EVENT_SENT && !e.result)
			done++;
		else if (e.kind == NETGPU_EVENT_SENT)
			break;
	}
	if (gone) {
		bad = ended ? 1 : done == nr_messages || hear_the_end(NETGPU_EVENT_SENT, posted - done - 1);
	} else {
		must(!netgpu_ep_shutdown(ep), "shutdown");
		e = next();
		bad = e.kind != NETGPU_EVENT_ENDED || e.result;
	}
	netgpu_ep_close(ep);
	ok(!bad, "%u messages were sent, and the end was told", done);
	must(!netgpu_mr_close(mr), "mr");
	netgpu_domain_close(domain);
	netgpu_memory_close(memory);
}

/* Buffers, each with a guard before and behind it, from byte @base of the mr on. */
struct buffers {
	struct netgpu_mr *mr;
	char *bytes;		/* of the mr */
	uint64_t base, stride;
	unsigned int window, odd, posted, done;
};

static uint64_t place_of(const struct buffers *b, unsigned int number)
{
	return b->base + b->stride * (number % b->window) + GUARD + b->odd;
}

static bool post(struct buffers *b)
{
	if (netgpu_ep_recv(ep, b->mr, place_of(b, b->posted), sizes[b->posted % nr_sizes], NULL, 0))
		return false;
	b->posted++;
	return true;
}

static bool are_guards(const struct buffers *b)
{
	uint64_t i;

	for (i = 0; i < b->stride * b->window + GUARD; i += GUARD)
		if (!is_guard(b->bytes + b->base + i))
			return false;
	return true;
}

static void set_guards(const struct buffers *b)
{
	memset(b->bytes + b->base, 0x5a, b->stride * b->window + GUARD);
}

/* A message is right, and nothing beside its buffer was touched; the buffer is a guard then. */
static bool look_at(const struct buffers *b, unsigned int number)
{
	char *at = b->bytes + place_of(b, number);
	const uint64_t length = sizes[number % nr_sizes];
	bool right = is_right(at, length, number) && is_guard(at - b->odd - GUARD) && at[-1] == 0x5a && at[length] == 0x5a &&
		     is_guard(b->bytes + b->base + b->stride * (number % b->window + 1));

	memset(at, 0x5a, length);
	return right;
}

/* Runs what IN_PLACE_HALFWAY says: the world changes. */
static void halfway(void)
{
	const char *command = getenv("IN_PLACE_HALFWAY");

	if (!command)
		return;
	/* NOLINTNEXTLINE(clang-analyzer-optin.taint.GenericTaint): to run it is what it is for */
	must(!system(command), command);
}

/* Messages from there, @until so many have come, or with @gone one fails; how many were wrong. */
static unsigned int receive(struct buffers *b, const char *host, const char *port, unsigned int until, bool gone, bool looks)
{
	unsigned int bad = 0;
	struct netgpu_event e;

	must(!netgpu_ep_open(domain, NULL, &ep), "open");
	while (b->posted < b->window && b->posted < nr_messages)
		must(post(b), "recv");
	connect_to(host, port);
	for (b->done = 0; b->done < until; b->done++) {
		e = next();
		if (gone && e.kind == NETGPU_EVENT_RECEIVED && e.result)
			break;
		must(e.kind == NETGPU_EVENT_RECEIVED && !e.result && e.length == sizes[b->done % nr_sizes], "a message");
		bad += looks && !look_at(b, b->done);
		if (b->posted < nr_messages)
			must(post(b) || gone, "recv");
		if (b->done == until / 2)
			halfway();
	}
	return bad;
}

static unsigned int shut_down(void)
{
	struct netgpu_event e;

	must(!netgpu_ep_shutdown(ep), "shutdown");
	e = next();
	return e.kind != NETGPU_EVENT_ENDED || e.result;
}

/* What was posted is the program's again, which makes guards of it. */
static unsigned int abort_it(const struct buffers *b)
{
	unsigned int canceled = 0;
	struct netgpu_event e;

	aborted = true;
	must(!netgpu_ep_abort(ep), "abort");
	do {
		e = next();
		canceled += e.kind == NETGPU_EVENT_RECEIVED && e.result == -ECANCELED;
	} while (e.kind != NETGPU_EVENT_ENDED);
	set_guards(b);
	printf("canceled %u\n", canceled);
	return !canceled;
}

static void run_receiver(char **argv, const char *how)
{
	const bool revoked = strstr(how, "revoked") != NULL, gone = revoked || strstr(how, "gone") != NULL;
	const bool again = !strcmp(how, "again"), aborts = again || !strcmp(how, "abort");
	struct netgpu_domain_params params = {
		.device = argv[4], .queue = atoi(argv[5]), .flags = NETGPU_DOMAIN_IN_PLACE, .landing_length = 4 << 20,
	};
	struct buffers b = { .window = atoi(argv[9]), .odd = !strcmp(how, "odd") ? 1000 : 0 }, other;
	const uint64_t start = params.landing_length;
	struct netgpu_memory *memory;
	unsigned int bad;
	char next_port[16];

	b.stride = ((largest + b.odd + 4095) & ~4095ull) + GUARD;
	must((b.stride * b.window + GUARD) * (1 + again) <= ROOM - start, "room for the buffers");
	must(!netgpu_memory_open(argv[6], !strncmp(argv[6], "vfio:", 5) ? 0 : ROOM, &memory), "memory");
	params.landing = memory;
	must(!netgpu_domain_open(&params, &domain), "domain");
	must(!netgpu_mr_open(domain, memory, start, ROOM - start, strncmp(how, "kept", 4) ? NETGPU_MR_IN_PLACE : 0, &b.mr), "mr");
	b.bytes = (char *)netgpu_memory_map(memory) + start;
	set_guards(&b);
	bad = receive(&b, argv[2], argv[3], aborts ? nr_messages / 2 : nr_messages, gone, !revoked);
	if (gone) {
		bad += b.done == nr_messages || hear_the_end(NETGPU_EVENT_RECEIVED, b.posted - b.done - 1);
		if (!revoked)
			set_guards(&b);
	} else {
		bad += aborts ? abort_it(&b) : shut_down();
	}
	netgpu_ep_close(ep);
	if (again) {
		other = b;
		other.base = b.stride * b.window + GUARD;
		other.posted = 0;
		set_guards(&other);
		snprintf(next_port, sizeof(next_port), "%d", atoi(argv[3]) + 1);
		bad += receive(&other, argv[2], next_port, nr_messages, false, true) + shut_down() + !are_guards(&other);
		netgpu_ep_close(ep);
	}
	drain();
	bad += !revoked && !are_guards(&b);
	print_stats();
	printf("bad %u\n", bad);
	must(!netgpu_mr_close(b.mr), "mr");
	netgpu_domain_close(domain);
	netgpu_memory_close(memory);
	ok(!bad, "%u messages are right, and nothing is beside them", b.done);
}

int main(int argc, char **argv)
{
	struct netgpu_domain_params none = { 0 };

	setvbuf(stdout, NULL, _IONBF, 0);
	alarm(200 * atoi(getenv("LAB_SLOWER") ?: "1"));
	if (argc == 5 && !strcmp(argv[1], "send")) {
		nr_messages = atoi(argv[3]);
		parse_sizes(argv[4]);
		must(!netgpu_domain_open(&none, &domain), "domain");
		run_sender(atoi(argv[2]));
		netgpu_domain_close(domain);
		return failed != 0;
	}
	if (argc == 4 && !strcmp(argv[1], "sink")) {
		parse_sizes(argv[3]);
		must(!netgpu_domain_open(&none, &domain), "domain");
		run_sink(atoi(argv[2]));
		netgpu_domain_close(domain);
		return 0;
	}
	if (argc < 10 || (strcmp(argv[1], "receive") && strcmp(argv[1], "source"))) {
		fprintf(stderr, "usage: in_place send PORT COUNT SIZES | sink PORT SIZES | "
				"receive|source HOST PORT DEVICE QUEUE MEMORY COUNT SIZES WINDOW [HOW]\n");
		return 2;
	}
	nr_messages = atoi(argv[7]);
	parse_sizes(argv[8]);
	expected = malloc(largest + 8);
	must(expected != NULL, "memory");
	if (!strcmp(argv[1], "source"))
		run_source(argv, argc == 11 ? argv[10] : "");
	else
		run_receiver(argv, argc == 11 ? argv[10] : "");
	return failed != 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Two endpoints that try everything with each other, each in a program of its own: one listens, in host memory, and the other
 * connects, in whatever memory it is told.  Both look at every byte, and at those beside them.  The one that connects prints KTAP.
 *
 * endpoint_peer listen PORT
 * endpoint_peer connect HOST PORT [DEVICE QUEUE MEMORY]
 *
 * MEMORY "slow" is udmabuf's, moved by a copier that takes its time; "slow:N": and that fails at the Nth order;
 * "slow-abort": it is held up, and the endpoint aborted.
 * Built for amdgpu MEMORY is also "sdma:NODE": that GPU's, whose DMA engine moves what has arrived.
 * Built with Vulkan MEMORY is also "vulkan": that of the first GPU, which then moves what has arrived.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetgpu_endpoint.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef WITH_VULKAN
#include <libnetgpu_vulkan.h>
#endif
#ifdef WITH_AMDGPU
#include <libnetgpu_amdgpu.h>
#endif

#include "ktap.h"
#include "slow_copier.h"

#define LANDING	(32ull << 20)
#define SIZE	(96ull << 20)
#define GUARD	64ull
#define LONG	120000000000ll	/* ns */
#define SMALL		400	/* messages that the program keeps */
#define SMALL_BYTES	300ull
#define NOTES	4096		/* of the memory: what the programs tell each other */

enum what { NOTHING, CHECK_RECEIVED, SEND_BACK, CHECK_WRITTEN, WRITE_BACK, READ_BACK, ALTERNATE, WELL, BAD };

/* What one side asks of the other; its answer is WELL or BAD. */
struct note {
	uint32_t what;
	uint32_t seed;
	uint64_t length;
	uint64_t offset;
	uint64_t key;
};

static struct netgpu_domain *domain;
static struct netgpu_memory *memory;
static struct netgpu_mr *mr;
static struct netgpu_ep *ep;
static char *bytes;		/* of the mr */

static uint8_t byte_at(uint64_t i, uint32_t seed)
{
	return (i * 2654435761u >> 13) + i + seed;
}

static void fill(uint64_t offset, uint64_t length, uint32_t seed)
{
	static uint8_t block[1 << 16];
	uint64_t i, n, done;

	for (done = 0; done < length; done += n) {
		n = length - done < sizeof(block) ? length - done : sizeof(block);
		for (i = 0; i < n; i++)
			block[i] = byte_at(done + i, seed);
		memcpy(bytes + offset + done, block, n);
	}
}

static void surround(uint64_t offset, uint64_t length)
{
	memset(bytes + offset - GUARD, 0x5a, GUARD);
	memset(bytes + offset, 0xa5, length);
	memset(bytes + offset + length, 0x5a, GUARD);
}

static bool lies(uint64_t offset, uint64_t length, uint32_t seed)
{
	uint64_t i;

	for (i = 0; i < length; i++) {
		if ((uint8_t)bytes[offset + i] != byte_at(i, seed)) {
			printf("# byte %llu of %llu is %#x\n", (unsigned long long)i, (unsigned long long)length,
			       (uint8_t)bytes[offset + i]);
			return false;
		}
	}
	for (i = 1; i <= GUARD; i++)
		if (bytes[offset - i] != 0x5a || bytes[offset + length + i - 1] != 0x5a)
			return false;
	return true;
}

/* The next event, which must be of this kind, and well. */
static struct netgpu_event next(unsigned int kind)
{
	struct netgpu_event e = { 0 };
	int n = netgpu_domain_wait(domain, &e, 1, LONG);

	if (n != 1 || e.kind != kind || e.result) {
		printf("# event %u, %d (%s): expected %u\n", n == 1 ? e.kind : 0, n == 1 ? e.result : n, netgpu_error(), kind);
		must(false, "another event was expected");
	}
	return e;
}

static struct netgpu_msg msg(uint64_t offset, uint64_t length)
{
	return (struct netgpu_msg) { .mr = mr, .offset = offset, .length = length, .flags = NETGPU_MSG_SILENT };
}

static void tell(struct note note)
{
	struct netgpu_msg m = {
		.inject = &note, .length = sizeof(note), .flags = NETGPU_MSG_INJECT | NETGPU_MSG_SILENT,
	};

	note.key = netgpu_mr_key(mr);
	must(!netgpu_ep_send(ep, &m), "send");
}

static void post_note(void)
{
	must(!netgpu_ep_recv(ep, mr, 0, NOTES, NULL, 0), "recv");
}

/* There is a buffer for it. */
static struct note hear(void)
{
	struct note note;

	next(NETGPU_EVENT_RECEIVED);
	memcpy(&note, bytes, sizeof(note));
	return note;
}

/* ---------------------------------------------------------------- who listens */

static bool serve(const struct note *n)
{
	struct netgpu_msg m;
	unsigned int i;

	switch (n->what) {
	case CHECK_RECEIVED:
		surround(n->offset, n->length);
		must(!netgpu_ep_recv(ep, mr, n->offset, n->length, NULL, 0), "recv");
		next(NETGPU_EVENT_RECEIVED);
		return lies(n->offset, n->length, n->seed);
	case SEND_BACK:
		fill(n->offset, n->length, n->seed);
		m = msg(n->offset, n->length);
		must(!netgpu_ep_send(ep, &m), "send");
		return true;
	case CHECK_WRITTEN:
		return lies(n->offset, n->length, n->seed);
	case WRITE_BACK:
		fill(n->offset, n->length, n->seed);
		m = msg(n->offset, n->length);
		m.remote_key = n->key;
		m.remote_offset = n->offset;
		m.immediate = n->seed;
		m.flags = NETGPU_MSG_IMMEDIATE;
		must(!netgpu_ep_write(ep, &m), "write");
		next(NETGPU_EVENT_WRITTEN);
		return true;
	case ALTERNATE:
		/* Small messages, and many bytes beside each. */
		fill(n->offset, n->length, n->seed);
		for (i = 0; i < SMALL; i++) {
			m = msg(n->offset, SMALL_BYTES);
			must(!netgpu_ep_send(ep, &m), "send");
			m = msg(n->offset, n->length);
			m.remote_key = n->key;
			m.remote_offset = n->offset;
			must(!netgpu_ep_write(ep, &m), "write");
		}
		return true;
	case READ_BACK:
		surround(n->offset, n->length);
		m = msg(n->offset, n->length);
		m.remote_key = n->key;
		m.remote_offset = n->offset;
		m.flags = 0;
		must(!netgpu_ep_read(ep, &m), "read");
		next(NETGPU_EVENT_READ);
		return lies(n->offset, n->length, n->seed);
	default:
		return false;
	}
}

static void run_listener(int port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct netgpu_listener *listener;
	struct netgpu_event e;
	int n;

	must(!netgpu_listen(domain, (struct sockaddr *)&any, sizeof(any), NULL, &listener), "listen");
	printf("listening\n");
	e = next(NETGPU_EVENT_REQUEST);
	ep = e.ep;
	post_note();
	must(!netgpu_ep_accept(ep, NULL, 0), "accept");
	next(NETGPU_EVENT_CONNECTED);
	for (;;) {
		struct note note;

		e.kind = 0;
		n = netgpu_domain_wait(domain, &e, 1, LONG);
		if (n == 1 && e.kind == NETGPU_EVENT_ENDED) {
			printf("ended %d\n", e.result);
			break;
		}
		if (n == 1 && e.kind == NETGPU_EVENT_RECEIVED && e.result == -ECANCELED)
			continue;
		if (n != 1 || e.kind != NETGPU_EVENT_RECEIVED || e.result || e.length != sizeof(note))
			printf("# event %u, %d, %llu bytes\n", e.kind, n == 1 ? e.result : n, (unsigned long long)e.length);
		must(n == 1 && e.kind == NETGPU_EVENT_RECEIVED && !e.result && e.length == sizeof(note), "note");
		memcpy(&note, bytes, sizeof(note));
		note.what = serve(&note) ? WELL : BAD;
		post_note();
		tell(note);
	}
	netgpu_ep_close(ep);
	netgpu_listener_close(listener);
}

/* --------------------------------------------------------------- who connects */

static const uint64_t sizes[] = { 0, 1, 255, 257, 4095, 4096, 100003, 1 << 20, (8 << 20) + 5 };
#define SIZES (sizeof(sizes) / sizeof(*sizes))

static uint64_t remote_key;

static bool answered_well(void)
{
	struct note note = hear();

	remote_key = note.key;
	return note.what == WELL;
}

static struct note note_of(enum what what, uint64_t length, uint32_t seed)
{
	return (struct note) { .what = what, .seed = seed, .length = length, .offset = NOTES + 1000 + length % 7 };
}

static bool try_send(uint64_t length)
{
	struct note n = note_of(CHECK_RECEIVED, length, length + 1);
	struct netgpu_msg m = msg(n.offset, length);

	fill(n.offset, length, n.seed);
	post_note();
	tell(n);
	must(!netgpu_ep_send(ep, &m), "send");
	return answered_well();
}

static bool try_receive(uint64_t length)
{
	struct note n = note_of(SEND_BACK, length, length + 2);

	surround(n.offset, length);
	must(!netgpu_ep_recv(ep, mr, n.offset, length, NULL, 0), "recv");
	post_note();
	tell(n);
	next(NETGPU_EVENT_RECEIVED);
	return answered_well() && lies(n.offset, length, n.seed);
}

static bool try_write(uint64_t length)
{
	struct note n = note_of(CHECK_WRITTEN, length, length + 3);
	struct netgpu_msg m = msg(n.offset, length);

	fill(n.offset, length, n.seed);
	/* The bytes beside it are what the last test has left there: written, too. */
	memset(bytes + n.offset - GUARD, 0x5a, GUARD);
	memset(bytes + n.offset + length, 0x5a, GUARD);
	m.offset -= GUARD;
	m.length += 2 * GUARD;
	m.remote_key = remote_key;
	m.remote_offset = n.offset - GUARD;
	m.flags = 0;
	must(!netgpu_ep_write(ep, &m), "write");
	next(NETGPU_EVENT_WRITTEN);
	post_note();
	tell(n);
	return answered_well();
}

static bool try_read(uint64_t length)
{
	struct note n = note_of(SEND_BACK, length, length + 4);
	struct netgpu_msg m = msg(n.offset, length);

	/* It is there since it was sent. */
	must(!netgpu_ep_recv(ep, mr, n.offset, length, NULL, 0), "recv");
	post_note();
	tell(n);
	next(NETGPU_EVENT_RECEIVED);
	if (!answered_well())
		return false;
	surround(n.offset, length);
	m.remote_key = remote_key;
	m.remote_offset = n.offset;
	m.flags = 0;
	must(!netgpu_ep_read(ep, &m), "read");
	next(NETGPU_EVENT_READ);
	return lies(n.offset, length, n.seed);
}

static bool be_written(uint64_t length)
{
	struct note n = note_of(WRITE_BACK, length, length + 5);
	struct netgpu_event e;

	surround(n.offset, length);
	post_note();
	tell(n);
	e = next(NETGPU_EVENT_IMMEDIATE);
	return e.immediate == n.seed && e.length == length && lies(n.offset, length, n.seed) && answered_well();
}

static bool be_read(uint64_t length)
{
	struct note n = note_of(READ_BACK, length, length + 6);

	fill(n.offset, length, n.seed);
	post_note();
	tell(n);
	return answered_well();
}

/* All of a message that was received without a buffer, and where it says; *@landed of its bytes are in landing memory. */
static bool has_come(const struct netgpu_message *m, uint64_t length, uint32_t seed, uint64_t *landed)
{
	uint64_t at = 0, i;
	unsigned int n;

	for (n = 0; m && n < m->count; n++) {
		const struct netgpu_extent *x = &m->extents[n];

		if (x->memory) {
			*landed += x->length;
			if ((const char *)x->data != (const char *)netgpu_memory_map((struct netgpu_memory *)x->memory) + x->offset)
				return false;
		} else if (x->offset != NETGPU_IN_HOST) {
			return false;
		}
		for (i = 0; i < x->length; i++, at++) {
			const uint8_t *piece = (const uint8_t *)x->data + i / x->piece * x->stride;

			if (at >= length || piece[i % x->piece] != byte_at(at, seed)) {
				printf("# byte %llu of %llu is wrong\n", (unsigned long long)at, (unsigned long long)length);
				return false;
			}
		}
	}
	return at == length;
}

static uint64_t landed;

static bool try_keep(uint64_t length)
{
	struct note n = note_of(SEND_BACK, length, length + 7);
	struct netgpu_event e;
	bool well;

	if (netgpu_ep_recv(ep, NULL, 0, length, NULL, NETGPU_MSG_NO_BUFFER))
		return length > LANDING / 16;
	post_note();
	tell(n);
	e = next(NETGPU_EVENT_RECEIVED);
	well = answered_well() && has_come(e.message, length, n.seed, &landed);
	return well && (!length || !netgpu_message_release(domain, e.message));
}

/* Who holds a 16th of the landing memory, or an eighth, gets no more, and loses nothing. */
static void hold_messages(void)
{
	const struct netgpu_message *held[8];
	const uint64_t length = 1 << 20;
	struct netgpu_event e = { 0 };
	unsigned int i, n = 0;
	bool well = true;

	for (i = 0; i < 8; i++) {
		struct note note = note_of(SEND_BACK, length, i);

		must(!netgpu_ep_recv(ep, NULL, 0, length, NULL, NETGPU_MSG_NO_BUFFER), "recv");
		post_note();
		note.offset += 2 * length * i;	/* the peer has several to send */
		tell(note);
	}
	while (n < 8 && netgpu_domain_wait(domain, &e, 1, n < 2 ? LONG : 1000000000) == 1) {
		if (e.message)
			held[n++] = e.message;
		well &= !e.result;
	}
	ok(well && n >= 2 && n <= 4, "%u of 8 messages are held, and no more come", n);
	for (i = 0; i < 8; i++) {
		/* The answer to one comes before the next. */
		while (n <= i && well) {
			e = next(NETGPU_EVENT_RECEIVED);
			if (e.message)
				held[n++] = e.message;
		}
		well = well && has_come(held[i], length, i, &landed) && !netgpu_message_release(domain, held[i]);
	}
	/* The last one's answer. */
	next(NETGPU_EVENT_RECEIVED);
	ok(well, "given back one by one, all come, and are right");
}

/* Small messages that share their buffers with others' bytes do not keep all of the landing memory. */
static void keep_small(void)
{
	const struct netgpu_message *held[SMALL];
	struct note n = note_of(ALTERNATE, 512 << 10, 7);
	uint64_t stayed = 0;
	unsigned int i;
	bool well = true;

	surround(n.offset, n.length);
	for (i = 0; i < SMALL; i++)
		must(!netgpu_ep_recv(ep, NULL, 0, SMALL_BYTES, NULL, NETGPU_MSG_NO_BUFFER), "recv");
	post_note();
	tell(n);
	for (i = 0; i < SMALL; i++) {
		held[i] = next(NETGPU_EVENT_RECEIVED).message;
		well = well && has_come(held[i], SMALL_BYTES, n.seed, &stayed);
	}
	ok(answered_well() && well && stayed && stayed < SMALL * SMALL_BYTES && lies(n.offset, n.length, n.seed),
	   "%d small messages are held, %llu of their bytes where they landed, and all else comes", SMALL, (unsigned long long)stayed);
	for (i = 0; i < SMALL; i++)
		well &= !netgpu_message_release(domain, held[i]);
	ok(well && try_receive(1 << 20), "and when they are given back");
}

static void try_all(const char *what, bool (*one)(uint64_t length))
{
	uint64_t bad = 0;
	size_t i;

	for (i = 0; i < SIZES; i++)
		if (!one(sizes[i]))
			bad = sizes[i] + 1;
	ok(!bad, "%s%s%llu", what, bad ? ", wrong with bytes: " : ", up to bytes: ",
	   (unsigned long long)(bad ? bad - 1 : sizes[SIZES - 1]));
}

static void connect_to(const char *host, const char *port)
{
	const struct addrinfo want = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	must(!getaddrinfo(host, port, &want, &found), "address");
	must(!netgpu_ep_open(domain, NULL, &ep) &&
	     !netgpu_ep_connect(ep, found->ai_addr, found->ai_addrlen, NULL, 0), "connect");
	freeaddrinfo(found);
	next(NETGPU_EVENT_CONNECTED);
}

static bool slow_is_idle(void)
{
	bool idle;

	pthread_mutex_lock(&slow.lock);
	idle = slow.told == slow.done;
	pthread_mutex_unlock(&slow.lock);
	return idle;
}

static void hold_slow(bool hold)
{
	pthread_mutex_lock(&slow.lock);
	slow.hold = hold;
	pthread_cond_broadcast(&slow.changed);
	pthread_mutex_unlock(&slow.lock);
}

static void *let_go(void *unused)
{
	usleep(1500000);
	hold_slow(false);
	return unused;
}

/* What is given back to the program nobody writes to any more. */
static void abort_while_copying(const char *host, const char *port)
{
	struct note n = note_of(SEND_BACK, 1 << 20, 9);
	struct netgpu_event e[4];
	struct timespec before, after;
	pthread_t thread;
	int i, got, canceled = 0, ended = 0;
	long long ms;

	connect_to(host, port);
	surround(n.offset, n.length);
	hold_slow(true);
	must(!netgpu_ep_recv(ep, mr, n.offset, n.length, NULL, 0), "recv");
	post_note();
	tell(n);
	for (i = 0; slow_is_idle() && i < 1000; i++)
		must(netgpu_domain_wait(domain, e, 4, 20000000) == 0, "nothing is complete");
	must(!slow_is_idle(), "something is being copied");
	must(!pthread_create(&thread, NULL, let_go, NULL), "thread");
	clock_gettime(CLOCK_MONOTONIC, &before);
	must(!netgpu_ep_abort(ep), "abort");
	clock_gettime(CLOCK_MONOTONIC, &after);
	ms = (after.tv_sec - before.tv_sec) * 1000ll + (after.tv_nsec - before.tv_nsec) / 1000000;
	ok(slow_is_idle(), "nothing is being copied after an abort, which took %lld ms", ms);
	pthread_join(thread, NULL);
	while (!ended) {
		got = netgpu_domain_wait(domain, e, 4, LONG);
		must(got > 0, "events");
		for (i = 0; i < got; i++) {
			canceled += e[i].kind == NETGPU_EVENT_RECEIVED && e[i].result == -ECANCELED;
			ended += e[i].kind == NETGPU_EVENT_ENDED && e[i].result == -ECANCELED;
		}
	}
	ok(canceled == 2, "both receives were canceled (%d)", canceled);
	netgpu_ep_close(ep);
	printf("1..2\n");
}

static void run_connector(const char *host, const char *port, bool keeps)
{
	struct netgpu_domain_stats stats;
	struct netgpu_event e;

	connect_to(host, port);
	printf("TAP version 13\n1..%d\n", keeps ? 13 : 7);
	try_all("sent", try_send);
	try_all("received", try_receive);
	try_all("written", try_write);
	try_all("read", try_read);
	try_all("written to by the peer", be_written);
	try_all("read by the peer", be_read);
	if (keeps) {
		try_all("received without a buffer", try_keep);
		hold_messages();
		keep_small();
		ok(landed, "%llu bytes of them have stayed where they landed", (unsigned long long)landed);
	}
	netgpu_domain_get_stats(domain, &stats);
	printf("# in place %llu, moved %llu (%llu by the GPU), inline %llu bytes; %llu control messages\n",
	       (unsigned long long)stats.in_place, (unsigned long long)stats.moved, (unsigned long long)stats.by_copier,
	       (unsigned long long)stats.inlined, (unsigned long long)stats.control);
	must(!netgpu_ep_shutdown(ep), "shutdown");
	e = next(NETGPU_EVENT_ENDED);
	ok(e.result == 0, "an end in order");
	netgpu_ep_close(ep);
}

#ifdef WITH_VULKAN
static struct netgpu_gpu *gpu;

static void open_vulkan(struct netgpu_domain_params *params)
{
	struct netgpu_gpu_buffer *landing, *buffer;

	must(!netgpu_gpu_open(NULL, &gpu) && !netgpu_gpu_alloc(gpu, LANDING, &landing) &&
	     !netgpu_gpu_alloc(gpu, SIZE - LANDING, &buffer) && !netgpu_gpu_copier(gpu, &params->copier), "Vulkan");
	params->landing = netgpu_gpu_buffer_memory(landing);
	memory = netgpu_gpu_buffer_memory(buffer);
}

static void close_memory(void)
{
	if (!gpu)
		netgpu_memory_close(memory);
	netgpu_gpu_close(gpu);
}
#else
static void open_vulkan(struct netgpu_domain_params *params)
{
	(void)params;
	must(false, "this program was built without Vulkan");
}

static void close_memory(void)
{
	netgpu_memory_close(memory);
}
#endif

#ifdef WITH_AMDGPU
static struct netgpu_sdma *sdma;
static struct netgpu_memory *landing_memory;

static void open_sdma(struct netgpu_domain_params *params, const char *node)
{
	must(!netgpu_sdma_open(node, &sdma) && !netgpu_memory_open(node, LANDING, &landing_memory) &&
	     !netgpu_memory_open(node, SIZE - LANDING, &memory) && !netgpu_sdma_add(sdma, landing_memory) &&
	     !netgpu_sdma_add(sdma, memory), "a DMA engine");
	params->landing = landing_memory;
	params->copier = netgpu_sdma_copier(sdma);
}

static void close_sdma(void)
{
	netgpu_sdma_close(sdma);
	netgpu_memory_close(landing_memory);
}
#else
static void open_sdma(struct netgpu_domain_params *params, const char *node)
{
	(void)params;
	(void)node;
	must(false, "this program was built without amdgpu");
}

static void close_sdma(void)
{
}
#endif

int main(int argc, char **argv)
{
	struct netgpu_domain_params params = { 0 };
	uint64_t start = 0;

	if (argc < 3 || (strcmp(argv[1], "listen") && argc != 4 && argc != 7)) {
		fprintf(stderr, "usage: endpoint_peer listen PORT | connect HOST PORT [DEVICE QUEUE MEMORY]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	alarm(240 * atoi(getenv("LAB_SLOWER") ?: "1"));
	if (argc == 7) {
		params.device = argv[4];
		params.queue = atoi(argv[5]);
	}
	if (argc == 7 && !strcmp(argv[6], "vulkan")) {
		open_vulkan(&params);
	} else if (argc == 7 && !strncmp(argv[6], "sdma:", 5)) {
		open_sdma(&params, argv[6] + 5);
	} else {
		const char *kind = argc == 7 ? argv[6] : "host";

		if (!strncmp(kind, "slow", 4)) {
			params.copier = slow_copier(kind[4] == ':' ? atoi(kind + 5) : 0);
			kind = "udmabuf";
		}
		must(!netgpu_memory_open(kind, !strncmp(kind, "vfio:", 5) ? 0 : SIZE, &memory), "memory");
		if (argc == 7) {
			params.landing = memory;
			params.landing_length = start = LANDING;
		}
	}
	must(!netgpu_domain_open(&params, &domain), "domain");
	must(!netgpu_mr_open(domain, memory, start, SIZE - LANDING, NETGPU_MR_REMOTE_READ | NETGPU_MR_REMOTE_WRITE, &mr), "mr");
	bytes = (char *)netgpu_memory_map(memory) + start;
	if (!strcmp(argv[1], "listen"))
		run_listener(atoi(argv[2]));
	else if (argc == 7 && !strcmp(argv[6], "slow-abort"))
		abort_while_copying(argv[2], argv[3]);
	else
		run_connector(argv[2], argv[3], argc == 7 && !params.copier);
	must(!netgpu_mr_close(mr), "mr");
	netgpu_domain_close(domain);
	if (params.copier && slow.copier.copy)
		printf("# orders that were carried out %llu, and put off %u; it has %s\n", (unsigned long long)slow.done, slow.refused,
		       slow.failed ? "failed" : "not failed");
	slow_copier_end();
	close_sdma();
	close_memory();
	return failed != 0;
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* netgpu probe: can a network device receive into the memory of a GPU, and send from it, and how? */
#include <argp.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <libnetgpu.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define HOST_SIZE	(1u << 20)	/* of memory that has no size of its own */

enum { KEY_P2P = 256, KEY_SIZE };

struct probe {
	const char *dev, *gpu;
	long queue;
	uint64_t size;
	bool require_p2p, json;
};

static const char * const wheres[] = { "unknown", "host", "device" };
static const char * const ways[] = { "unknown", "host", "switch", "host-bridge", "iommu" };
static const char * const in_words[] = {
	"on a way that is not known",
	"to host memory",
	"through PCI bridges that both are below",
	"through the host bridge",
	"through the host bridge and the IOMMU",
};

static const struct argp_option options[] = {
	{ "queue", 'q', "N", 0, "Receive queue, counted from 0", 0 },
	{ "gpu", 'g', "MEMORY", 0, "/dev/dri/renderDN, vfio:ADDRESS[,bar=N][,offset=BYTES], dmabuf-fd:N or udmabuf", 0 },
	{ "region-size", KEY_SIZE, "BYTES", 0, "All of the memory is the default; K, M, G", 0 },
	{ "require-p2p", KEY_P2P, NULL, 0, "Refuse host memory", 0 },
	{ "json", 'J', NULL, 0, "Print JSON", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct probe *p = state->input;

	switch (key) {
	case 'q':
		if (parse_number(arg, 0, 65535, &p->queue))
			argp_error(state, "--queue: \"%s\" is not a queue", arg);
		return 0;
	case KEY_SIZE:
		if (parse_size(arg, &p->size))
			argp_error(state, "--region-size: \"%s\" is not a number of bytes", arg);
		return 0;
	case 'g': p->gpu = arg; return 0;
	case KEY_P2P: p->require_p2p = true; return 0;
	case 'J': p->json = true; return 0;
	case ARGP_KEY_ARG:
		if (p->dev)
			argp_error(state, "one network device at a time");
		p->dev = arg;
		return 0;
	case ARGP_KEY_END:
		if (!p->dev)
			argp_error(state, "which network device?");
		if (p->queue < 0)
			argp_error(state, "which receive queue? --queue N");
		if (!p->gpu)
			argp_error(state, "which memory? --gpu MEMORY");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "IFACE",
	.doc = "Can a network device receive into the memory of a GPU, that is write to it, and where would the data land? "
	       "And can it send from there, that is read?\v"
	       "Nothing is bound. The exit status is 0 when it can receive.",
};

static const char *word(const char * const *words, size_t count, unsigned int i)
{
	return words[i < count ? i : 0];
}

static void print_verdict(const char *who, const char *what, const char *memory, int ret,
			  const struct netgpu_verdict *v)
{
	const char *also = v->sentence[0] ? ": " : "";

	if (ret)
		printf("%s cannot %s %s: %s\n", who, what, memory, v->sentence);
	else if (v->where != NETGPU_WHERE_DEVICE)
		printf("%s can %s %s, in host memory%s%s\n", who, what, memory, also, v->sentence);
	else
		printf("%s can %s %s, peer-to-peer %s\n", who, what, memory,
		       word(in_words, ARRAY_SIZE(in_words), v->way));
}

static void print_words(const struct probe *p, const char *memory, int ret,
			const struct netgpu_verdict *v, int send_ret,
			const struct netgpu_verdict *send)
{
	char who[IF_NAMESIZE + 32];

	snprintf(who, sizeof(who), "%s queue %ld", p->dev, p->queue);
	print_verdict(who, "receive into", memory, ret, v);
	if (v->distance >= 0)
		printf("distance %d\n", v->distance);
	if (v->buffer_size)
		printf("buffers of up to %u KiB\n", v->buffer_size / 1024);
	print_verdict(p->dev, "send from", memory, send_ret, send);
	/* What Linux knows of host bridges does not tell one from the other. */
	if (!send_ret && (send->way == NETGPU_WAY_HOST_BRIDGE || send->way == NETGPU_WAY_IOMMU))
		puts("there are host bridges that let a device write to another, and not read: \"netgpu bench -R\" shows it");
}

static void add_verdict(cJSON *o, int ret, const struct netgpu_verdict *v)
{
	cJSON_AddBoolToObject(o, "ok", !ret);
	cJSON_AddStringToObject(o, "error", ret ? strerrorname_np(-ret) : "");
	cJSON_AddStringToObject(o, "placement",
				word(wheres, ARRAY_SIZE(wheres), v->where));
	cJSON_AddStringToObject(o, "path", word(ways, ARRAY_SIZE(ways), v->way));
	if (v->distance >= 0)
		cJSON_AddNumberToObject(o, "distance", v->distance);
	else
		cJSON_AddNullToObject(o, "distance");
	cJSON_AddStringToObject(o, "sentence", v->sentence);
}

/* As ever what is received; what is sent has an object of its own. */
static void print_json(const struct probe *p, const char *memory, int ret,
		       const struct netgpu_verdict *v, int send_ret,
		       const struct netgpu_verdict *send)
{
	cJSON *o = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(o, "iface", p->dev);
	cJSON_AddNumberToObject(o, "queue", p->queue);
	cJSON_AddStringToObject(o, "memory", memory);
	add_verdict(o, ret, v);
	cJSON_AddNumberToObject(o, "buffer_size", v->buffer_size);
	add_verdict(cJSON_AddObjectToObject(o, "send"), send_ret, send);
	text = cJSON_Print(o);
	puts(text ? text : "{}");
	free(text);
	cJSON_Delete(o);
}

static bool sized(const char *spec)
{
	return !strncmp(spec, "vfio:", 5) || !strncmp(spec, "dmabuf-fd:", 10);
}

int cmd_probe(int argc, char **argv)
{
	struct probe p = { .queue = -1 };
	struct netgpu_region_params params = { 0 };
	struct netgpu_verdict verdict, send;
	struct netgpu_memory *memory;
	int ret, send_ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &p))
		return 1;
	params.ifindex = if_nametoindex(p.dev);
	if (!params.ifindex) {
		complain("%s: no such network device here", p.dev);
		return 1;
	}
	if (!p.size && !sized(p.gpu))
		p.size = HOST_SIZE;
	if (netgpu_memory_open(p.gpu, p.size, &memory)) {
		complain("%s", netgpu_error());
		return 1;
	}
	params.queue = p.queue;
	params.flags = p.require_p2p ? NETGPU_REQUIRE_P2P : 0;
	ret = netgpu_probe(memory, &params, &verdict);
	params.queue = 0;
	params.flags |= NETGPU_SEND;
	send_ret = netgpu_probe(memory, &params, &send);
	if (p.json)
		print_json(&p, netgpu_memory_name(memory), ret, &verdict, send_ret, &send);
	else
		print_words(&p, netgpu_memory_name(memory), ret, &verdict, send_ret, &send);
	netgpu_memory_close(memory);
	return ret != 0;
}

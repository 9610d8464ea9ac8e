// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "command.h"
#include "iperf3_wire.h"
#include "options.h"

enum key {
	KEY_ONE_OFF = 0x100, KEY_MODE, KEY_IFACE, KEY_QUEUE, KEY_GPU,
	KEY_REGION_SIZE, KEY_BUFFER_SIZE, KEY_HOLD, KEY_RECORD, KEY_LOGFILE, KEY_NODEV,
	KEY_ALLOW_HOST, KEY_RCV_TIMEOUT, KEY_BIDIR,
};

static const struct argp_option options[] = {
	{ "server", 's', NULL, 0, "Wait for clients, iperf3's or this one's", 0 },
	{ "client", 'c', "HOST", 0, "Test with the server there, iperf3's or this one's", 0 },
	{ "port", 'p', "PORT", 0, "Of the server (5201)", 0 },
	{ "bind", 'B', "HOST", 0, "Listen on this address only", 0 },
	{ "version4", '4', NULL, 0, "IPv4 only", 0 },
	{ "version6", '6', NULL, 0, "IPv6 only", 0 },
	{ "one-off", '1', NULL, 0, "Exit after one test", 0 },
	{ "one_off", KEY_ONE_OFF, NULL, OPTION_HIDDEN, NULL, 0 },
	{ "interval", 'i', "SECONDS", 0, "Between lines (1; 0 for none)", 0 },
	{ "format", 'f', "UNIT", 0, "Of rates: k, m, g, t bits or K, M, G, T bytes", 0 },
	{ "json", 'J', NULL, 0, "Print a JSON document per test, as iperf3 does", 0 },
	{ "logfile", KEY_LOGFILE, "FILE", 0, "Reports go to FILE", 0 },
	{ "rcv-timeout", KEY_RCV_TIMEOUT, "MS", 0,
	  "End a test in which no data has come for so many milliseconds (120000; 0 for never)", 0 },
	{ NULL, 0, NULL, 0, "Of a client, as iperf3 has them:", 1 },
	{ "reverse", 'R', NULL, 0, "The server sends", 1 },
	{ "bidir", KEY_BIDIR, NULL, 0, "Both send", 1 },
	{ "time", 't', "SECONDS", 0, "How long (10)", 1 },
	{ "bytes", 'n', "BYTES", 0, "How much, instead of --time (K, M, G may follow)", 1 },
	{ "length", 'l', "BYTES", 0, "Of what is sent by one call (128K; up to 1M)", 1 },
	{ "parallel", 'P', "N", 0, "Streams, 1 to 128 (1)", 1 },
	{ "omit", 'O', "SECONDS", 0, "At the start, that do not count", 1 },
	{ "bitrate", 'b', "BITS", 0, "A second that are sent by each stream, at most (K, M, G may follow)", 1 },
	{ "window", 'w', "BYTES", 0, "Of the sockets' buffers", 1 },
	{ "set-mss", 'M', "BYTES", 0, "Of a segment, at most", 1 },
	{ NULL, 0, NULL, 0, "Where the data goes, or comes from:", 2 },
	{ "mode", KEY_MODE, "MODE", 0,
	  "zc: zero-copy into the region (default); recv: ordinary receive into host memory; recv-copy: the same, then a copy into the memory of the GPU", 2 },
	{ "iface", KEY_IFACE, "NAME", 0, "Network device, for zc", 2 },
	{ "queue", KEY_QUEUE, "N", 0, "Its receive queue, for zc", 2 },
	{ "gpu", KEY_GPU, "MEMORY", 0,
	  "/dev/dri/renderDN (memory of a GPU), vfio:ADDRESS[,bar=N][,offset=BYTES] (a BAR of a PCI device bound to vfio-pci), dmabuf-fd:N, udmabuf, or host (default)", 2 },
	{ "region-size", KEY_REGION_SIZE, "BYTES", 0,
	  "Of that memory (64M; K, M, G may follow)", 2 },
	{ "buffer-size", KEY_BUFFER_SIZE, "BYTES", 0,
	  "Of the buffers that the network device gets, for zc: a power of two, 4096 or more (a page; K may follow)", 2 },
	{ "allow-host", KEY_ALLOW_HOST, NULL, 0,
	  "Go on when data for a GPU would land in host memory", 2 },
	{ "nodev", KEY_NODEV, NULL, 0,
	  "zc without a network device: the kernel copies (for trying things out)", 2 },
	{ NULL, 0, NULL, 0, "For proofs:", 3 },
	{ "record", KEY_RECORD, "FILE", 0,
	  "Write where each byte is: JSON lines of stream, offset in the stream, offset in the region, length", 3 },
	{ "hold", KEY_HOLD, NULL, 0,
	  "After a test print \"holding\" and keep all buffers until a line comes on standard input, or SIGUSR1", 3 },
	{ 0 }
};

static void number(struct argp_state *state, const char *name, const char *arg,
		   long min, long max, long *value)
{
	if (parse_number(arg, min, max, value))
		argp_error(state, "%s: \"%s\" is not a number from %ld to %ld",
			   name, arg, min, max);
}

/* Bits a second, with K, M, G (1000) behind it, as iperf3 has them. */
static int parse_rate(const char *text, uint64_t *rate)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	double v = strtod(text, &end);

	for (unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL; unit && unit >= units; unit--)
		v *= 1000;
	if (end == text || (*end && (!strchr("KMGkmg", *end) || end[1])) || !(v >= 1 && v <= 1e12))
		return -EINVAL;
	*rate = v;
	return 0;
}

static bool is_client_only(const struct options *o)
{
	return o->reverse || o->bidir || o->seconds || o->omit || o->parallel != 1 ||
	       o->mss || o->bytes || o->length || o->bitrate || o->window;
}

static void size_of(struct argp_state *state, const char *name, const char *arg,
		    uint64_t min, uint64_t max, uint64_t *value)
{
	if (parse_size(arg, value) || *value < min || *value > max)
		argp_error(state, "%s: \"%s\" is not a size from %llu to %llu", name, arg,
			   (unsigned long long)min, (unsigned long long)max);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	static bool server;
	uint64_t size;
	char *end;

	switch (key) {
	case 's': server = true; break;
	case 'c': o->client = arg; break;
	case 'R': o->reverse = true; break;
	case KEY_BIDIR: o->bidir = true; break;
	case 't': number(state, "--time", arg, 1, 86400, &o->seconds); break;
	case 'O': number(state, "--omit", arg, 0, 600, &o->omit); break;
	case 'P': number(state, "--parallel", arg, 1, MAX_STREAMS, &o->parallel); break;
	case 'M': number(state, "--set-mss", arg, 88, 32767, &o->mss); break;
	case 'n': size_of(state, "--bytes", arg, 1, UINT64_MAX, &o->bytes); break;
	case 'l': size_of(state, "--length", arg, 1, 1 << 20, &o->length); break;
	case 'b':
		if (parse_rate(arg, &o->bitrate))
			argp_error(state, "--bitrate: \"%s\" is not a rate from 1 to 1000G", arg);
		break;
	case 'w':
		size_of(state, "--window", arg, 1, 512 << 20, &size);
		o->window = size;
		break;
	case 'p': number(state, "--port", arg, 1, 65535, &o->port); break;
	case 'B': o->bind = arg; break;
	case '4': o->family = AF_INET; break;
	case '6': o->family = AF_INET6; break;
	case '1': case KEY_ONE_OFF: o->one_off = true; break;
	case 'i':
		o->interval = strtod(arg, &end);
		if (end == arg || *end ||
		    (o->interval != 0 && !(o->interval >= 0.1 && o->interval <= 60)))
			argp_error(state, "--interval: 0, or 0.1 to 60 seconds");
		break;
	case 'f':
		if (!arg[0] || arg[1] || !strchr("kmgtKMGT", arg[0]))
			argp_error(state, "--format: one of k, m, g, t, K, M, G, T");
		o->format = arg[0];
		break;
	case 'J': o->json = true; break;
	case KEY_LOGFILE: o->logfile = arg; break;
	case KEY_RCV_TIMEOUT:
		number(state, "--rcv-timeout", arg, 0, 86400000, &o->rcv_timeout);
		break;
	case KEY_MODE:
		if (!strcmp(arg, "zc"))
			o->mode = MODE_ZC;
		else if (!strcmp(arg, "recv"))
			o->mode = MODE_RECV;
		else if (!strcmp(arg, "recv-copy"))
			o->mode = MODE_RECV_COPY;
		else
			argp_error(state, "--mode: zc, recv or recv-copy");
		break;
	case KEY_IFACE: o->iface = arg; break;
	case KEY_QUEUE: number(state, "--queue", arg, 0, 65535, &o->queue); break;
	case KEY_GPU: o->gpu = arg; break;
	case KEY_REGION_SIZE:
		if (parse_size(arg, &o->region_size) || !o->region_size)
			argp_error(state, "--region-size: \"%s\" is not a size", arg);
		break;
	case KEY_BUFFER_SIZE:
		if (parse_size(arg, &o->buffer_size) || o->buffer_size < 4096 ||
		    o->buffer_size > 1u << 30 ||
		    o->buffer_size & (o->buffer_size - 1))
			argp_error(state, "--buffer-size: \"%s\" is not a power of two from 4096 to 1G", arg);
		break;
	case KEY_ALLOW_HOST: o->allow_host = true; break;
	case KEY_NODEV: o->nodev = true; break;
	case KEY_RECORD: o->record = arg; break;
	case KEY_HOLD: o->hold = true; break;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\": options only", arg);
		break;
	case ARGP_KEY_END:
		if (server == !!o->client)
			argp_error(state, "what is this to be: --server, or --client HOST?");
		if (o->reverse && o->bidir)
			argp_error(state, "--reverse or --bidir");
		if (server && is_client_only(o))
			argp_error(state, "it is the client that says how to test: no -t, -n, -R and so on with --server");
		if (o->mode == MODE_ZC && !o->nodev && !o->iface)
			argp_error(state, "zero-copy needs --iface (or another --mode)");
		if (o->mode == MODE_ZC && !o->nodev && o->queue < 0 && !options_send_only(o))
			argp_error(state, "zero-copy receive needs --queue (or another --mode)");
		if (!o->seconds)
			o->seconds = 10;
		if (o->nodev && strcmp(o->gpu, "host"))
			argp_error(state, "--nodev goes with --gpu host only");
		if (o->record && o->mode == MODE_RECV)
			argp_error(state, "--record: with --mode recv there is no region");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.doc = "iperf3 from and into the memory of a GPU.\v"
	       "The other end is any iperf3 from 3.12 on, or this. TCP only.",
};

bool options_send_only(const struct options *opt)
{
	return opt->client && !opt->reverse && !opt->bidir && opt->queue < 0;
}

int options_parse(int argc, char **argv, struct options *opt)
{
	*opt = (struct options) {
		.mode = MODE_ZC, .queue = -1, .gpu = "host",
		.port = 5201, .region_size = 64 << 20, .parallel = 1,
		.interval = 1, .rcv_timeout = 120000,
	};
	return argp_parse(&argp, argc, argv, 0, NULL, opt);
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "command.h"
#include "options.h"

enum key {
	KEY_ONE_OFF = 0x100, KEY_MODE, KEY_IFACE, KEY_QUEUE, KEY_GPU,
	KEY_REGION_SIZE, KEY_BUFFER_SIZE, KEY_HOLD, KEY_RECORD, KEY_LOGFILE, KEY_NODEV,
	KEY_ALLOW_HOST, KEY_RCV_TIMEOUT,
};

static const struct argp_option options[] = {
	{ "server", 's', NULL, 0, "Receive (the only thing there is so far)", 0 },
	{ "port", 'p', "PORT", 0, "Listen on PORT (5201)", 0 },
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
	{ NULL, 0, NULL, 0, "Where the data goes:", 1 },
	{ "mode", KEY_MODE, "MODE", 0,
	  "zc: zero-copy into the region (default); recv: ordinary receive into host memory; recv-copy: the same, then a copy into the memory of the GPU", 1 },
	{ "iface", KEY_IFACE, "NAME", 0, "Network device, for zc", 1 },
	{ "queue", KEY_QUEUE, "N", 0, "Its receive queue, for zc", 1 },
	{ "gpu", KEY_GPU, "MEMORY", 0,
	  "/dev/dri/renderDN (memory of a GPU), vfio:ADDRESS[,bar=N][,offset=BYTES] (a BAR of a PCI device bound to vfio-pci), dmabuf-fd:N, udmabuf, or host (default)", 1 },
	{ "region-size", KEY_REGION_SIZE, "BYTES", 0,
	  "Of that memory (64M; K, M, G may follow)", 1 },
	{ "buffer-size", KEY_BUFFER_SIZE, "BYTES", 0,
	  "Of the buffers that the network device gets, for zc: a power of two, 4096 or more (a page; K may follow)", 1 },
	{ "allow-host", KEY_ALLOW_HOST, NULL, 0,
	  "Go on when data for a GPU would land in host memory", 1 },
	{ "nodev", KEY_NODEV, NULL, 0,
	  "zc without a network device: the kernel copies (for trying things out)", 1 },
	{ NULL, 0, NULL, 0, "For proofs:", 2 },
	{ "record", KEY_RECORD, "FILE", 0,
	  "Write where each byte is: JSON lines of stream, offset in the stream, offset in the region, length", 2 },
	{ "hold", KEY_HOLD, NULL, 0,
	  "After a test print \"holding\" and keep all buffers until a line comes on standard input, or SIGUSR1", 2 },
	{ 0 }
};

static void number(struct argp_state *state, const char *name, const char *arg,
		   long min, long max, long *value)
{
	if (parse_number(arg, min, max, value))
		argp_error(state, "%s: \"%s\" is not a number from %ld to %ld",
			   name, arg, min, max);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	static bool server;
	char *end;

	switch (key) {
	case 's': server = true; break;
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
		if (!server)
			argp_error(state, "--server is missing; iperf3 is the client");
		if (o->mode == MODE_ZC && !o->nodev && (!o->iface || o->queue < 0))
			argp_error(state, "zero-copy receive needs --iface and --queue (or another --mode)");
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
	.doc = "Receive from iperf3 into the memory of a GPU.\v"
	       "The sender is any iperf3 from 3.12 on: iperf3 -c HOST. "
	       "TCP only, and this end only receives.",
};

int options_parse(int argc, char **argv, struct options *opt)
{
	*opt = (struct options) {
		.mode = MODE_ZC, .queue = -1, .gpu = "host",
		.port = 5201, .region_size = 64 << 20,
		.interval = 1, .rcv_timeout = 120000,
	};
	return argp_parse(&argp, argc, argv, 0, NULL, opt);
}

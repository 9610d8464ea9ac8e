// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* netgpu: one command for everything that is done by hand. */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"

const char *argp_program_version = "netgpu " NETGPU_VERSION;

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{ "topo", cmd_topo, "which network device and which GPU can talk, and if not, why" },
	{ "bench", cmd_bench, "receive from iperf3, into the memory of a GPU" },
	{ "setup", cmd_setup, "prepare a network device for zero-copy receive" },
	{ "reset", cmd_reset, "put back what setup has changed" },
	{ "probe", cmd_probe, "can a device receive into the memory of a GPU, and how?" },
	{ "regions", cmd_regions, "list regions and who holds them" },
};

void complain(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("netgpu: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

const char *printable(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 5 <= size; text++) {
		unsigned char c = *text;

		if (c >= 0x20 && c < 0x7f)
			out[n++] = c;
		else
			n += sprintf(out + n, "\\x%02x", c);
	}
	out[n] = 0;
	return out;
}

int parse_number(const char *text, long min, long max, long *value)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)text[0]) && text[0] != '-')
		return -EINVAL;
	errno = 0;
	n = strtol(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || n < min || n > max)
		return -ERANGE;
	*value = n;
	return 0;
}

int parse_size(const char *text, uint64_t *bytes)
{
	unsigned long long n;
	unsigned int shift = 0;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno)
		return -ERANGE;
	switch (*end) {
	case 'k': case 'K': shift = 10; end++; break;
	case 'm': case 'M': shift = 20; end++; break;
	case 'g': case 'G': shift = 30; end++; break;
	case 't': case 'T': shift = 40; end++; break;
	}
	if (*end)
		return -EINVAL;
	if (n > ULLONG_MAX >> shift)
		return -ERANGE;
	*bytes = n << shift;
	return 0;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static char *list_commands(int key, const char *text, void *input)
{
	size_t size = 64, i;
	char *out;
	FILE *f;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;

	f = open_memstream(&out, &size);
	if (!f)
		return (char *)text;
	fputs("Commands:\n", f);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].what);
	fputs("\n\"netgpu COMMAND --help\" says more.", f);
	fclose(f);
	return out;
}

struct choice {
	const struct command *command;
	int first;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct choice *choice = state->input;
	size_t i;

	switch (key) {
	case ARGP_KEY_ARG:
		for (i = 0; i < ARRAY_SIZE(commands); i++)
			if (!strcmp(arg, commands[i].name))
				choice->command = &commands[i];
		if (!choice->command)
			argp_error(state, "there is no command \"%s\"", arg);
		choice->first = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "COMMAND [OPTION...]",
	.doc = "Network data straight into the memory of a GPU.\v ",
	.help_filter = list_commands,
};

int main(int argc, char **argv)
{
	struct choice choice = { 0 };
	static char name[64];

	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice))
		return 1;

	snprintf(name, sizeof(name), "netgpu %s", choice.command->name);
	argv += choice.first;
	argc -= choice.first;
	argv[0] = name;
	return choice.command->run(argc, argv);
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* netgpu regions: who holds regions, from /proc/PID/fdinfo. */
#include <argp.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define PREFIX "netgpu-"

struct entry {
	char exporter[40], placement[16], state[16], use[16];
	unsigned long long offset, length;
	unsigned long long copied, refused, unverified;
	unsigned int ifindex, queue;
	bool found;
};

static void cut_line(char *text)
{
	char *end = strchr(text, '\n');

	if (end)
		*end = 0;
}

static void take_line(struct entry *e, char *text)
{
	char *value = strchr(text, ':');

	if (strncmp(text, PREFIX, strlen(PREFIX)) || !value)
		return;
	*value++ = 0;
	text += strlen(PREFIX);
	value += strspn(value, " \t");
	cut_line(value);
	e->found = true;
	if (!strcmp(text, "exporter"))
		snprintf(e->exporter, sizeof(e->exporter), "%s", value);
	else if (!strcmp(text, "placement"))
		snprintf(e->placement, sizeof(e->placement), "%s", value);
	else if (!strcmp(text, "use"))
		snprintf(e->use, sizeof(e->use), "%s", value);
	else if (!strcmp(text, "state"))
		snprintf(e->state, sizeof(e->state), "%s", value);
	else if (!strcmp(text, "offset"))
		e->offset = strtoull(value, NULL, 0);
	else if (!strcmp(text, "length"))
		e->length = strtoull(value, NULL, 0);
	else if (!strcmp(text, "ifindex"))
		e->ifindex = strtoul(value, NULL, 0);
	else if (!strcmp(text, "queue"))
		e->queue = strtoul(value, NULL, 0);
	else if (!strncmp(text, "copied-", strlen("copied-")))
		e->copied += strtoull(value, NULL, 0);
	else if (!strcmp(text, "copy-refused"))
		e->refused = strtoull(value, NULL, 0);
	else if (!strcmp(text, "unverified"))
		e->unverified = strtoull(value, NULL, 0);
}

static bool read_entry(const char *path, struct entry *e)
{
	FILE *f = fopen(path, "re");
	char text[256];

	memset(e, 0, sizeof(*e));
	if (!f)
		return false;
	while (fgets(text, sizeof(text), f))
		take_line(e, text);
	fclose(f);
	return e->found;
}

static void command_name(const char *pid, char *name, size_t size)
{
	char path[300], raw[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	snprintf(name, size, "?");
	if (!f)
		return;
	if (fgets(raw, sizeof(raw), f)) {
		cut_line(raw);
		printable(name, size, raw);
	}
	fclose(f);
}

static void print_entry(const char *pid, const char *fd, const struct entry *e)
{
	char raw[IF_NAMESIZE], dev[4 * IF_NAMESIZE + 1], name[4 * 16 + 1];
	char exporter[4 * sizeof(e->exporter) + 1], queue[16] = "-";

	/* What only sends does so by all queues. */
	if (strcmp(e->use, "tx"))
		snprintf(queue, sizeof(queue), "%u", e->queue);
	/* The device may be in another network namespace. */
	if (if_indextoname(e->ifindex, raw))
		printable(dev, sizeof(dev), raw);
	else
		snprintf(dev, sizeof(dev), "#%u", e->ifindex);
	command_name(pid, name, sizeof(name));
	printf("%-8s %-16s %4s  %-10s %5s  %-9s %-8s %14llu %14llu %12llu %12llu %10llu  %-5s  %s\n",
	       pid, name, fd, dev, queue, e->placement, e->state, e->offset,
	       e->length, e->copied, e->refused, e->unverified, e->use[0] ? e->use : "rx",
	       printable(exporter, sizeof(exporter), e->exporter));
}

/* How many of its descriptors are regions; -1 when it may not be looked at. */
static int scan_process(const char *pid, bool *header)
{
	char path[600];
	struct dirent *d;
	struct entry e;
	int found = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		return errno == EACCES || errno == EPERM ? -1 : 0;
	while ((d = readdir(dir))) {
		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, d->d_name);
		if (!read_entry(path, &e))
			continue;
		if (!*header)
			printf("%-8s %-16s %4s  %-10s %5s  %-9s %-8s %14s %14s %12s %12s %10s  %-5s  %s\n",
			       "PID", "COMMAND", "FD", "DEVICE", "QUEUE",
			       "PLACEMENT", "STATE", "OFFSET", "LENGTH",
			       "COPIED", "REFUSED", "UNVERIFIED", "USE", "EXPORTER");
		*header = true;
		print_entry(pid, d->d_name, &e);
		found++;
	}
	closedir(dir);
	return found;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	if (key == ARGP_KEY_ARG)
		argp_error(state, "\"%s\": there is nothing to give", arg);
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse_option,
	.doc = "List the regions of all processes that may be looked at.",
};

int cmd_regions(int argc, char **argv)
{
	unsigned int hidden = 0;
	bool header = false;
	struct dirent *d;
	DIR *dir;

	if (argp_parse(&argp, argc, argv, 0, NULL, NULL))
		return 1;
	dir = opendir("/proc");
	if (!dir) {
		complain("/proc: %m");
		return 1;
	}
	while ((d = readdir(dir)))
		if (isdigit((unsigned char)d->d_name[0]) &&
		    scan_process(d->d_name, &header) < 0)
			hidden++;
	closedir(dir);
	if (!header)
		puts("no regions");
	if (hidden)
		complain("%u processes may not be looked at", hidden);
	return 0;
}

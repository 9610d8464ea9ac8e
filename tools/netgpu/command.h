/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
#ifndef NETGPU_COMMAND_H
#define NETGPU_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef NETGPU_VERSION
#define NETGPU_VERSION "0.2"
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Subcommands: argv[0] is "netgpu NAME"; the value is the exit status. */
int cmd_bench(int argc, char **argv);
int cmd_setup(int argc, char **argv);
int cmd_reset(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_regions(int argc, char **argv);
int cmd_topo(int argc, char **argv);

/* A sentence on stderr, "netgpu: " before it. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * What others have named, for a terminal: control characters, and all that is
 * not ASCII, as \xNN. Cut to @size, at least 5; returns @out.
 */
const char *printable(char *out, size_t size, const char *text);

/*
 * Bytes, with K, M, G (1024) behind it. 0 and *@bytes, or -EINVAL, or -ERANGE
 * when it does not fit.
 */
int parse_size(const char *text, uint64_t *bytes);

/* A decimal number within [@min, @max]; 0, -EINVAL or -ERANGE. */
int parse_number(const char *text, long min, long max, long *value);

/* CLOCK_MONOTONIC, nanoseconds. */
uint64_t now_ns(void);

#define NSEC 1000000000ull
#define MSEC 1000000ull

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Results of a test of the library, as KTAP; one file of each program includes this. */
#ifndef TESTS_KTAP_H
#define TESTS_KTAP_H

#include <libnetgpu.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int count, failed;

static void __attribute__((format(printf, 2, 3)))
ok(bool passed, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d ", passed ? "" : "not ", ++count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	failed += !passed;
}

static _Noreturn void bail_out(const char *what)
{
	printf("Bail out! %s: %s\n", what, netgpu_error());
	exit(1);
}

/* A macro: whoever analyzes a caller sees that there is no way on. */
#define must(good, what)	do { if (!(good)) bail_out(what); } while (0)

#endif

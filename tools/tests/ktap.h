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

static void must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s: %s\n", what, netgpu_error());
	exit(1);
}

#endif

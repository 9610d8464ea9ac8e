// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

static __thread char sentence[512];

const char *netgpu_error(void)
{
	return sentence;
}

const char *netgpu_version(void)
{
	return NETGPU_VERSION;
}

void succeed(void)
{
	sentence[0] = 0;
}

int fail(int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	return ret;
}

int netgpu_error_set(int error, const char *format, ...)
{
	va_list ap;

	succeed();
	if (!format)
		return error;
	va_start(ap, format);
	vsnprintf(sentence, sizeof(sentence), format, ap);
	va_end(ap);
	return error;
}

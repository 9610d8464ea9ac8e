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

int fail(int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	return ret;
}

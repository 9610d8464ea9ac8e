/* SPDX-License-Identifier: GPL-2.0 */
/* The stream of pattern_send: every 8 bytes hold their own position, divided by 8. */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Are these @len bytes those from @pos on? Prints the first difference. */
bool pattern_check(const unsigned char *data, uint64_t pos, size_t len);

/* A listening socket for one connection. */
int pattern_listen(int port);

#endif

// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "pattern.h"

/*
 * Word by word, where it can be, as each read of a GPU's memory is a message across the bus.
 * Copied it must not be: its marks would be found in the host's memory.
 */
bool pattern_check(const unsigned char *data, uint64_t pos, size_t len)
{
	size_t i = 0;

	while (i < len) {
		if (!((uintptr_t)(data + i) % 8) && !(pos % 8) && len - i >= 8 &&
		    le64toh(*(const volatile uint64_t *)(data + i)) == pos / 8) {
			i += 8;
			pos += 8;
		} else if (data[i] == (unsigned char)((pos / 8) >> (pos % 8 * 8))) {
			i++;
			pos++;
		} else {
			printf("# first difference at %llu\n", (unsigned long long)pos);
			return false;
		}
	}
	return true;
}

int pattern_listen(int port)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		err(1, "port %d", port);
	return fd;
}

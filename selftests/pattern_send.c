// SPDX-License-Identifier: GPL-2.0
/*
 * pattern_send HOST PORT BYTES: a TCP stream in which every 8 bytes hold
 * their own position. Gives up after 60 seconds without progress.
 */
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	const struct timeval patience = { .tv_sec = 60 };
	static uint64_t block[8192];
	uint64_t pos = 0, bytes;
	int fd, i, ret;

	if (argc != 4)
		errx(2, "usage: pattern_send HOST PORT BYTES");
	bytes = strtoull(argv[3], NULL, 0);
	ret = getaddrinfo(argv[1], argv[2], &hints, &ai);
	if (ret)
		errx(2, "%s: %s", argv[1], gai_strerror(ret));

	fd = socket(ai->ai_family, SOCK_STREAM, 0);
	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen))
		err(1, "connect");

	while (pos < bytes) {
		size_t len = sizeof(block), done = 0;

		if (len > bytes - pos)
			len = bytes - pos;
		for (i = 0; i < 8192; i++)
			block[i] = pos / 8 + i;
		while (done < len) {
			ssize_t n = send(fd, (char *)block + done, len - done, MSG_NOSIGNAL);

			if (n < 0)
				err(1, "send after %llu bytes", (unsigned long long)pos + done);
			done += n;
		}
		pos += len;
	}
	close(fd);
	return 0;
}

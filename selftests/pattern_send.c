// SPDX-License-Identifier: GPL-2.0
/*
 * pattern_send [-c BYTES] [-f FIFO] [-r RATE] [-u] [-w SECONDS] HOST PORT BYTES: a TCP stream
 * in which every 8 bytes hold their own position. Gives up after 60 seconds without
 * progress. -c: a packet for each so many bytes, a multiple of 8, up to 65536.
 * -f: as many bytes at a time as each line that is written to FIFO says, multiples of 8.
 * -r: TCP sends no more than so many bytes a second. -u: the last byte of each
 * 64 KiB, or packet, is urgent.
 * -w: leave the connection open for so long, or until the other side ends it.
 */
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define USAGE	"usage: pattern_send [-c BYTES] [-f FIFO] [-r RATE] [-u] [-w SECONDS] HOST PORT BYTES"

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	const struct timeval patience = { .tv_sec = 60 };
	static uint64_t block[8192];
	size_t chunk = 0, wait = 0;
	unsigned int rate = 0;
	uint64_t pos = 0, asked = 0, bytes;
	const char *name = NULL;
	FILE *fifo = NULL;
	int fd, i, one = 1, ret, urgent = 0;

	while ((ret = getopt(argc, argv, "c:f:r:uw:")) != -1) {
		switch (ret) {
		case 'c': chunk = strtoull(optarg, NULL, 0); break;
		case 'f': name = optarg; break;
		case 'r': rate = strtoul(optarg, NULL, 0); break;
		case 'u': urgent = MSG_OOB; break;
		case 'w': wait = strtoull(optarg, NULL, 0); break;
		default: errx(2, USAGE);
		}
	}
	argv += optind;
	if (argc - optind != 3 || chunk % 8 || chunk > sizeof(block))
		errx(2, USAGE);
	bytes = strtoull(argv[2], NULL, 0);
	if (name) {
		/* Who opens it to read and to write sees no end of it. */
		fifo = fopen(name, "r+e");
		if (!fifo)
			err(1, "%s", name);
	}
	ret = getaddrinfo(argv[0], argv[1], &hints, &ai);
	if (ret)
		errx(2, "%s: %s", argv[0], gai_strerror(ret));

	fd = socket(ai->ai_family, SOCK_STREAM, 0);
	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (rate && setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)))
		err(1, "SO_MAX_PACING_RATE");
	if (connect(fd, ai->ai_addr, ai->ai_addrlen))
		err(1, "connect");
	if (chunk)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

	while (pos < bytes) {
		size_t len = chunk ? chunk : sizeof(block), done = 0;

		if (fifo && pos == asked) {
			unsigned long long more;

			if (fscanf(fifo, "%llu", &more) != 1)
				errx(1, "not a number of bytes");
			asked += more;
		}
		if (fifo && len > asked - pos)
			len = asked - pos;
		if (len > bytes - pos)
			len = bytes - pos;
		for (i = 0; i < 8192; i++)
			block[i] = pos / 8 + i;
		while (done < len) {
			ssize_t n = send(fd, (char *)block + done, len - done,
					 MSG_NOSIGNAL | urgent);

			if (n < 0)
				err(1, "send after %llu bytes", (unsigned long long)pos + done);
			done += n;
		}
		pos += len;
	}
	if (wait) {
		struct pollfd end = { .fd = fd, .events = POLLIN };

		poll(&end, 1, wait * 1000);
	}
	if (fifo)
		fclose(fifo);
	close(fd);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * flood HOST SECONDS PAUSE: datagrams to a port where nobody listens, each different,
 * one after each PAUSE of so many microseconds, whatever becomes of them.
 */
#include <err.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LENGTH	4000

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *ai;
	static uint32_t data[LENGTH / sizeof(uint32_t)];
	useconds_t wait;
	time_t end;
	unsigned int i;
	int fd;

	if (argc != 4 || getaddrinfo(argv[1], "9", &hints, &ai))
		errx(2, "usage: flood HOST SECONDS PAUSE");
	fd = socket(ai->ai_family, SOCK_DGRAM, 0);
	if (fd < 0)
		err(1, "socket");
	wait = atoi(argv[3]);
	for (end = time(NULL) + atoi(argv[2]); time(NULL) < end; usleep(wait)) {
		/* Alike again some day, a ring that is as long would seem to stand still. */
		for (i = 0; i < sizeof(data) / sizeof(data[0]); i++)
			data[i]++;
		sendto(fd, data, sizeof(data), MSG_DONTWAIT, ai->ai_addr, ai->ai_addrlen);
	}
	return 0;
}

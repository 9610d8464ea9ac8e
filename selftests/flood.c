// SPDX-License-Identifier: GPL-2.0
/*
 * flood HOST SECONDS: datagrams to a port where nobody listens, each different,
 * some thousand a second, whatever becomes of them.
 */
#include <err.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LENGTH	4000
#define PAUSE	250	/* us */

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *ai;
	static unsigned char data[LENGTH];
	time_t end;
	int fd;

	if (argc != 3 || getaddrinfo(argv[1], "9", &hints, &ai))
		errx(2, "usage: flood HOST SECONDS");
	fd = socket(ai->ai_family, SOCK_DGRAM, 0);
	if (fd < 0)
		err(1, "socket");
	for (end = time(NULL) + atoi(argv[2]); time(NULL) < end; usleep(PAUSE)) {
		memset(data, data[0] + 1, sizeof(data));
		sendto(fd, data, sizeof(data), MSG_DONTWAIT, ai->ai_addr, ai->ai_addrlen);
	}
	return 0;
}

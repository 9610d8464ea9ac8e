// SPDX-License-Identifier: GPL-2.0
/*
 * pattern_recv PORT [BYTES]: receive a stream of pattern_send by plain recv(), and
 * look at every byte; after BYTES, read no more until the other side has ended the
 * connection. Prints listening, received, correct, error. Gives up after 60 seconds
 * without a connection or a byte.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "pattern.h"

int main(int argc, char **argv)
{
	const struct timeval patience = { .tv_sec = 60 };
	static unsigned char buf[256 << 10];
	unsigned long long received = 0, stall = 0;
	struct pollfd ended = { .events = POLLRDHUP };
	bool correct = true;
	int listener, conn;
	ssize_t n;

	if (argc != 2 && argc != 3)
		errx(2, "usage: pattern_recv PORT [BYTES]");
	if (argc == 3)
		stall = strtoull(argv[2], NULL, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	listener = pattern_listen(atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	printf("listening %s\n", argv[1]);
	conn = accept(listener, NULL, NULL);
	if (conn < 0)
		err(1, "accept");
	setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));

	while ((n = recv(conn, buf, sizeof(buf), 0)) > 0) {
		correct = correct && pattern_check(buf, received, n);
		received += n;
		if (!stall || received < stall)
			continue;
		stall = 0;
		ended.fd = conn;
		if (poll(&ended, 1, 60000) != 1)
			errx(1, "the connection is not ended");
	}
	printf("received %llu\ncorrect %d\nerror %s\n", received, correct,
	       n ? strerrorname_np(errno) : "0");
	return 0;
}

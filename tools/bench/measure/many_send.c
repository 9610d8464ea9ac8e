// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * many_send HOST PORT CONNECTIONS BYTES: send so many bytes altogether over so many
 * connections, 64 KiB on each in its turn. No more than 1 MiB is on its way at
 * any time, so that what is lost on a crowded way is no part of a measurement.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <time.h>
#include <unistd.h>

#define BURST		65536
#define BURSTS_ON_WAY	16
#define PATIENCE	900	/* seconds, for all of it: 300 were too few on a busy machine */

static void out_of_patience(int number)
{
	static const char said[] = "many_send: its time is over, and it has not ended\n";

	(void)number;
	_exit(write(STDERR_FILENO, said, sizeof(said) - 1) < 0 ? 2 : 1);
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	int fd, ret;

	ret = getaddrinfo(host, port, &hints, &ai);
	if (ret) {
		fprintf(stderr, "many_send: %s: %s\n", host, gai_strerror(ret));
		exit(1);
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen))
		fail("connect");
	freeaddrinfo(ai);
	return fd;
}

/* Until the first @bytes of a connection were acknowledged. */
static void wait_for(int fd, uint64_t sent, uint64_t bytes)
{
	const struct timespec pause = { .tv_nsec = 50000 };
	socklen_t len = sizeof(int);
	int left, error = 0;

	while (1) {
		if (ioctl(fd, SIOCOUTQ, &left))
			fail("SIOCOUTQ");
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) || error) {
			fprintf(stderr, "many_send: a connection has failed: %s\n", strerror(error));
			exit(1);
		}
		if (sent - left >= bytes)
			return;
		nanosleep(&pause, NULL);
	}
}

static void send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			fail("send");
		data += n;
		len -= n;
	}
}

int main(int argc, char **argv)
{
	struct { int number; uint64_t end; } way[BURSTS_ON_WAY];
	static char data[BURST];
	uint64_t *sent, bytes, done = 0, burst = 0;
	struct rlimit files;
	int *fd, i, n;

	if (argc != 5) {
		fprintf(stderr, "usage: many_send HOST PORT CONNECTIONS BYTES\n");
		return 2;
	}
	signal(SIGALRM, out_of_patience);
	alarm(PATIENCE);
	n = atoi(argv[3]);
	bytes = strtoull(argv[4], NULL, 0);
	fd = calloc(n, sizeof(*fd));
	sent = calloc(n, sizeof(*sent));
	if (getrlimit(RLIMIT_NOFILE, &files))
		fail("files");
	files.rlim_cur = n + 64;
	if (files.rlim_max < files.rlim_cur)
		files.rlim_max = files.rlim_cur;	/* root may */
	if (setrlimit(RLIMIT_NOFILE, &files) || !fd || !sent)
		fail("many_send");
	for (i = 0; i < n; i++)
		fd[i] = connect_to(argv[1], argv[2]);

	for (i = 0; done < bytes; i = (i + 1) % n, burst++) {
		size_t len = bytes - done < BURST ? bytes - done : BURST;
		unsigned int slot = burst % BURSTS_ON_WAY;

		if (burst >= BURSTS_ON_WAY)
			wait_for(fd[way[slot].number], sent[way[slot].number],
				 way[slot].end);
		send_all(fd[i], data, len);
		done += len;
		sent[i] += len;
		way[slot].number = i;
		way[slot].end = sent[i];
	}
	for (i = 0; i < n; i++) {
		wait_for(fd[i], sent[i], sent[i]);
		shutdown(fd[i], SHUT_WR);
	}
	for (i = 0; i < n; i++)
		while (recv(fd[i], data, sizeof(data), 0) > 0)
			;
	free(sent);
	free(fd);
	return 0;
}

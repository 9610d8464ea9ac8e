// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * spin: how many instructions does everything else execute?
 *
 * For a machine with one CPU whose clock advances by a nanosecond for each
 * instruction (QEMU's -icount shift=0). A process of the lowest priority counts
 * in a loop of two instructions, so that the CPU is never idle; nanoseconds
 * that went by, less two for each that it has counted, are the instructions of
 * all others. How many bytes the network device has received meanwhile is read
 * with the clock.
 *
 * spin INTERFACE FILE [tx]: samples go to FILE, as JSON lines, when anything comes on
 * standard input, or its end. Those before work begins say how exact this is. tx: it
 * is bytes that were sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_MS	5
#define SAMPLES_MAX	(1 << 20)

struct sample {
	uint64_t time;		/* ns, that is instructions */
	uint64_t count;
	uint64_t bytes, packets;	/* received, or sent */
};

static int statistic(const char *interface, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s",
		 interface, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "spin: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	return fd;
}

static uint64_t number(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = 0;
	return strtoull(text, NULL, 10);
}

static _Noreturn void count(uint64_t *counter)
{
	struct sched_param lowest = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sched_setscheduler(0, SCHED_IDLE, &lowest)) {
		fprintf(stderr, "spin: SCHED_IDLE: %s\n", strerror(errno));
		_exit(1);
	}
	/* two instructions */
	asm volatile("1: incq (%0); jmp 1b" : : "r" (counter) : "memory");
	__builtin_unreachable();
}

int main(int argc, char **argv)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	static struct sample samples[SAMPLES_MAX];	/* zero pages until written */
	volatile uint64_t *counter;
	int bytes, packets;
	size_t n = 0, i;
	struct timespec t;
	pid_t pid;
	FILE *out;

	if (argc < 3 || argc > 4 || (argc == 4 && strcmp(argv[3], "tx"))) {
		fprintf(stderr, "usage: spin INTERFACE FILE [tx]\n");
		return 2;
	}
	bytes = statistic(argv[1], argc == 4 ? "tx_bytes" : "rx_bytes");
	packets = statistic(argv[1], argc == 4 ? "tx_packets" : "rx_packets");
	counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	out = fopen(argv[2], "w");
	if (counter == MAP_FAILED || !out) {
		perror("spin");
		exit(1);
	}
	pid = fork();
	if (pid < 0) {
		perror("spin: fork");
		exit(1);
	}
	if (!pid)
		count((uint64_t *)counter);
	puts("spinning");
	fflush(stdout);
	while (n < SAMPLES_MAX) {
		struct sample *s = &samples[n++];

		s->bytes = number(bytes);
		s->packets = number(packets);
		clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		s->time = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
		s->count = *counter;
		if (poll(&in, 1, PERIOD_MS) > 0)
			break;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (i = 0; i < n; i++)
		fprintf(out, "[%llu, %llu, %llu, %llu]\n",
			(unsigned long long)samples[i].time,
			(unsigned long long)samples[i].count,
			(unsigned long long)samples[i].bytes,
			(unsigned long long)samples[i].packets);
	if (fclose(out)) {
		perror("spin");
		return 1;
	}
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* radeon: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's amdgpu drives. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gpu.h"

static struct {
	const char *socket, *control, *vram, *summary, *firmware;
	uint64_t vram_mib, bar_mib;
} option = { .vram_mib = 512, .bar_mib = 256 };

static const struct argp_option options[] = {
	{ "socket", 's', "PATH", 0, "Where QEMU connects to", 0 },
	{ "control", 'c', "PATH", 0, "Where commands come from: one line each, see control.c", 0 },
	{ "vram", 'v', "FILE", 0, "File that is VRAM (default: memory of its own)", 0 },
	{ "vram-size", 'm', "MIB", 0, "Size of VRAM, a multiple of 16 (default: 512)", 0 },
	{ "bar-size", 'b', "MIB", 0, "Size of the BAR that shows it, a power of two (default: 256)", 0 },
	{ "summary", 'S', "FILE", 0, "Write the figures there at the end, as JSON", 0 },
	{ "firmware", 'f', "DIRECTORY", 0, "Only write the microcode files that the driver wants there", 0 },
	{ 0 }
};

static uint64_t number(const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long long n = strtoull(arg, &end, 10);

	if (!n || *end || n > 1 << 20)
		argp_error(state, "%s is no size in MiB: give 1 to 1048576", arg);
	return n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 's':
		option.socket = arg;
		break;
	case 'c':
		option.control = arg;
		break;
	case 'v':
		option.vram = arg;
		break;
	case 'm':
		option.vram_mib = number(arg, state);
		break;
	case 'b':
		option.bar_mib = number(arg, state);
		break;
	case 'S':
		option.summary = arg;
		break;
	case 'f':
		option.firmware = arg;
		break;
	case ARGP_KEY_END:
		if (option.firmware)
			break;
		if (!option.socket)
			argp_error(state, "where shall QEMU connect to? Give --socket PATH");
		if (option.vram_mib % 16)
			argp_error(state, "VRAM of %llu MiB: the driver is told in units of 16 MiB",
				   (unsigned long long)option.vram_mib);
		if (option.bar_mib & (option.bar_mib - 1) || option.bar_mib > option.vram_mib)
			argp_error(state, "a BAR of %llu MiB: it has to be a power of two, and not larger than VRAM",
				   (unsigned long long)option.bar_mib);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static volatile sig_atomic_t ended;

static void end(int number)
{
	(void)number;
	ended = 1;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!path || strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4))
		return -1;
	return fd;
}

static int open_vram(void)
{
	struct stat status;
	int fd = option.vram ? open(option.vram, O_RDWR | O_CLOEXEC) : memfd_create("vram", MFD_CLOEXEC);

	if (fd < 0 || fstat(fd, &status))
		return -1;
	if ((uint64_t)status.st_size < option.vram_mib << 20 && ftruncate(fd, (off_t)(option.vram_mib << 20)))
		return -1;
	return fd;
}

static void command(struct gpu *gpu, int control)
{
	int fd = accept4(control, NULL, NULL, SOCK_CLOEXEC);
	char line[128] = "";

	if (fd < 0)
		return;
	if (read(fd, line, sizeof(line) - 1) > 0) {
		line[strcspn(line, "\n")] = 0;
		control_command(gpu, line, fd);
	}
	close(fd);
}

/* serve - one client until it is gone */
static int serve(struct gpu *gpu, int client, int control)
{
	struct pollfd polled[] = { { client, POLLIN, 0 }, { control, POLLIN, 0 } };
	int status = 1;

	if (vfio_user_init(&gpu->user, client))
		return -1;
	while (status > 0 && !ended) {
		int n = poll(polled, control < 0 ? 1 : 2, gpu_run(gpu));

		if (n < 0 && errno != EINTR)
			status = -1;
		if (n <= 0)
			continue;
		if (polled[0].revents)
			status = vfio_user_serve(&gpu->user);
		if (polled[1].revents & POLLIN)
			command(gpu, control);
	}
	vfio_user_end(&gpu->user);
	gpu_reset(gpu);
	return status;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL,
		"An emulated GPU of the Southern Islands family for QEMU's vfio-user-pci.", NULL, NULL, NULL };
	struct sigaction action = { .sa_handler = end };
	static struct gpu gpu;
	int vram, listening, control = -1, summary;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (option.firmware)
		return firmware_make(option.firmware) ? EXIT_FAILURE : EXIT_SUCCESS;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	vram = open_vram();
	if (vram < 0 || gpu_init(&gpu, vram, option.vram_mib << 20, option.bar_mib << 20)) {
		fprintf(stderr, "radeon: no %llu MiB of VRAM: %s\n", (unsigned long long)option.vram_mib, strerror(errno));
		return EXIT_FAILURE;
	}
	listening = listen_at(option.socket);
	if (option.control)
		control = listen_at(option.control);
	if (listening < 0 || (option.control && control < 0)) {
		fprintf(stderr, "radeon: cannot listen at %s: %s\n", listening < 0 ? option.socket : option.control,
			strerror(errno));
		return EXIT_FAILURE;
	}

	/* A GPU that was unplugged can be plugged in again: the next client. */
	while (!ended) {
		int client = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			break;
		if (serve(&gpu, client, control) < 0)
			fprintf(stderr, "radeon: the connection ended: %s\n", strerror(errno));
	}
	if (option.summary) {
		summary = open(option.summary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (summary < 0) {
			perror(option.summary);
			return EXIT_FAILURE;
		}
		control_summary(&gpu, summary);
		close(summary);
	}
	return EXIT_SUCCESS;
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "server.h"

struct server {
	const struct card *card;
	const char *socket, *control, *vram, *summary, *firmware;	/* paths; all but socket may be NULL */
	uint64_t vram_size, bar_size;			/* bytes */
	struct device *device;
	int signals;					/* a descriptor that tells of SIGTERM and SIGINT */
	bool ended;					/* one has come */
};

static const struct argp_option options[] = {
	{ "socket", 's', "PATH", 0, "Where QEMU connects to", 0 },
	{ "control", 'c', "PATH", 0, "Where commands come from: one line each", 0 },
	{ "vram", 'v', "FILE", 0, "File that is VRAM (default: memory of its own)", 0 },
	{ "vram-size", 'm', "MIB", 0, "Size of VRAM, a multiple of 16 (default: 512)", 0 },
	{ "bar-size", 'b', "MIB", 0, "Size of the BAR that shows it, a power of two (default: 256)", 0 },
	{ "summary", 'S', "FILE", 0, "Write the figures there at the end, as JSON", 0 },
	{ "firmware", 'f', "DIRECTORY", 0, "Only write the files there that the driver loads into microcontrollers", 0 },
	{ 0 }
};

static uint64_t mebibytes(const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long long n = strtoull(arg, &end, 10);

	if (!n || *end || n > 1 << 20)
		argp_error(state, "%s is no size in MiB: give 1 to 1048576", arg);
	return n << 20;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct server *server = state->input;

	switch (key) {
	case 's':
		server->socket = arg;
		break;
	case 'c':
		server->control = arg;
		break;
	case 'v':
		server->vram = arg;
		break;
	case 'm':
		server->vram_size = mebibytes(arg, state);
		break;
	case 'b':
		server->bar_size = mebibytes(arg, state);
		break;
	case 'S':
		server->summary = arg;
		break;
	case 'f':
		if (!server->card->firmware)
			argp_error(state, "its driver loads no firmware");
		server->firmware = arg;
		break;
	case ARGP_KEY_END:
		if (server->vram_size % (16 << 20))
			argp_error(state, "VRAM of %llu MiB: drivers are told in units of 16 MiB",
				   (unsigned long long)server->vram_size >> 20);
		if (server->bar_size & (server->bar_size - 1) || server->bar_size > server->vram_size)
			argp_error(state, "a BAR of %llu MiB: it has to be a power of two, and not larger than VRAM",
				   (unsigned long long)server->bar_size >> 20);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* open_vram - the file that is VRAM, as large as that; -1 with errno */
static int open_vram(const struct server *server)
{
	struct stat status;
	int fd = server->vram ? open(server->vram, O_RDWR | O_CLOEXEC) : memfd_create("vram", MFD_CLOEXEC);

	if (fd < 0 || fstat(fd, &status))
		return -1;
	if ((uint64_t)status.st_size < server->vram_size && ftruncate(fd, (off_t)server->vram_size))
		return -1;
	return fd;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
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

static void command(struct server *server, int control)
{
	const struct timeval most = { .tv_sec = 1 };	/* the machine waits meanwhile */
	int fd = accept4(control, NULL, NULL, SOCK_CLOEXEC);
	char line[128] = "";
	size_t length = 0;
	int reads = 0;		/* a line comes at once, or nearly */
	ssize_t n;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
	while (!strchr(line, '\n') && length < sizeof(line) - 1 && reads++ < 4) {
		n = read(fd, line + length, sizeof(line) - 1 - length);
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	if (length) {
		line[strcspn(line, "\n")] = 0;
		control_command(server->device, line, fd);
	}
	close(fd);
}

/*
 * wait_for - a client's message (or a client), a command, which is executed, or the signal to end.
 * timeout is in ms, -1: without end. 1 when there is something at fd, 0 when there is not, -1 with errno.
 */
static int wait_for(struct server *server, int fd, int control, int timeout)
{
	struct pollfd polled[] = { { fd, POLLIN, 0 }, { control, POLLIN, 0 }, { server->signals, POLLIN, 0 } };

	if (poll(polled, 3, timeout) < 0)
		return errno == EINTR ? 0 : -1;
	if (polled[2].revents) {
		server->ended = true;
		return 0;
	}
	if (polled[1].revents & POLLIN)
		command(server, control);
	return polled[0].revents ? 1 : 0;
}

/* serve - one client until it is gone */
static int serve(struct server *server, int client, int control)
{
	int status = 1;

	if (vfio_user_init(&server->device->user, client))
		return -1;
	while (status > 0 && !server->ended) {
		const int n = wait_for(server, client, control, engines_run(server->device));

		if (n < 0)
			status = -1;
		else if (n)
			status = vfio_user_serve(&server->device->user);
	}
	vfio_user_end(&server->device->user);
	/* Its next client finds it as after power-on. */
	server->device->faults.vanished = false;
	device_power_on(server->device);
	return status;
}

static int run(struct server *server)
{
	int listening, control = -1, summary, status = EXIT_SUCCESS;
	sigset_t until;

	if (!server->socket) {
		fprintf(stderr, "%s: where shall QEMU connect to? Give --socket PATH\n", server->device->ops->name);
		return EXIT_FAILURE;
	}
	sigemptyset(&until);
	sigaddset(&until, SIGTERM);
	sigaddset(&until, SIGINT);
	sigprocmask(SIG_BLOCK, &until, NULL);
	server->signals = signalfd(-1, &until, SFD_CLOEXEC);
	if (server->signals < 0) {
		perror("signalfd");
		return EXIT_FAILURE;
	}
	signal(SIGPIPE, SIG_IGN);
	listening = listen_at(server->socket);
	if (server->control)
		control = listen_at(server->control);
	if (listening < 0 || (server->control && control < 0)) {
		fprintf(stderr, "cannot listen at %s: %s\n", listening < 0 ? server->socket : server->control, strerror(errno));
		return EXIT_FAILURE;
	}

	server->device->at_power_on = server->device->pci;
	/* A GPU that was unplugged can be plugged in again: the next client. */
	while (!server->ended) {
		const int n = wait_for(server, listening, control, -1);
		int client;

		if (!n)
			continue;
		client = n < 0 ? -1 : accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		if (client < 0 && n > 0 && (errno == ECONNABORTED || errno == EINTR))
			continue;
		if (client < 0) {
			fprintf(stderr, "no client: %s\n", strerror(errno));
			status = EXIT_FAILURE;
			break;
		}
		if (serve(server, client, control) < 0)
			fprintf(stderr, "the connection ended: %s\n", strerror(errno));
	}
	if (server->summary) {
		summary = open(server->summary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (summary < 0) {
			perror(server->summary);
			return EXIT_FAILURE;
		}
		control_summary(server->device, summary);
		close(summary);
	}
	return status;
}

int server_main(int argc, char **argv, const struct card *card)
{
	static const struct argp argp = { options, parse, NULL, "An emulated GPU for QEMU's vfio-user-pci.", NULL, NULL, NULL };
	struct server server = { .card = card, .device = card->device, .vram_size = 512 << 20, .bar_size = 256 << 20 };
	int vram;

	argp_parse(&argp, argc, argv, 0, NULL, &server);
	if (server.firmware)
		return card->firmware(server.firmware) ? EXIT_FAILURE : EXIT_SUCCESS;
	vram = open_vram(&server);
	if (vram < 0 || !card->init(vram, server.vram_size, server.bar_size)) {
		fprintf(stderr, "%s: no %llu MiB of VRAM: %s\n", card->name, (unsigned long long)server.vram_size >> 20, strerror(errno));
		return EXIT_FAILURE;
	}
	return run(&server);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * lossy [-d N] [-o N] [-f MS] NETIF ADDRESS MTU COMMAND...: run the command, in a network
 * of its own, with a bad connection to what is behind the network device: every Nth long
 * frame from it is dropped (-d), every Nth comes three frames late (-o), the first of
 * each TCP connection is dropped whenever it is sent in so many milliseconds (-f). The
 * command's host has this IPv4 address, in the /24 of its peer. Ends with it, and its
 * status.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONG_FRAME	512	/* bytes; what is shorter is never lost */
#define LATE_BY		3	/* frames */
#define FRAME_MAX	65536
/* before each frame: its checksum may be due */
#define HEADER		sizeof(struct virtio_net_hdr)

static unsigned long drop_each, delay_each, first_ms, nr_long;
static int outside, inside;
static unsigned char mac[ETH_ALEN];

static void open_outside(const char *netif)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(netif),
	};
	int one = 1;

	outside = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (outside < 0 ||
	    setsockopt(outside, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    bind(outside, (struct sockaddr *)&addr, sizeof(addr)))
		err(1, "%s", netif);
}

static void open_inside(const char *address, int mtu)
{
	struct ifreq tap = { .ifr_name = "bad0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	struct ifreq r = { .ifr_name = "bad0" };
	struct sockaddr_in *in = (struct sockaddr_in *)&r.ifr_addr;
	int s;

	if (unshare(CLONE_NEWNET))
		err(1, "network namespace");
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	inside = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (s < 0 || inside < 0 || ioctl(inside, TUNSETIFF, &tap))
		err(1, "tap");
	if (ioctl(s, SIOCGIFHWADDR, &r))
		err(1, "MAC address");
	memcpy(mac, r.ifr_hwaddr.sa_data, ETH_ALEN);
	r.ifr_mtu = mtu;
	if (ioctl(s, SIOCSIFMTU, &r))
		err(1, "MTU %d", mtu);
	memset(in, 0, sizeof(*in));
	in->sin_family = AF_INET;
	if (inet_pton(AF_INET, address, &in->sin_addr) != 1)
		errx(2, "%s is no IPv4 address", address);
	if (ioctl(s, SIOCSIFADDR, &r))
		err(1, "%s", address);
	inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
	if (ioctl(s, SIOCSIFNETMASK, &r))
		err(1, "netmask");
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &r))
		err(1, "up");
	close(s);
}

/* A full queue loses frames, too; that is the connection's nature. */
static void put(const void *frame, size_t len)
{
	if (send(outside, frame, len, 0) < 0 && errno != ENOBUFS && errno != EAGAIN)
		err(1, "send");
}

/* Is it the first long frame of its connection, whose time is not over? */
static bool first_is_lost(const void *frame, size_t len)
{
	static struct {
		__be32 seq;
		long long since;
	} first[UINT16_MAX + 1];	/* by the port that it comes from */
	const struct ethhdr *eth = frame;
	const struct iphdr *ip = (const void *)(eth + 1);
	const struct tcphdr *tcp = (const void *)((const char *)ip + ip->ihl * 4);
	struct timespec ts;
	long long now;
	__u16 port;

	if (!first_ms || len < LONG_FRAME || eth->h_proto != htons(ETH_P_IP) ||
	    ip->protocol != IPPROTO_TCP)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
	port = ntohs(tcp->source);
	if (!first[port].since) {
		first[port].since = now;
		first[port].seq = tcp->seq;
	}
	return tcp->seq == first[port].seq && now - first[port].since < (long long)first_ms;
}

static void to_outside(void)
{
	static char frame[HEADER + FRAME_MAX], late[HEADER + FRAME_MAX];
	static unsigned int frames_since;
	static size_t late_len;
	ssize_t len = read(inside, frame, sizeof(frame));

	if (len <= 0)
		return;
	if (len < LONG_FRAME) {
		put(frame, len);
		return;
	}
	nr_long++;
	if (drop_each && nr_long % drop_each == 0)
		return;
	if (first_is_lost(frame + HEADER, len - HEADER))
		return;
	if (delay_each && !late_len && nr_long % delay_each == 0) {
		memcpy(late, frame, len);
		late_len = len;
		frames_since = 0;
		return;
	}
	put(frame, len);
	if (late_len && ++frames_since == LATE_BY) {
		put(late, late_len);
		late_len = 0;
	}
}

static void to_inside(void)
{
	static unsigned char with_header[HEADER + FRAME_MAX];
	const unsigned char *frame = with_header + HEADER;
	struct sockaddr_ll from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t len = recvfrom(outside, with_header, sizeof(with_header), 0,
			       (struct sockaddr *)&from, &from_len);

	/* not what this host has sent itself */
	if (len < (ssize_t)(HEADER + ETH_HLEN) || from.sll_pkttype == PACKET_OUTGOING)
		return;
	if (!(frame[0] & 1) && memcmp(frame, mac, ETH_ALEN))
		return;
	if (write(inside, with_header, len) < 0 && errno != EINVAL)
		err(1, "write");
}

int main(int argc, char **argv)
{
	struct pollfd fds[3];
	int opt, status, signals;
	sigset_t child;
	pid_t pid;

	while ((opt = getopt(argc, argv, "+d:o:f:")) != -1) {
		switch (opt) {
		case 'd': drop_each = strtoul(optarg, NULL, 0); break;
		case 'o': delay_each = strtoul(optarg, NULL, 0); break;
		case 'f': first_ms = strtoul(optarg, NULL, 0); break;
		default: optind = argc;
		}
	}
	if (argc - optind < 4)
		errx(2, "usage: lossy [-d N] [-o N] [-f MS] NETIF ADDRESS MTU COMMAND...");

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signals = signalfd(-1, &child, SFD_CLOEXEC);
	if (signals < 0)
		err(1, "signalfd");
	open_outside(argv[optind]);
	open_inside(argv[optind + 1], atoi(argv[optind + 2]));

	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		sigprocmask(SIG_UNBLOCK, &child, NULL);
		execvp(argv[optind + 3], argv + optind + 3);
		err(127, "%s", argv[optind + 3]);
	}
	fds[0] = (struct pollfd){ .fd = inside, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = outside, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = signals, .events = POLLIN };
	while (!(fds[2].revents & POLLIN)) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			err(1, "poll");
		if (fds[0].revents & POLLIN)
			to_outside();
		if (fds[1].revents & POLLIN)
			to_inside();
	}
	if (waitpid(pid, &status, 0) != pid)
		err(1, "wait");
	fprintf(stderr, "lossy: %lu long frames\n", nr_long);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

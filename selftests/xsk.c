// SPDX-License-Identifier: GPL-2.0
/*
 * xsk [-c] [-n PACKETS] IFACE QUEUE [COMMAND...]: put an AF_XDP socket on a
 * queue, zero-copy (-c: that copies), and run the command meanwhile; -n: send
 * the queue's packets to the socket, and wait at most 20 seconds for so many.
 * Exit status: the command's; 3 when the socket was refused; 4 without packets.
 */
#include <err.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest.h"
#include "xdp.h"

enum { FRAMES = 512, FRAME = 4096 };

struct xsk_ring {
	uint32_t *producer, *consumer;
	void *entries;
};

static void set(int fd, int name, const void *value, socklen_t size)
{
	if (setsockopt(fd, SOL_XDP, name, value, size))
		err(2, "AF_XDP option %d", name);
}

static struct xsk_ring map_ring(int fd, const struct xdp_ring_offset *off, size_t entry, off_t at)
{
	char *ring = mmap(NULL, off->desc + FRAMES * entry, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, fd, at);

	if (ring == MAP_FAILED)
		err(2, "AF_XDP ring");
	return (struct xsk_ring){
		.producer = (uint32_t *)(ring + off->producer),
		.consumer = (uint32_t *)(ring + off->consumer),
		.entries = ring + off->desc,
	};
}

/* Have a program send the packets of @queue to the socket. */
static void redirect(unsigned int ifindex, int queue, int fd)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_1,
		  .off = offsetof(struct xdp_md, rx_queue_index) },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD },
		{},
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;
	int map;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_XSKMAP;
	attr.key_size = sizeof(queue);
	attr.value_size = sizeof(fd);
	attr.max_entries = 64;
	map = bpf(BPF_MAP_CREATE, &attr);
	if (map < 0)
		err(2, "map");
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	attr.key = (uintptr_t)&queue;
	attr.value = (uintptr_t)&fd;
	if (bpf(BPF_MAP_UPDATE_ELEM, &attr))
		err(2, "socket into the map");
	insns[1].imm = map;
	if (xdp_attach(ifindex, xdp_load(insns, ARRAY_SIZE(insns), false),
		       XDP_FLAGS_DRV_MODE) < 0)
		err(3, "attach");
}

/* Take packets; each is to be one that came over Ethernet with IP in it. */
static unsigned int take(int fd, const char *frames, struct xsk_ring *rx, struct xsk_ring *fill)
{
	struct xdp_desc *descs = rx->entries;
	uint32_t produced, consumed = *rx->consumer;
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	uint64_t *refill = fill->entries;
	unsigned int good = 0;

	poll(&readable, 1, 200);
	produced = __atomic_load_n(rx->producer, __ATOMIC_ACQUIRE);
	for (; consumed != produced; consumed++) {
		const struct xdp_desc *desc = &descs[consumed & (FRAMES - 1)];
		const unsigned char *packet = (const void *)(frames + desc->addr);

		good += desc->len >= 34 && ((packet[12] == 0x08 && packet[13] == 0x00) ||
					    (packet[12] == 0x86 && packet[13] == 0xdd));
		refill[*fill->producer & (FRAMES - 1)] = desc->addr;
		__atomic_store_n(fill->producer, *fill->producer + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(rx->consumer, consumed, __ATOMIC_RELEASE);
	return good;
}

int main(int argc, char **argv)
{
	struct sockaddr_xdp address = { .sxdp_family = AF_XDP, .sxdp_flags = XDP_ZEROCOPY };
	struct xdp_umem_reg umem = { .len = (__u64)FRAMES * FRAME, .chunk_size = FRAME };
	const int count = FRAMES;
	unsigned int wanted = 0, got = 0, i;
	struct xdp_mmap_offsets offsets;
	socklen_t size = sizeof(offsets);
	struct xsk_ring rx, fill;
	char *frames;
	int fd, opt;

	while ((opt = getopt(argc, argv, "+cn:")) != -1) {
		switch (opt) {
		case 'c': address.sxdp_flags = XDP_COPY; break;
		case 'n': wanted = strtoul(optarg, NULL, 0); break;
		default: optind = argc;
		}
	}
	if (optind + 1 >= argc)
		errx(2, "usage: xsk [-c] [-n PACKETS] IFACE QUEUE [COMMAND...]");
	address.sxdp_ifindex = xdp_index(argv[optind]);
	address.sxdp_queue_id = strtoul(argv[optind + 1], NULL, 0);

	frames = mmap(NULL, umem.len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	fd = socket(AF_XDP, SOCK_RAW, 0);
	if (frames == MAP_FAILED || fd < 0)
		err(2, "AF_XDP");
	umem.addr = (uintptr_t)frames;
	set(fd, XDP_UMEM_REG, &umem, sizeof(umem));
	set(fd, XDP_UMEM_FILL_RING, &count, sizeof(count));
	set(fd, XDP_UMEM_COMPLETION_RING, &count, sizeof(count));
	set(fd, XDP_RX_RING, &count, sizeof(count));
	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size))
		err(2, "AF_XDP offsets");
	rx = map_ring(fd, &offsets.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	fill = map_ring(fd, &offsets.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);
	for (i = 0; i < FRAMES; i++)
		((uint64_t *)fill.entries)[i] = (uint64_t)i * FRAME;
	__atomic_store_n(fill.producer, FRAMES, __ATOMIC_RELEASE);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		err(3, "AF_XDP bind");
	if (wanted)
		redirect(address.sxdp_ifindex, address.sxdp_queue_id, fd);
	opt = xdp_run(argv + optind + 2);
	for (i = 0; opt == 0 && got < wanted && i < 100; i++)
		got += take(fd, frames, &rx, &fill);
	if (wanted)
		printf("received %u\n", got);
	return opt ? opt : got < wanted ? 4 : 0;
}

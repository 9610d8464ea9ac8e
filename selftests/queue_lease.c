// SPDX-License-Identifier: GPL-2.0
/*
 * queue_lease NETIF QUEUE NETKIT NETNS NSID ADDRESS: lease a receive queue of NETIF
 * to the netkit device whose primary end is NETKIT and whose other end, "peer", is in
 * the network namespace NETNS (a file), in which ours has the number NSID. What comes
 * to NETIF for the IPv4 ADDRESS goes to that end, as long as this runs.
 * Prints "queue NUMBER": of the other end's receive queue.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "netdev_nl.h"

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

#define INSN(...) ((struct bpf_insn){ __VA_ARGS__ })
#define LOAD(size, offset) INSN(.code = BPF_LD | BPF_ABS | (size), .imm = (offset))
#define MOVE(to, value) INSN(.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (value))
/* past the redirection */
#define OTHERWISE(value, skip) \
	INSN(.code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = BPF_REG_0, .imm = (value), \
	     .off = (skip))
#define END INSN(.code = BPF_JMP | BPF_EXIT)

/* What netkit's containers get their packets by: to the other end, with no device between. */
static void redirect(unsigned int ifindex, unsigned int netkit, in_addr_t address)
{
	const struct bpf_insn insns[] = {
		INSN(.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6,
		     .src_reg = BPF_REG_1),
		LOAD(BPF_H, offsetof(struct ethhdr, h_proto)),
		OTHERWISE(ETH_P_IP, 6),
		LOAD(BPF_W, ETH_HLEN + offsetof(struct iphdr, daddr)),
		OTHERWISE((int)ntohl(address), 4),
		MOVE(BPF_REG_1, netkit),
		MOVE(BPF_REG_2, 0),
		INSN(.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_peer),
		END,
		MOVE(BPF_REG_0, TCX_NEXT),
		END,
	};
	union bpf_attr program = {
		.prog_type = BPF_PROG_TYPE_SCHED_CLS,
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(*insns),
		.license = (uintptr_t)"GPL",
	};
	union bpf_attr link = {
		.link_create.target_ifindex = ifindex,
		.link_create.attach_type = BPF_TCX_INGRESS,
	};
	int fd = bpf(BPF_PROG_LOAD, &program);

	if (fd < 0)
		err(1, "BPF_PROG_LOAD");
	link.link_create.prog_fd = fd;
	if (bpf(BPF_LINK_CREATE, &link) < 0)
		err(1, "BPF_LINK_CREATE");
}

int main(int argc, char **argv)
{
	unsigned int phys, netkit;
	int netns, queue;

	if (argc != 7)
		errx(2, "usage: queue_lease NETIF QUEUE NETKIT NETNS NSID ADDRESS");
	phys = if_nametoindex(argv[1]);
	netkit = if_nametoindex(argv[3]);
	if (!phys || !netkit)
		errx(1, "no such device: %s", phys ? argv[3] : argv[1]);
	redirect(phys, netkit, inet_addr(argv[6]));

	netns = open(argv[4], O_RDONLY | O_CLOEXEC);
	if (netns < 0 || setns(netns, CLONE_NEWNET))
		err(1, "%s", argv[4]);
	queue = netdev_nl_lease(netdev_nl_open(), if_nametoindex("peer"), phys, atoi(argv[2]),
				atoi(argv[5]));
	if (queue < 0)
		errx(1, "lease: %s %s", strerror(-queue), netdev_nl_message);
	printf("queue %d\n", queue);
	fflush(stdout);
	pause();
	return 0;
}

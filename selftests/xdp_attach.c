// SPDX-License-Identifier: GPL-2.0
/* xdp_attach IFACE: attach a program that passes every packet, in the driver, and take it away again. */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int main(int argc, char **argv)
{
	struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load, link;
	int program;

	if (argc != 2 || !if_nametoindex(argv[1])) {
		fprintf(stderr, "usage: xdp_attach IFACE\n");
		return 2;
	}
	memset(&load, 0, sizeof(load));
	load.prog_type = BPF_PROG_TYPE_XDP;
	load.expected_attach_type = BPF_XDP;
	load.insns = (uintptr_t)pass;
	load.insn_cnt = sizeof(pass) / sizeof(pass[0]);
	load.license = (uintptr_t)"GPL";
	program = bpf(BPF_PROG_LOAD, &load);
	if (program < 0) {
		perror("load");
		return 2;
	}
	memset(&link, 0, sizeof(link));
	link.link_create.prog_fd = program;
	link.link_create.target_ifindex = if_nametoindex(argv[1]);
	link.link_create.attach_type = BPF_XDP;
	link.link_create.flags = XDP_FLAGS_DRV_MODE;
	if (bpf(BPF_LINK_CREATE, &link) < 0) {
		perror("attach");
		return 1;
	}
	return 0;
}

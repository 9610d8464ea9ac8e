// SPDX-License-Identifier: GPL-2.0
#include <err.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xdp.h"

int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

unsigned int xdp_index(const char *netif)
{
	unsigned int ifindex = if_nametoindex(netif);

	if (!ifindex)
		err(2, "%s", netif);
	return ifindex;
}

int xdp_load(const struct bpf_insn *insns, unsigned int count, bool frags)
{
	union bpf_attr attr;
	int program;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.expected_attach_type = BPF_XDP;
	attr.prog_flags = frags ? BPF_F_XDP_HAS_FRAGS : 0;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = count;
	attr.license = (uintptr_t)"GPL";
	program = bpf(BPF_PROG_LOAD, &attr);
	if (program < 0)
		err(2, "load");
	return program;
}

int xdp_attach(unsigned int ifindex, int program, unsigned int flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = program;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = flags;
	return bpf(BPF_LINK_CREATE, &attr);
}

int xdp_run(char **command)
{
	int status;
	pid_t pid;

	if (!command[0])
		return 0;
	pid = fork();
	if (!pid) {
		execvp(command[0], command);
		err(127, "%s", command[0]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		err(2, "%s", command[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

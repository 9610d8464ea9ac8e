/* SPDX-License-Identifier: GPL-2.0 */
/* XDP without libbpf. What goes wrong besides attaching ends the program with 2. */
#ifndef XDP_H
#define XDP_H

#include <linux/bpf.h>
#include <stdbool.h>

int bpf(int command, union bpf_attr *attr);

unsigned int xdp_index(const char *netif);

/* Returns the file descriptor of a program. */
int xdp_load(const struct bpf_insn *insns, unsigned int count, bool frags);

/* Returns that of the link, which holds the program in place; or -1 with errno. */
int xdp_attach(unsigned int ifindex, int program, unsigned int flags);

/* Returns the status of a command; 0 when there is none. */
int xdp_run(char **command);

#endif

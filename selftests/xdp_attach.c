// SPDX-License-Identifier: GPL-2.0
/*
 * xdp_attach [-f] [-g] IFACE [COMMAND...]: attach a program that passes every
 * packet, in the driver, run the command meanwhile, and take it away again.
 * -f: the program takes packets in more than one buffer; -g: in the stack.
 * Exit status: the command's; 3 when the program was refused.
 */
#include <err.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdbool.h>
#include <unistd.h>

#include "xdp.h"

int main(int argc, char **argv)
{
	struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	bool generic = false, frags = false;
	int opt;

	while ((opt = getopt(argc, argv, "+fg")) != -1) {
		switch (opt) {
		case 'f': frags = true; break;
		case 'g': generic = true; break;
		default: optind = argc;
		}
	}
	if (optind >= argc)
		errx(2, "usage: xdp_attach [-f] [-g] IFACE [COMMAND...]");
	if (xdp_attach(xdp_index(argv[optind]), xdp_load(pass, 2, frags),
		       generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE) < 0)
		err(3, "attach");
	return xdp_run(argv + optind + 1);
}

/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Which network device and which GPU of a machine can talk, and if not, why. */
#ifndef TOPO_H
#define TOPO_H

#include <stdio.h>

#include "pci.h"

/* The machine's kernel. */
struct host {
	char root[200];			/* another machine's files are below; empty: this one */
	char release[128];
	char config[256];		/* the file that its options were read from; empty: none */
	const char *missing[16];	/* options */
	unsigned int nr_missing;
	enum known netgpu;
};

struct nic {
	const struct pci_device *pci;
	unsigned int ifindex;		/* 0: of another machine */
	enum known splits, split_on;	/* header and data of packets */
	enum known verifies;		/* checksums */
	enum known queue_api;		/* a queue can get other memory while the others run */
	unsigned int queues;		/* 0: not known */
	long queue;			/* that it is asked for */
};

struct exporter {
	const struct pci_device *pci;
	char name[64];			/* "renderD128", "vfio 0000:04:00.0" */
	char spec[64];			/* for netgpu_memory_open(); empty: nothing that it takes */
	bool permitted, small_bar;
};

struct verdict {
	enum known ok;			/* as things are */
	bool asked;			/* by the kernel; else it is what is to be expected */
	unsigned int where, way;	/* NETGPU_WHERE_*, NETGPU_WAY_*: or would be, were it ok */
	int distance;			/* bridges and links between; < 0: not known */
	char why[320];			/* not, or in host memory */
	char help[320];			/* a command, or what is to be done; empty: nothing that is known here */
	bool is_command;
};

struct pair {
	const struct nic *nic;
	const struct exporter *exporter;
	struct verdict receive, send;
};

struct topo {
	struct host host;
	struct pci_tree tree;
	struct nic *nics;
	struct exporter *exporters;
	struct pair *pairs;		/* of each nic with each exporter */
	unsigned int nr_nics, nr_exporters, nr_pairs;
};

/* topo_expect.c: from what sysfs says, without a question to the kernel */
void host_read(struct host *host);
void expect(const struct topo *t, struct pair *pair);

/* topo_print.c */
void topo_print(const struct topo *t, FILE *f);
void topo_print_json(const struct topo *t, FILE *f);
/* What to do, each once: commands, and sentences behind a "#". */
void topo_print_fix(const struct topo *t, FILE *f);
/* The kind, "NIC", "GPU", "bridge", and what else is to be said in a line. */
void topo_describe(const struct topo *t, const struct pci_device *d, char *text, size_t size);
const char *verdict_in_words(const struct verdict *v, char *text, size_t size);

/* topo_svg.c */
void topo_print_svg(const struct topo *t, FILE *f);

#endif

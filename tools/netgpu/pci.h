/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The PCI devices of a machine, and what they are for, as sysfs shows them. */
#ifndef PCI_H
#define PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_ADDRESS	16	/* bytes of "0000:03:00.0" */

/* PCI Code and ID Assignment Specification: the base class, and with the subclass. */
#define PCI_BASE_NETWORK	0x02
#define PCI_BASE_DISPLAY	0x03
#define PCI_BASE_ACCELERATOR	0x12
#define PCI_CLASS_BRIDGE	0x0604

enum known { UNKNOWN = -1, NO, YES };

struct pci_device {
	char address[PCI_ADDRESS];
	char root[PCI_ADDRESS];		/* "pci0000:00" */
	struct pci_device *parent;	/* the bridge that it is below; NULL: on the root's bus */
	uint32_t class;			/* 24 bits */
	uint16_t vendor, device;
	char driver[32];		/* empty: none */
	enum known proprietary;		/* its module says so */
	uint64_t bar;			/* bytes of its largest memory BAR */
	uint64_t bar_possible;		/* what that can be resized to; 0: it cannot */
	enum known acs_redirects;	/* a bridge: what is below it reaches each other through the host bridge */
	enum known translated;		/* its DMA goes through an IOMMU that translates */
	bool asleep;
	char iface[32];			/* network device; empty: none here */
	long speed;			/* Mbit/s; <= 0: not known */
	char node[32];			/* "renderD128"; empty: none */
	uint64_t vram, vram_visible;	/* bytes; 0: the driver does not say */
	bool shown;			/* a leaf of interest, or above one */
};

struct pci_tree {
	char sys[256];			/* "/sys" */
	struct pci_device *devices;	/* by address */
	unsigned int count;
};

/* All that is below @sys: 0 or -errno, which has been said. */
int pci_read(struct pci_tree *tree, const char *sys);
void pci_free(struct pci_tree *tree);

static inline unsigned int pci_base(const struct pci_device *d)
{
	return d->class >> 16;
}

/* A network card whose interface is here. */
bool pci_is_nic(const struct pci_device *d);
/* A GPU or accelerator, or what vfio-pci drives: something whose memory may be exported as a dma-buf. */
bool pci_is_exporter(const struct pci_device *d);

/* How Linux lets one device reach another (drivers/pci/p2pdma.c). */
enum pci_way { PCI_WAY_NONE, PCI_WAY_SWITCH, PCI_WAY_HOST_BRIDGE };

struct pci_path {
	enum pci_way way;
	int distance;			/* bridges and links between; -1: on different roots without a number */
	enum known sure;		/* NO: an ACS setting on the way could not be read */
	char redirects[128];		/* bridges whose ACS sends it up to the host bridge, as pci=disable_acs_redir= takes them */
	bool same_root;
};

struct pci_path pci_path(const struct pci_tree *tree, const struct pci_device *a, const struct pci_device *b);

/* Does Linux trust this root's host bridge with traffic between devices?  @same: and both are below it. */
bool pci_root_trusted(const struct pci_tree *tree, const char *root, bool same);

#endif

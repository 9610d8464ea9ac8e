/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Configuration space of a PCI Express endpoint (PCI Express Base Specification, chapter 7). */
#ifndef PCI_H
#define PCI_H

#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pci {
	uint8_t config[PCI_CFG_SPACE_EXP_SIZE];
	uint8_t writable[PCI_CFG_SPACE_EXP_SIZE];	/* bits that the guest may change */
	unsigned int next_capability;			/* where the next one's number goes */
	unsigned int end;				/* of the capabilities so far */
	unsigned int last_extended;
	unsigned int end_extended;
};

struct pci_ids {
	uint16_t vendor, device;
	uint16_t subsystem_vendor, subsystem;
	uint32_t class;			/* base class, subclass, interface */
	uint8_t revision;
	uint8_t capabilities;		/* where they begin; 0: at 0x50 */
};

/* pci_init - a device without BARs and capabilities */
void pci_init(struct pci *pci, const struct pci_ids *ids);

/* pci_add_bar - memory; size is a power of two, flags are PCI_BASE_ADDRESS_MEM_* */
void pci_add_bar(struct pci *pci, unsigned int index, uint64_t size, uint32_t flags);

/* pci_add_rom - an expansion ROM; size is a power of two */
void pci_add_rom(struct pci *pci, uint32_t size);

/* pci_add_endpoint - the capabilities every such device has: power management, PCI Express, MSI */
void pci_add_endpoint(struct pci *pci);

/* pci_add_intx - it has INTA */
void pci_add_intx(struct pci *pci);

/* pci_intx - what the status register says of INTA; false when the guest has it disabled */
bool pci_intx(struct pci *pci, bool asserted);

/* pci_add_vendor - an extended capability without meaning; the first one is at 0x100 */
void pci_add_vendor(struct pci *pci, uint16_t id, uint16_t length);

/* pci_add_resizable - a BAR can have any size from 1 MiB to max bytes, and has size */
void pci_add_resizable(struct pci *pci, unsigned int bar, uint64_t size, uint64_t max);

void pci_read(const struct pci *pci, uint64_t offset, void *data, size_t count);
void pci_write(struct pci *pci, uint64_t offset, const void *data, size_t count);

#endif

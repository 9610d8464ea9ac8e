// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <string.h>

#include "pci.h"

static void put(uint8_t *at, uint64_t value, unsigned int bytes)
{
	memcpy(at, &value, bytes);
}

void pci_init(struct pci *pci, const struct pci_ids *ids)
{
	uint8_t *c = pci->config;

	memset(pci, 0, sizeof(*pci));
	put(c + PCI_VENDOR_ID, ids->vendor, 2);
	put(c + PCI_DEVICE_ID, ids->device, 2);
	put(c + PCI_CLASS_REVISION, ids->class << 8 | ids->revision, 4);
	put(c + PCI_SUBSYSTEM_VENDOR_ID, ids->subsystem_vendor, 2);
	put(c + PCI_SUBSYSTEM_ID, ids->subsystem, 2);
	put(pci->writable + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
	    PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE, 2);
	pci->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	pci->writable[PCI_INTERRUPT_LINE] = 0xff;
	pci->next_capability = PCI_CAPABILITY_LIST;
	pci->end = ids->capabilities ? ids->capabilities : 0x50;
	pci->end_extended = PCI_CFG_SPACE_SIZE;
}

void pci_add_bar(struct pci *pci, unsigned int index, uint64_t size, uint32_t flags)
{
	unsigned int at = PCI_BASE_ADDRESS_0 + 4 * index;

	put(pci->config + at, flags, 4);
	put(pci->writable + at, ~(size - 1), flags & PCI_BASE_ADDRESS_MEM_TYPE_64 ? 8 : 4);
}

void pci_add_rom(struct pci *pci, uint32_t size)
{
	put(pci->writable + PCI_ROM_ADDRESS, ~(size - 1) | PCI_ROM_ADDRESS_ENABLE, 4);
}

static unsigned int add_capability(struct pci *pci, uint8_t id, unsigned int length)
{
	unsigned int at = pci->end;

	put(pci->config + pci->next_capability, at, 1);
	pci->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	pci->config[at] = id;
	pci->next_capability = at + PCI_CAP_LIST_NEXT;
	pci->end = (at + length + 7) & ~7u;
	return at;
}

void pci_add_endpoint(struct pci *pci)
{
	unsigned int at;

	at = add_capability(pci, PCI_CAP_ID_PM, PCI_PM_SIZEOF);
	put(pci->config + at + PCI_PM_PMC, 3, 2);
	put(pci->writable + at + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK, 2);

	at = add_capability(pci, PCI_CAP_ID_EXP, PCI_CAP_EXP_ENDPOINT_SIZEOF_V2);
	put(pci->config + at + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4, 2);
	put(pci->config + at + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR | 1, 4);
	put(pci->writable + at + PCI_EXP_DEVCTL, 0x7fff, 2);
	put(pci->config + at + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_8_0GB | 8 << 4, 4);
	put(pci->config + at + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_8_0GB | 8 << 4, 2);
	put(pci->config + at + PCI_EXP_LNKCAP2, 7 << 1, 4);
	put(pci->config + at + PCI_EXP_LNKCTL2, PCI_EXP_LNKCTL2_TLS_8_0GT, 2);

	at = add_capability(pci, PCI_CAP_ID_MSI, 14);
	put(pci->config + at + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT, 2);
	put(pci->writable + at + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, 2);
	put(pci->writable + at + PCI_MSI_ADDRESS_LO, 0xfffffffc, 4);
	put(pci->writable + at + PCI_MSI_ADDRESS_HI, 0xffffffff, 4);
	put(pci->writable + at + PCI_MSI_DATA_64, 0xffff, 2);
}

void pci_add_intx(struct pci *pci)
{
	pci->config[PCI_INTERRUPT_PIN] = 1;
}

bool pci_intx(struct pci *pci, bool asserted)
{
	uint16_t command;

	memcpy(&command, pci->config + PCI_COMMAND, sizeof(command));
	pci->config[PCI_STATUS] = (uint8_t)((pci->config[PCI_STATUS] & ~PCI_STATUS_INTERRUPT) | (asserted ? PCI_STATUS_INTERRUPT : 0));
	return !(command & PCI_COMMAND_INTX_DISABLE);
}

static unsigned int add_extended(struct pci *pci, uint16_t id, uint8_t version, unsigned int length)
{
	unsigned int at = pci->end_extended;

	put(pci->config + at, id | (uint32_t)version << 16, 4);
	if (pci->last_extended) {
		pci->config[pci->last_extended + 2] |= (uint8_t)(at << 4);
		pci->config[pci->last_extended + 3] = (uint8_t)(at >> 4);
	}
	pci->last_extended = at;
	pci->end_extended = (at + length + 7) & ~7u;
	return at;
}

void pci_add_vendor(struct pci *pci, uint16_t id, uint16_t length)
{
	unsigned int at = add_extended(pci, PCI_EXT_CAP_ID_VNDR, 1, length);

	put(pci->config + at + PCI_VNDR_HEADER, id | 1u << 16 | (uint32_t)length << 20, 4);
}

void pci_add_resizable(struct pci *pci, unsigned int bar, uint64_t size, uint64_t max)
{
	unsigned int at = add_extended(pci, PCI_EXT_CAP_ID_REBAR, 1, 12);
	uint32_t sizes = 0, current = 0, bit = 0;
	uint64_t s;

	for (s = 1 << 20; s <= max && bit < 28; s <<= 1, bit++) {
		sizes |= 1u << (bit + 4);
		if (s == size)
			current = bit;
	}
	put(pci->config + at + PCI_REBAR_CAP, sizes, 4);
	put(pci->config + at + PCI_REBAR_CTRL, bar | 1u << PCI_REBAR_CTRL_NBAR_SHIFT | current << 8, 4);
}

void pci_read(const struct pci *pci, uint64_t offset, void *data, size_t count)
{
	memcpy(data, pci->config + offset, count);
}

void pci_write(struct pci *pci, uint64_t offset, const void *data, size_t count)
{
	const uint8_t *from = data;
	size_t i;

	for (i = offset; i < offset + count; i++, from++)
		pci->config[i] = (uint8_t)((pci->config[i] & ~pci->writable[i]) | (*from & pci->writable[i]));
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Tables: from an address of the global table, or of a context, to local memory or to the guest's.
 *
 * The global table is in the card. A context's own has four levels, all in local memory; an entry of the second may be a page of
 * 1 GiB, one of the third a page of 2 MiB, or say that those below it are for pages of 64 KiB, of which only each sixteenth entry
 * is looked at (gt/gen8_ppgtt.c, gt/intel_gtt.h; xe/regs/xe_gtt_defs.h).
 */
#include <stdlib.h>
#include <string.h>

#include "dg1.h"

/* gt/intel_gtt.h */
#define PRESENT		(1ULL << 0)
#define GGTT_LOCAL	(1ULL << 1)
#define WRITABLE	(1ULL << 1)
#define LOCAL		(1ULL << 11)	/* of an entry for a page */
#define PDE_64K		(1ULL << 11)	/* of one for a table: GEN8_PDE_IPS_64K */
#define LARGE		(1ULL << 7)	/* of one for a table: it is for a page */
#define ADDRESS		0x7ffffffff000ULL

#define LEVELS		4
#define ENTRIES		512u

/* Where an address is behind all tables, and how much of length there is in one piece. */
static uint8_t *physical(struct dg1 *dg1, uint64_t address, bool local, size_t *length, bool write)
{
	if (!local)
		return device_guest_memory(&dg1->device, address, length, write);
	if (address >= dg1->lmem_size)
		return NULL;
	if (*length > dg1->lmem_size - address)
		*length = (size_t)(dg1->lmem_size - address);
	return dg1->lmem + address;
}

/* walk - the entry for an address, with the size of its page; false when there is none, with the cause */
static bool walk(struct dg1 *dg1, uint64_t space, uint64_t address, uint64_t *entry, uint64_t *page, uint32_t *cause)
{
	uint64_t table = space & ADDRESS;	/* xe gives it the bits of an entry, too */
	unsigned int level, index;
	size_t length = sizeof(*entry);
	bool large = false;

	for (level = LEVELS; level--; table = *entry & ADDRESS) {
		uint8_t *at = physical(dg1, table, true, &length, false);

		*cause = 1 + level;
		index = (unsigned int)(address >> (12 + 9 * level)) % ENTRIES;
		if (!level && large)
			index &= ~15u;
		if (!at || table + DG1_PAGE > dg1->lmem_size)
			return false;
		memcpy(entry, at + index * sizeof(*entry), sizeof(*entry));
		if (!(*entry & PRESENT))
			return false;
		*page = level || !large ? (uint64_t)DG1_PAGE << 9 * level : 16ULL * DG1_PAGE;
		if ((level == 1 || level == 2) && *entry & LARGE)
			return true;
		large = level == 1 && *entry & PDE_64K;
	}
	return true;
}

/* At most to the end of the page. */
void *dg1_gtt_translate(struct device *device, uint64_t space, uint64_t address, size_t *length, bool write, uint32_t *cause)
{
	uint64_t entry, page = DG1_PAGE, local;
	struct dg1 *dg1 = to_dg1(device);

	if (space) {
		if (!walk(dg1, space, address, &entry, &page, cause))
			goto nowhere;
		local = entry & LOCAL;
		*cause = LEVELS + 1;
		if (write && !(entry & WRITABLE))
			goto nowhere;
	} else {
		*cause = 1;
		if (address / DG1_PAGE >= DG1_GGTT_SIZE / sizeof(*dg1->ggtt))
			goto nowhere;
		entry = dg1->ggtt[address / DG1_PAGE];
		local = entry & GGTT_LOCAL;
		if (!(entry & PRESENT))
			goto nowhere;
	}
	*cause = 0;
	if (*length > page - address % page)
		*length = (size_t)(page - address % page);
	return physical(dg1, (entry & ADDRESS & ~(page - 1)) + address % page, local, length, write);

nowhere:
	if (*length > DG1_PAGE - address % DG1_PAGE)
		*length = (size_t)(DG1_PAGE - address % DG1_PAGE);
	return NULL;
}

/* Only the first fault is kept, until the driver has looked at it (gt/intel_gt.c: intel_gt_check_and_clear_faults()). */
void dg1_gtt_fault(struct device *device, uint64_t space, uint64_t address, bool write, uint32_t cause)
{
	struct dg1 *dg1 = to_dg1(device);

	(void)write;
	if (dg1->reg[WORD(GEN12_RING_FAULT_REG)] & RING_FAULT_VALID)
		return;
	dg1->reg[WORD(GEN12_FAULT_TLB_DATA0)] = (uint32_t)(address >> 12);
	dg1->reg[WORD(GEN12_FAULT_TLB_DATA1)] = (uint32_t)(address >> 44 & 0xf) | (space ? 0 : (uint32_t)FAULT_GTT_SEL);
	dg1->reg[WORD(GEN12_RING_FAULT_REG)] = RING_FAULT_VALID | FIELD_PREP(RING_FAULT_FAULT_TYPE_MASK, cause & 3);
}

void dg1_ggtt_read(struct dg1 *dg1, uint64_t offset, void *data, size_t count)
{
	if (offset >= DG1_GGTT_SIZE || count > DG1_GGTT_SIZE - offset)
		memset(data, 0, count);
	else
		memcpy(data, (uint8_t *)dg1->ggtt + offset, count);
}

void dg1_ggtt_write(struct dg1 *dg1, uint64_t offset, const void *data, size_t count)
{
	if (offset < DG1_GGTT_SIZE && count <= DG1_GGTT_SIZE - offset)
		memcpy((uint8_t *)dg1->ggtt + offset, data, count);
}

bool dg1_gtt_init(struct dg1 *dg1)
{
	static const struct register_range used[] = {
		{ WORD(GEN12_FAULT_TLB_DATA0), WORD(GEN12_FAULT_TLB_DATA1) },
		{ WORD(GEN12_RING_FAULT_REG), WORD(GEN12_RING_FAULT_REG) },
	};

	registers_plain(&dg1->registers, used, ARRAY_SIZE(used));
	dg1->ggtt = calloc(1, DG1_GGTT_SIZE);
	return dg1->ggtt;
}

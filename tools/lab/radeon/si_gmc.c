// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The memory controller: from an address in the space of a VMID to VRAM or to the guest's memory.
 *
 * VMID 0 sees VRAM at MC_VM_FB_LOCATION, and what the table of context 0 (the GART) says elsewhere. The others have tables
 * of one or two levels. Where a table is, is an address in VMID 0. An entry for a page names it by its offset in VRAM, or
 * with SYSTEM by its address on the bus.
 */
#include <string.h>

#include "gmc/gmc_6_0_d.h"
#include "gmc/gmc_6_0_sh_mask.h"

#include "si.h"

/* amdgpu_vm.h: AMDGPU_PTE_* */
#define PTE_VALID	(1ULL << 0)
#define PTE_SYSTEM	(1ULL << 1)
#define PTE_READABLE	(1ULL << 5)
#define PTE_WRITEABLE	(1ULL << 6)
#define PTE_ADDRESS	0xfffffff000ULL

/* gmc_v6_0.c: gmc_v6_0_sw_init() */
#define SOURCE_PAGE_INVALID	146
#define SOURCE_PROTECTION	147

#define FAULT_RANGE	(1u << 0)
#define FAULT_VALID	(1u << 3)
#define FAULT_READ	(1u << 4)
#define FAULT_WRITE	(1u << 5)
#define CLIENT_DMA	0x30u

static uint64_t vram_start(const struct si *si)
{
	return (uint64_t)field(si->reg[mmMC_VM_FB_LOCATION], MC_VM_FB_LOCATION__FB_BASE_MASK) << 24;
}

/* Where an address of VMID 0 or of the bus is, and how much of length there is in one piece. */
static uint8_t *physical(struct si *si, uint64_t address, bool system, size_t *length, bool write)
{
	uint64_t start = vram_start(si);

	if (system)
		return device_guest_memory(&si->device, address, length, write);
	if (address < start || address - start >= si->vram_size)
		return NULL;
	if (*length > si->vram_size - (address - start))
		*length = (size_t)(si->vram_size - (address - start));
	return si->vram + (address - start);
}

static bool entry(struct si *si, uint64_t address, bool system, uint64_t *value)
{
	size_t length = sizeof(*value);
	uint8_t *at = physical(si, address, system, &length, false);

	if (!at || length < sizeof(*value))
		return false;
	memcpy(value, at, sizeof(*value));
	return true;
}

/* walk - the entry for a page; false when there is none, with the cause */
static bool walk(struct si *si, unsigned int vmid, uint64_t address, uint64_t *pte, uint32_t *cause)
{
	unsigned int context = vmid ? 1 : 0;
	uint32_t cntl = si->reg[vmid ? mmVM_CONTEXT1_CNTL : mmVM_CONTEXT0_CNTL];
	uint64_t base = si->reg[vmid < 8 ? mmVM_CONTEXT0_PAGE_TABLE_BASE_ADDR + vmid :
					    mmVM_CONTEXT8_PAGE_TABLE_BASE_ADDR + vmid - 8] * SI_PAGE;
	uint64_t page = address / SI_PAGE, pde;
	unsigned int bits;

	*cause = FAULT_RANGE;
	if (!(cntl & VM_CONTEXT1_CNTL__ENABLE_CONTEXT_MASK) ||
	    page < si->reg[mmVM_CONTEXT0_PAGE_TABLE_START_ADDR + context] ||
	    page > si->reg[mmVM_CONTEXT0_PAGE_TABLE_END_ADDR + context])
		return false;
	page -= si->reg[mmVM_CONTEXT0_PAGE_TABLE_START_ADDR + context];

	*cause = FAULT_VALID;
	if (!field(cntl, VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH_MASK))
		return entry(si, base + page * sizeof(*pte), false, pte) && *pte & PTE_VALID;

	bits = 9 + field(cntl, VM_CONTEXT1_CNTL__PAGE_TABLE_BLOCK_SIZE_MASK);
	if (!entry(si, base + (page >> bits) * sizeof(pde), false, &pde) || !(pde & PTE_VALID))
		return false;
	page &= (1ULL << bits) - 1;
	return entry(si, (pde & PTE_ADDRESS) + page * sizeof(*pte), pde & PTE_SYSTEM, pte) && *pte & PTE_VALID;
}

/* At most to the end of the page when it goes through a table. */
void *si_gmc_translate(struct device *device, uint64_t vmid, uint64_t address, size_t *length, bool write, uint32_t *cause)
{
	size_t left = (size_t)(SI_PAGE - address % SI_PAGE);
	struct si *si = to_si(device);
	uint64_t pte, target;
	uint8_t *at;

	address %= SI_ADDRESSES;
	if (!vmid) {
		at = physical(si, address, false, length, write);
		if (at)
			return at;
	}
	if (*length > left)
		*length = left;
	if (!walk(si, (unsigned int)vmid, address, &pte, cause))
		return NULL;
	if (!(pte & (write ? PTE_WRITEABLE : PTE_READABLE))) {
		*cause = write ? FAULT_WRITE : FAULT_READ;
		return NULL;
	}
	*cause = 0;
	target = (pte & PTE_ADDRESS) + address % SI_PAGE;
	if (!(pte & PTE_SYSTEM))
		target += vram_start(si);
	return physical(si, target, pte & PTE_SYSTEM, length, write);
}

/* Only the first fault is kept, until the driver has looked at it. */
void si_gmc_fault(struct device *device, uint64_t vmid, uint64_t address, bool write, uint32_t cause)
{
	uint32_t interrupts = VM_CONTEXT1_CNTL__VALID_PROTECTION_FAULT_ENABLE_INTERRUPT_MASK |
			      VM_CONTEXT1_CNTL__RANGE_PROTECTION_FAULT_ENABLE_INTERRUPT_MASK;
	struct si *si = to_si(device);

	if (si->reg[mmVM_CONTEXT1_PROTECTION_FAULT_STATUS])
		return;
	si->reg[mmVM_CONTEXT1_PROTECTION_FAULT_ADDR] = (uint32_t)(address % SI_ADDRESSES / SI_PAGE);
	si->reg[mmVM_CONTEXT1_PROTECTION_FAULT_STATUS] =
		cause | CLIENT_DMA << VM_CONTEXT1_PROTECTION_FAULT_STATUS__MEMORY_CLIENT_ID__SHIFT |
		(uint32_t)write << VM_CONTEXT1_PROTECTION_FAULT_STATUS__MEMORY_CLIENT_RW__SHIFT |
		(uint32_t)vmid << VM_CONTEXT1_PROTECTION_FAULT_STATUS__VMID__SHIFT;
	if (si->reg[mmVM_CONTEXT1_CNTL] & interrupts)
		si_ih_post(si, cause & (FAULT_READ | FAULT_WRITE) ? SOURCE_PROTECTION : SOURCE_PAGE_INVALID, 0, 0, (uint8_t)vmid);
}

/* Table entries are looked up each time, so there is nothing to invalidate: the answer is there at once. */
static void invalidate(struct device *device, uint32_t index, uint32_t before)
{
	struct si *si = to_si(device);

	(void)before;
	si->reg[mmVM_INVALIDATE_RESPONSE] = si->reg[index];
	si->reg[index] = 0;
}

static void fault_seen(struct device *device, uint32_t index, uint32_t before)
{
	struct si *si = to_si(device);

	(void)before;
	if (si->reg[index] & 1) {
		si->reg[mmVM_CONTEXT1_PROTECTION_FAULT_ADDR] = 0;
		si->reg[mmVM_CONTEXT1_PROTECTION_FAULT_STATUS] = 0;
	}
}

bool si_gmc_init(struct si *si)
{
	static const struct register_hook hooks[] = {
		{ mmVM_INVALIDATE_REQUEST, mmVM_INVALIDATE_REQUEST, NULL, invalidate },
		{ mmVM_CONTEXT1_CNTL2, mmVM_CONTEXT1_CNTL2, NULL, fault_seen },
	};
	/* Looked at when an address is translated, or told of. */
	static const struct register_range used[] = {
		{ mmMC_VM_FB_LOCATION, mmMC_VM_FB_LOCATION }, { mmVM_INVALIDATE_RESPONSE, mmVM_INVALIDATE_RESPONSE },
		{ mmVM_CONTEXT0_CNTL, mmVM_CONTEXT0_CNTL }, { mmVM_CONTEXT1_CNTL, mmVM_CONTEXT1_CNTL },
		{ mmVM_CONTEXT0_PAGE_TABLE_START_ADDR, mmVM_CONTEXT0_PAGE_TABLE_START_ADDR },
		{ mmVM_CONTEXT1_PAGE_TABLE_START_ADDR, mmVM_CONTEXT1_PAGE_TABLE_START_ADDR },
		{ mmVM_CONTEXT0_PAGE_TABLE_END_ADDR, mmVM_CONTEXT0_PAGE_TABLE_END_ADDR },
		{ mmVM_CONTEXT1_PAGE_TABLE_END_ADDR, mmVM_CONTEXT1_PAGE_TABLE_END_ADDR },
		{ mmVM_CONTEXT1_PROTECTION_FAULT_ADDR, mmVM_CONTEXT1_PROTECTION_FAULT_ADDR },
		{ mmVM_CONTEXT1_PROTECTION_FAULT_STATUS, mmVM_CONTEXT1_PROTECTION_FAULT_STATUS },
		{ mmVM_CONTEXT0_PAGE_TABLE_BASE_ADDR, mmVM_CONTEXT0_PAGE_TABLE_BASE_ADDR + 7 },
		{ mmVM_CONTEXT8_PAGE_TABLE_BASE_ADDR, mmVM_CONTEXT8_PAGE_TABLE_BASE_ADDR + 7 },
	};

	registers_plain(&si->registers, used, ARRAY_SIZE(used));
	return registers_hook(&si->registers, hooks, ARRAY_SIZE(hooks));
}

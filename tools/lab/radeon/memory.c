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

#include "gpu.h"

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

static uint64_t vram_start(const struct gpu *gpu)
{
	return (uint64_t)gpu_field(gpu->reg[mmMC_VM_FB_LOCATION], MC_VM_FB_LOCATION__FB_BASE_MASK) << 24;
}

/* Only the first fault is kept, until the driver has looked at it. */
static void fault(struct gpu *gpu, unsigned int vmid, uint64_t address, bool write, uint32_t cause)
{
	uint32_t interrupts = VM_CONTEXT1_CNTL__VALID_PROTECTION_FAULT_ENABLE_INTERRUPT_MASK |
			      VM_CONTEXT1_CNTL__RANGE_PROTECTION_FAULT_ENABLE_INTERRUPT_MASK;

	gpu->count.faults++;
	if (gpu->reg[mmVM_CONTEXT1_PROTECTION_FAULT_STATUS])
		return;
	gpu->reg[mmVM_CONTEXT1_PROTECTION_FAULT_ADDR] = (uint32_t)(address / GPU_PAGE);
	gpu->reg[mmVM_CONTEXT1_PROTECTION_FAULT_STATUS] =
		cause | CLIENT_DMA << VM_CONTEXT1_PROTECTION_FAULT_STATUS__MEMORY_CLIENT_ID__SHIFT |
		(uint32_t)write << VM_CONTEXT1_PROTECTION_FAULT_STATUS__MEMORY_CLIENT_RW__SHIFT |
		vmid << VM_CONTEXT1_PROTECTION_FAULT_STATUS__VMID__SHIFT;
	if (gpu->reg[mmVM_CONTEXT1_CNTL] & interrupts)
		interrupt_post(gpu, cause & (FAULT_READ | FAULT_WRITE) ? SOURCE_PROTECTION : SOURCE_PAGE_INVALID,
			       0, 0, (uint8_t)vmid);
}

/* Where an address of VMID 0 or of the bus is, and how much of length there is in one piece. */
static uint8_t *physical(struct gpu *gpu, uint64_t address, bool system, size_t *length, bool write)
{
	uint64_t start = vram_start(gpu);

	if (system)
		return vfio_user_memory(&gpu->user, address, length, write);
	if (address < start || address - start >= gpu->vram_size)
		return NULL;
	if (*length > gpu->vram_size - (address - start))
		*length = (size_t)(gpu->vram_size - (address - start));
	return gpu->vram + (address - start);
}

static bool entry(struct gpu *gpu, uint64_t address, bool system, uint64_t *value)
{
	size_t length = sizeof(*value);
	uint8_t *at = physical(gpu, address, system, &length, false);

	if (!at || length < sizeof(*value))
		return false;
	memcpy(value, at, sizeof(*value));
	return true;
}

/* walk - the entry for a page; false when there is none, with the cause */
static bool walk(struct gpu *gpu, unsigned int vmid, uint64_t address, uint64_t *pte, uint32_t *cause)
{
	unsigned int context = vmid ? 1 : 0;
	uint32_t cntl = gpu->reg[vmid ? mmVM_CONTEXT1_CNTL : mmVM_CONTEXT0_CNTL];
	uint64_t base = gpu->reg[vmid < 8 ? mmVM_CONTEXT0_PAGE_TABLE_BASE_ADDR + vmid :
					    mmVM_CONTEXT8_PAGE_TABLE_BASE_ADDR + vmid - 8] * GPU_PAGE;
	uint64_t page = address / GPU_PAGE, pde;
	unsigned int bits;

	*cause = FAULT_RANGE;
	if (!(cntl & VM_CONTEXT1_CNTL__ENABLE_CONTEXT_MASK) ||
	    page < gpu->reg[mmVM_CONTEXT0_PAGE_TABLE_START_ADDR + context] ||
	    page > gpu->reg[mmVM_CONTEXT0_PAGE_TABLE_END_ADDR + context])
		return false;
	page -= gpu->reg[mmVM_CONTEXT0_PAGE_TABLE_START_ADDR + context];

	*cause = FAULT_VALID;
	if (!gpu_field(cntl, VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH_MASK))
		return entry(gpu, base + page * sizeof(*pte), false, pte) && *pte & PTE_VALID;

	bits = 9 + gpu_field(cntl, VM_CONTEXT1_CNTL__PAGE_TABLE_BLOCK_SIZE_MASK);
	if (!entry(gpu, base + (page >> bits) * sizeof(pde), false, &pde) || !(pde & PTE_VALID))
		return false;
	page &= (1ULL << bits) - 1;
	return entry(gpu, (pde & PTE_ADDRESS) + page * sizeof(*pte), pde & PTE_SYSTEM, pte) && *pte & PTE_VALID;
}

/* translate - where an address is; at most to the end of its page when it goes through a table */
static uint8_t *translate(struct gpu *gpu, unsigned int vmid, uint64_t address, size_t *length, bool write)
{
	size_t left = (size_t)(GPU_PAGE - address % GPU_PAGE);
	uint64_t pte, target;
	uint32_t cause;
	uint8_t *at;

	address %= GPU_ADDRESSES;
	if (!vmid) {
		at = physical(gpu, address, false, length, write);
		if (at)
			return at;
	}
	if (*length > left)
		*length = left;
	if (!walk(gpu, vmid, address, &pte, &cause)) {
		fault(gpu, vmid, address, write, cause);
		return NULL;
	}
	if (!(pte & (write ? PTE_WRITEABLE : PTE_READABLE))) {
		fault(gpu, vmid, address, write, write ? FAULT_WRITE : FAULT_READ);
		return NULL;
	}
	target = (pte & PTE_ADDRESS) + address % GPU_PAGE;
	if (!(pte & PTE_SYSTEM))
		target += vram_start(gpu);
	at = physical(gpu, target, pte & PTE_SYSTEM, length, write);
	if (!at)
		gpu->count.unreachable_bytes += *length;
	return at;
}

/* What cannot be read is zero, and what cannot be written is lost, as on the bus. */

bool memory_read(struct gpu *gpu, unsigned int vmid, uint64_t address, void *to, size_t length)
{
	bool all = true;
	uint8_t *p = to;

	while (length) {
		size_t n = length;
		uint8_t *at = translate(gpu, vmid, address, &n, false);

		if (at)
			memcpy(p, at, n);
		else
			memset(p, 0, n);
		all = all && at;
		p += n;
		address += n;
		length -= n;
	}
	return all;
}

bool memory_write(struct gpu *gpu, unsigned int vmid, uint64_t address, const void *from, size_t length)
{
	const uint8_t *p = from;
	bool all = true;

	while (length) {
		size_t n = length;
		uint8_t *at = translate(gpu, vmid, address, &n, true);

		if (at)
			memcpy(at, p, n);
		all = all && at;
		p += n;
		address += n;
		length -= n;
	}
	return all;
}

void memory_copy(struct gpu *gpu, unsigned int vmid, uint64_t to, uint64_t from, size_t length)
{
	gpu->count.bytes_copied += length;
	while (length) {
		size_t n = length;
		uint8_t *source = translate(gpu, vmid, from, &n, false), *target = translate(gpu, vmid, to, &n, true);

		if (source && target)
			memmove(target, source, n);
		else if (target)
			memset(target, 0, n);
		from += n;
		to += n;
		length -= n;
	}
}

void memory_fill(struct gpu *gpu, unsigned int vmid, uint64_t to, uint32_t value, size_t words)
{
	gpu->count.bytes_filled += words * sizeof(value);
	while (words) {
		size_t n = words * sizeof(value), i;
		uint32_t *at = (uint32_t *)translate(gpu, vmid, to & ~3ULL, &n, true);

		for (i = 0; at && i < n / sizeof(value); i++)
			at[i] = value;
		to += n;
		words -= n / sizeof(value);
	}
}

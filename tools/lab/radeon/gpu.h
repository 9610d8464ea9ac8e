/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A GPU of the Southern Islands family, as far as the kernel's amdgpu needs it: Hainan, which has no display.
 *
 * Registers, their fields and the packets have the names of the kernel's headers (drivers/gpu/drm/amd/include/asic_reg,
 * sid.h), and come from there; what they do was read in the driver. A register is a number of 32-bit words from the start
 * of its BAR.
 *
 * All of it runs in one thread. A write to a ring's write pointer is answered at once; the ring is executed after that,
 * a few packets at a time (gpu_run()).
 */
#ifndef GPU_H
#define GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pci.h"
#include "vfio_user.h"

#define GPU_REGISTERS	0x10000ul	/* words of the register BAR, 256 KiB */
#define GPU_INDIRECT	0x1000		/* words of each space that is reached by an index and a data register */
#define GPU_ROM		0x2000		/* bytes of the video BIOS */
#define GPU_ADDRESSES	(1ULL << 40)	/* bytes that the memory controller addresses */
#define GPU_PAGE	4096ULL

enum gpu_engine_id {
	ENGINE_DMA0,
	ENGINE_DMA1,
	ENGINE_CP0,		/* graphics and compute */
	ENGINE_CP1,		/* compute */
	ENGINE_CP2,
	ENGINES,
};

/* Where packets are fetched from: a ring, or an indirect buffer. */
struct gpu_fetch {
	uint64_t base;		/* address in the space of vmid */
	uint32_t mask;		/* words of a ring, less one; ~0: no ring */
	uint32_t at, end;	/* in words */
	unsigned int vmid;
};

struct gpu_engine {
	enum gpu_engine_id id;
	struct gpu_fetch ring, indirect;
	bool in_indirect;
	bool waiting;		/* for memory or a register to change */
	bool stalled;		/* on demand (control.c), until it is resumed or reset */
	bool hung;		/* at a packet it does not know, until it is reset */
	uint64_t packets;
};

struct gpu_count {
	uint64_t register_reads, register_writes, unknown_registers;
	uint64_t interrupts, interrupts_lost, ring_overflows;
	uint64_t faults, unknown_packets, unreachable_bytes;
	uint64_t bytes_copied, bytes_filled, fences, traps, resets;
};

struct gpu {
	struct vfio_user user;
	struct pci pci;
	uint8_t *vram;
	uint64_t vram_size, bar_size;	/* bytes; the BAR is the start of VRAM */
	uint8_t rom[GPU_ROM];

	uint32_t reg[GPU_REGISTERS];
	uint32_t pcie[GPU_INDIRECT], pcie_port[GPU_INDIRECT], smc[GPU_INDIRECT];
	uint64_t seen[GPU_REGISTERS / 64];	/* unknown registers that were reported */
	uint64_t known[GPU_REGISTERS / 64];

	struct gpu_engine engine[ENGINES];
	bool interrupt_armed, interrupts_dropped;
	unsigned int absence;		/* ms that the registers do not answer after a reset, on demand */
	uint64_t absent_until;		/* ms, CLOCK_MONOTONIC */
	struct gpu_count count;
};

static inline uint32_t gpu_field(uint32_t value, uint32_t mask)
{
	return (value & mask) / (mask & -mask);
}

/* gpu.c: the device */
int gpu_init(struct gpu *gpu, int vram, uint64_t vram_size, uint64_t bar_size);
void gpu_reset(struct gpu *gpu);
/* gpu_run - let the engines work a while; how long to wait for the next time in ms, -1: until a message comes */
int gpu_run(struct gpu *gpu);

/* registers.c */
void registers_init(struct gpu *gpu);
void registers_reset(struct gpu *gpu);
uint32_t register_read(struct gpu *gpu, uint32_t index);
void register_write(struct gpu *gpu, uint32_t index, uint32_t value);
/* register_set - by a packet: as register_write(), but state that only the 3D engine uses is not looked at */
void register_set(struct gpu *gpu, uint32_t index, uint32_t value);
const char *register_name(uint32_t index);

/* memory.c: the memory controller. Addresses are those of a VMID; 0 is the kernel's. */
bool memory_read(struct gpu *gpu, unsigned int vmid, uint64_t address, void *to, size_t length);
bool memory_write(struct gpu *gpu, unsigned int vmid, uint64_t address, const void *from, size_t length);
void memory_copy(struct gpu *gpu, unsigned int vmid, uint64_t to, uint64_t from, size_t length);
void memory_fill(struct gpu *gpu, unsigned int vmid, uint64_t to, uint32_t value, size_t words);

/* interrupts.c: the interrupt ring */
void interrupt_post(struct gpu *gpu, uint8_t source, uint32_t data, uint8_t ring, uint8_t vmid);
void interrupt_rearm(struct gpu *gpu);

/* engine.c: what all engines do */
extern const char *const engine_names[ENGINES];
void engine_reset(struct gpu_engine *engine);
bool engine_runnable(const struct gpu *gpu, const struct gpu_engine *engine);
bool engine_words(struct gpu *gpu, struct gpu_fetch *fetch, uint32_t skip, uint32_t *to, uint32_t words);
bool engine_compare(uint32_t value, uint32_t reference, uint32_t mask, uint32_t function);
void engine_unknown(struct gpu *gpu, struct gpu_engine *engine, uint32_t header);

/* dma.c, cp.c: one packet; false when it has to wait */
bool dma_packet(struct gpu *gpu, struct gpu_engine *engine, struct gpu_fetch *fetch);
bool cp_packet(struct gpu *gpu, struct gpu_engine *engine, struct gpu_fetch *fetch);

/* dma.c, cp.c: the registers of a ring */
bool dma_enabled(const struct gpu *gpu, const struct gpu_engine *engine);
bool cp_enabled(const struct gpu *gpu, const struct gpu_engine *engine);
void dma_ring(struct gpu *gpu, struct gpu_engine *engine);
void cp_ring(struct gpu *gpu, struct gpu_engine *engine);
void dma_report(struct gpu *gpu, struct gpu_engine *engine);
void cp_report(struct gpu *gpu, struct gpu_engine *engine);

/* rom.c: files that come with such a card */
void rom_make(uint8_t rom[GPU_ROM], const struct pci_ids *ids);
int firmware_make(const char *directory);

/* control.c: faults on demand, and figures */
void control_summary(const struct gpu *gpu, int fd);
void control_command(struct gpu *gpu, const char *line, int fd);

#endif

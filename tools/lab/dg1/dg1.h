/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A DG1 (Iris Xe MAX) as far as the kernel's i915 needs it, by execlists (enable_guc=0) or by the microcontroller: the render
 * engine, which only executes commands of the memory interface, and the blitter. Display and media are fused off.
 *
 * Registers and commands have the names of the kernel's headers (i915_headers.h); what they do was read in the driver, and in
 * Intel's Programmer's Reference Manual for DG1 where it says so. A register is its offset in bytes in those headers.
 *
 * The files here call only those before them in this order, and what is in ../device (device.h): dg1_irq, dg1_gtt,
 * dg1_execlists, dg1_guc, dg1_blt, dg1_mi, dg1_registers, dg1_card, dg1.
 */
#ifndef LAB_DG1_H
#define LAB_DG1_H

#include "engine.h"
#include "i915_headers.h"
#include "registers.h"

#define DG1_REGISTERS	(4u << 20)	/* bytes of registers, at the start of GTTMMADR */
#define DG1_GGTT	(8u << 20)	/* where the global table is there */
#define DG1_GTTMMADR	(16u << 20)	/* bytes */
#define DG1_GGTT_SIZE	(2u << 20)	/* bytes of the table: 1 GiB of addresses */
#define DG1_PAGE	4096u
#define DG1_CLOCK	19200000u	/* Hz, of timestamps */
#define DG1_IMAGE	0xfffff000ULL	/* of a descriptor: where its image is in the global table */
#define DG1_PORTS	2		/* contexts that are submitted at once */

#define WORD(offset)	((offset) / 4u)	/* the index of a register */

enum dg1_engine {
	DG1_RCS,	/* render */
	DG1_BCS,	/* blitter */
	DG1_ENGINES,
	DG1_GUC = DG1_ENGINES,	/* the microcontroller, which has interrupts as they have */
	DG1_SOURCES,
};

/* An engine's contexts. A descriptor is 0 when there is none. */
struct dg1_execlists {
	uint64_t active, next;			/* what is executed, and what comes then */
	uint64_t pending[DG1_PORTS];		/* submitted; to be taken at the next point where that may be */
	bool leave;				/* the active one is to go, though there is none in its place */
	bool arbitration;			/* it may be taken now */
	bool told;				/* that a semaphore is waited for */
	uint64_t space;				/* of the active context's own tables (memory.h) */
	uint32_t status;			/* the last entry of the status buffer */
	uint64_t since;				/* timestamp: active */
};

struct dg1 {
	struct device device;
	struct registers registers;
	struct engine engine[DG1_ENGINES];
	struct dg1_execlists execlists[DG1_ENGINES];
	struct dg1_guc *guc;
	uint32_t *reg;			/* of registers, what they remember */
	uint64_t *ggtt;			/* the global table */
	uint8_t *lmem;			/* local memory */
	uint64_t lmem_size;		/* bytes; the BAR is its start */
	uint16_t irq[DG1_SOURCES];	/* what each has to say */
	uint32_t irq_latched;		/* GEN11_GT_INTR_DW(0) */
	bool irq_told;			/* a message is under way */
	uint64_t requests, switches, preemptions, loads, taken_off;
	uint64_t wraps;			/* of the buffer of requests */
	uint64_t unheard;		/* by the GuC, or by the driver: a buffer of messages was broken or full */
};

static inline struct dg1 *to_dg1(const struct device *device)
{
	return container_of(device, struct dg1, device);
}

/* dg1_base - where the registers of an engine are */
static inline uint32_t dg1_base(unsigned int engine)
{
	return engine == DG1_RCS ? RENDER_RING_BASE : BLT_RING_BASE;
}

static inline struct dg1_execlists *dg1_contexts(const struct engine *engine)
{
	return &to_dg1(engine->device)->execlists[engine->id];
}

/* dg1_address - of two words of a command, the lower one first */
static inline uint64_t dg1_address(const uint32_t *words)
{
	return (uint64_t)words[1] << 32 | words[0];
}

/* dg1_set - a register, by a command or out of an image: neither starts contexts nor resets engines */
static inline void dg1_set(const struct engine *engine, uint32_t index, uint32_t value)
{
	const uint32_t offset = 4 * index % 0x1000;
	const uint32_t block = index / WORD(0x1000);
	const bool of_engine = block == RENDER_RING_BASE / 0x1000 || block == BLT_RING_BASE / 0x1000;

	if (index == WORD(GEN6_GDRST) || index == WORD(GEN11_GUC_HOST_INTERRUPT) || index == WORD(DMA_CTRL) || (of_engine && (offset == RING_EXECLIST_CONTROL(0) || offset == RING_RESET_CTL(0))))
		return;
	registers_write(engine->device, index, value);
}

/* dg1_masked - a register whose upper half says which bits of the lower half are written */
static inline uint32_t dg1_masked(uint32_t before, uint32_t value)
{
	return ((before & ~(value >> 16)) | (value & (value >> 16))) & 0xffff;
}

/* dg1_irq.c: interrupts, as DG1 and gen11 have them */
bool dg1_irq_init(struct dg1 *dg1);
void dg1_irq_reset(struct dg1 *dg1);
void dg1_irq_raise(struct dg1 *dg1, unsigned int from, uint32_t bits);	/* GT_*_INTERRUPT, GUC_INTR_* */
void dg1_irq_update(struct dg1 *dg1);

/*
 * dg1_gtt.c: the global table, which is space 0 (memory.h), and those of contexts: a space is where the first of its four
 * tables is, with the lowest bit set
 */
bool dg1_gtt_init(struct dg1 *dg1);
void *dg1_gtt_translate(struct device *device, uint64_t space, uint64_t address, size_t *length, bool write, uint32_t *cause);
void dg1_gtt_fault(struct device *device, uint64_t space, uint64_t address, bool write, uint32_t cause);
void dg1_ggtt_read(struct dg1 *dg1, uint64_t offset, void *data, size_t count);
void dg1_ggtt_write(struct dg1 *dg1, uint64_t offset, const void *data, size_t count);

/* dg1_execlists.c: contexts, and how they follow each other */
bool dg1_execlists_init(struct dg1 *dg1);
void dg1_execlists_reset(struct engine *engine);
bool dg1_execlists_enabled(const struct engine *engine);
void dg1_execlists_submit(struct engine *engine);
void dg1_execlists_empty(struct engine *engine);
/* dg1_execlists_yield - take what was submitted, if there is something and it may be here; then the engine is elsewhere, and true */
bool dg1_execlists_yield(struct engine *engine);
uint64_t dg1_timestamp(void);

/* What submits without the queue's registers: one context at a time. */
void dg1_execlists_run(struct engine *engine, uint64_t descriptor);
void dg1_execlists_leave(struct engine *engine);
void dg1_execlists_cancel(struct engine *engine);	/* what has not been taken yet */
bool dg1_execlists_pending(const struct engine *engine);
bool dg1_execlists_active(const struct engine *engine);
/* dg1_execlists_unfinished - does a context that is on no engine have something in its ring? */
bool dg1_execlists_unfinished(struct device *device, uint64_t descriptor);

/* dg1_guc.c: the microcontroller */
bool dg1_guc_init(struct dg1 *dg1);
void dg1_guc_reset(struct dg1 *dg1);
/* dg1_guc_look - an engine that has become free, or is to change over: tell, submit, or take by force */
void dg1_guc_look(struct dg1 *dg1, unsigned int engine);
/* dg1_guc_ran - the same, when the engine has had its turn */
void dg1_guc_ran(struct dg1 *dg1, unsigned int engine);
/* dg1_guc_later - the same for all; ms until it is to be asked again, -1: not for the time alone */
int dg1_guc_later(struct dg1 *dg1);
/* dg1_guc_firmware - write the files that the driver loads there; -1 when that fails, which it has said */
int dg1_guc_firmware(const char *directory);

/* dg1_blt.c: commands of the blitter; 0 words: it is not known */
uint32_t dg1_blt_length(uint32_t header);
enum engine_step dg1_blt_execute(struct engine *engine, const uint32_t *packet, uint32_t length);

/* dg1_mi.c: commands of the memory interface, which every engine has, and PIPE_CONTROL */
extern const struct engine_ops dg1_ops;

/* dg1_registers.c: the register file, with the blocks that are nothing but registers */
bool dg1_registers_init(struct dg1 *dg1);
void dg1_registers_reset(struct dg1 *dg1);

/* dg1_card.c: the card; false with errno */
bool dg1_init(struct dg1 *dg1, int vram, uint64_t vram_size, uint64_t bar_size);

#endif

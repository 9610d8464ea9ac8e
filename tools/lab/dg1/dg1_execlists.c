// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Contexts. The driver writes descriptors of two into the submit queue and loads it. They are executed one after the other, each
 * until its ring is empty; another queue takes their place where that may be. Each change is told by an entry of the status
 * buffer in the status page, and an interrupt (gt/intel_execlists_submission.c: process_csb()).
 *
 * An image in the global table is a page for the process, then commands that load registers. What is saved goes to where the
 * image says, as the driver has laid it out (gt/intel_lrc.c); the ring's start, size and tail are the driver's.
 */
#include <string.h>
#include <time.h>

#include "dg1.h"

/* A descriptor: gt/intel_lrc.h, gt/intel_lrc_reg.h */
#define IMAGE_STATE		DG1_PAGE	/* LRC_STATE_OFFSET */
#define IMAGE_WORDS		(DG1_PAGE / 4)
#define ID(descriptor)		((uint32_t)((descriptor) >> 37) & 0x7ffu)	/* GEN11_SW_CTX_ID_SHIFT, _WIDTH */

/* The image of the blitter, in words: where the driver's part ends, and what comes behind it */
#define LAID_OUT		0x34u
#define MODE			0x60u
#define BB_OFFSET		0x70u
#define GPRS			0x74u
#define GPRS_END		(GPRS + 64)

/* The status buffer: gt/intel_execlists_submission.c, gt/intel_engine.h */
#define STATUS_ID(id)		((uint64_t)(id) << 15)		/* GEN12_CSB_SW_CTX_ID_MASK */
#define STATUS_IDLE		0x7ffu				/* GEN12_IDLE_CTX_ID */
#define STATUS_NEW_QUEUE	1u				/* GEN12_CTX_STATUS_SWITCHED_TO_NEW_QUEUE */
#define PAGE_STATUS		0x10u				/* words: I915_HWS_CSB_BUF0_INDEX */
#define PAGE_STATUS_WRITE	0x2fu				/* ICL_HWS_CSB_WRITE_INDEX */

#define GLOBAL			0ULL				/* the space of the global table */

static uint32_t *ring_register(const struct engine *engine, uint32_t offset)
{
	return &to_dg1(engine->device)->reg[WORD(dg1_base(engine->id) + offset)];
}

uint64_t dg1_timestamp(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * DG1_CLOCK + (uint64_t)now.tv_nsec * (DG1_CLOCK / 100000) / 10000;
}

static bool is_shared(uint32_t offset)
{
	/* what the driver writes only, and registers whose upper half would have to say what is meant */
	return offset == RING_TAIL(0) || offset == RING_START(0) || offset == RING_CTL(0) || offset == RING_CONTEXT_CONTROL(0) ||
	       offset == RING_MI_MODE(0);
}

/* image - load the registers that an image names, or save them */
static void image(struct engine *engine, uint64_t descriptor, bool save)
{
	const uint64_t at = (descriptor & DG1_IMAGE) + IMAGE_STATE;
	const uint32_t base = dg1_base(engine->id);
	uint32_t words[IMAGE_WORDS], i = 0, n;
	static const uint32_t none;

	memory_read(engine->device, GLOBAL, at, words, sizeof(words));
	while (i < IMAGE_WORDS) {
		if (words[i] == MI_NOOP) {
			i++;
			continue;
		}
		if (!IS_MI_LRI_CMD(words[i]) || words[i] >> INSTR_CLIENT_SHIFT != INSTR_MI_CLIENT)
			break;
		for (n = MI_LRI_LEN(words[i++]) / 2; n && i + 1 < IMAGE_WORDS; n--, i += 2) {
			const uint32_t offset = words[i] % 0x1000;

			if (offset >= 0x800)
				continue;
			if (!save)
				dg1_set(engine, WORD(base + offset), words[i + 1]);
			else if (!is_shared(offset))
				memory_write(engine->device, GLOBAL, at + 4ULL * (i + 1), ring_register(engine, offset), 4);
			/* A reset does not go back into the batch. */
			if (!save && offset == RING_BBADDR(0))
				memory_write(engine->device, GLOBAL, at + 4ULL * (i + 1), &none, sizeof(none));
		}
	}
}

/*
 * What the hardware saves besides, where the driver lays out nothing but counts on it (gt/intel_lrc.c: lrc_ring_mi_mode(),
 * lrc_ring_bb_offset(), lrc_ring_gpr0()): the mode, the batch's offset, and the general purpose registers.
 */
static void lay_out(struct engine *engine, uint64_t descriptor)
{
	const uint64_t at = (descriptor & DG1_IMAGE) + IMAGE_STATE;
	const uint32_t base = dg1_base(engine->id), end = MI_BATCH_BUFFER_END | 1;
	uint32_t words[GPRS_END + 1], i;

	memory_read(engine->device, GLOBAL, at, words, sizeof(words));
	if (engine->id != DG1_BCS || words[LAID_OUT] != end)
		return;
	memset(words + LAID_OUT, 0, sizeof(words) - LAID_OUT * sizeof(*words));
	words[MODE - 1] = (uint32_t)MI_LOAD_REGISTER_IMM(1);
	words[MODE] = RING_MI_MODE(base);
	words[BB_OFFSET - 1] = (uint32_t)MI_LOAD_REGISTER_IMM(1);
	words[BB_OFFSET] = RING_BB_OFFSET(base);
	words[GPRS - 1] = (uint32_t)MI_LOAD_REGISTER_IMM(32);
	for (i = 0; i < 32; i++)
		words[GPRS + 2 * i] = GEN8_RING_CS_GPR(base, 0) + 4 * i;
	words[GPRS_END] = end;
	/* before that is the driver's, which may write its tail just now */
	memory_write(engine->device, GLOBAL, at + 4ull * LAID_OUT, words + LAID_OUT, sizeof(words) - LAID_OUT * sizeof(*words));
}

static bool in_workaround(const struct engine *engine)
{
	return engine->depth && engine->fetch[engine->depth].end != FETCH_NO_END;
}

static void save(struct engine *engine)
{
	const struct fetch *batch = &engine->fetch[engine->depth];
	struct dg1_execlists *x = dg1_contexts(engine);
	uint64_t at = 0;

	if (engine->depth)
		at = (batch->base + 4ULL * batch->at) | 1;
	*ring_register(engine, RING_BBADDR(0)) = (uint32_t)at;
	*ring_register(engine, RING_BBADDR_UDW(0)) = (uint32_t)(at >> 32);
	*ring_register(engine, RING_BBSTATE(0)) = engine->depth && batch->space ? RING_BB_PPGTT : 0;
	*ring_register(engine, RING_HEAD(0)) = engine_read_pointer(engine) * 4;
	*ring_register(engine, RING_CTX_TIMESTAMP(0)) += (uint32_t)(dg1_timestamp() - x->since);
	lay_out(engine, x->active);
	image(engine, x->active, true);
}

static void call(struct engine *engine, uint64_t space, uint64_t base, uint32_t end)
{
	const struct fetch fetch = { .space = space, .base = base, .mask = FETCH_NO_RING, .at = 0, .end = end };

	engine_call(engine, &fetch);
}

static void restore(struct engine *engine)
{
	struct dg1_execlists *x = dg1_contexts(engine);
	/* An image that says nothing of them does not have those of the context before. */
	static const uint32_t begins[] = {
		RING_CTL(0), RING_BBADDR(0), RING_BBADDR_UDW(0), RING_INDIRECT_CTX(0), RING_BB_PER_CTX_PTR(0), GEN8_RING_PDP_LDW(0, 0),
		GEN8_RING_PDP_UDW(0, 0),
	};
	uint32_t control, indirect, per_context;
	uint64_t batch;
	size_t i;

	engine_ring(engine, GLOBAL, 0, 1, 0, 0);
	engine->depth = 0;
	x->told = false;
	for (i = 0; i < ARRAY_SIZE(begins); i++)
		*ring_register(engine, begins[i]) = 0;
	image(engine, x->active, false);
	x->space = (uint64_t)*ring_register(engine, GEN8_RING_PDP_UDW(0, 0)) << 32 | *ring_register(engine, GEN8_RING_PDP_LDW(0, 0)) | 1;
	x->arbitration = true;
	x->since = dg1_timestamp();
	control = *ring_register(engine, RING_CTL(0));
	if (control & RING_VALID)
		engine_ring(engine, GLOBAL, *ring_register(engine, RING_START(0)), ((control & RING_NR_PAGES) + DG1_PAGE) / 4,
			    *ring_register(engine, RING_HEAD(0)) / 4, (*ring_register(engine, RING_TAIL(0)) & TAIL_ADDR) / 4);

	/* What is to be executed first comes last: the batch it was in, and before that what the context wants of itself. */
	batch = (uint64_t)*ring_register(engine, RING_BBADDR_UDW(0)) << 32 | *ring_register(engine, RING_BBADDR(0));
	if (batch & 1)
		call(engine, *ring_register(engine, RING_BBSTATE(0)) & RING_BB_PPGTT ? x->space : GLOBAL, batch & ~3ULL, FETCH_NO_END);
	per_context = *ring_register(engine, RING_BB_PER_CTX_PTR(0));
	if (per_context & PER_CTX_BB_VALID)
		call(engine, GLOBAL, per_context & ~(DG1_PAGE - 1), DG1_PAGE / 4);
	indirect = *ring_register(engine, RING_INDIRECT_CTX(0));
	if (indirect % 64)
		call(engine, GLOBAL, indirect & ~63u, indirect % 64 * 16);
}

static void tell(struct engine *engine, uint64_t away, bool new_queue)
{
	struct dg1_execlists *x = dg1_contexts(engine);
	const uint64_t page = *ring_register(engine, RING_HWS_PGA(0)) & DG1_IMAGE;
	const uint64_t entry = (STATUS_ID(x->active ? ID(x->active) : STATUS_IDLE) | (new_queue ? STATUS_NEW_QUEUE : 0)) |
			       STATUS_ID(away ? ID(away) : STATUS_IDLE) << 32;
	uint32_t status;

	x->status = (x->status + 1) % GEN11_CSB_ENTRIES;
	status = x->status < 6 ? GEN8_EXECLISTS_STATUS_BUF + 8 * x->status : GEN11_EXECLISTS_STATUS_BUF2 + 8 * (x->status - 6);
	memcpy(ring_register(engine, status), &entry, sizeof(entry));
	memory_write(engine->device, GLOBAL, page + 4ULL * PAGE_STATUS + 8ULL * x->status, &entry, sizeof(entry));
	memory_write(engine->device, GLOBAL, page + 4ULL * PAGE_STATUS_WRITE, &x->status, sizeof(x->status));
	*ring_register(engine, RING_EXECLIST_STATUS_LO(0)) = (uint32_t)x->active;
	*ring_register(engine, RING_EXECLIST_STATUS_HI(0)) = (uint32_t)(x->active >> 32);
	to_dg1(engine->device)->switches++;
	dg1_irq_raise(to_dg1(engine->device), engine->id, GT_CONTEXT_SWITCH_INTERRUPT);
}

static void take(struct engine *engine);

/* completed - the ring of the active context is empty: the next one, until there is something to execute or none is left */
static void completed(struct engine *engine)
{
	struct dg1_execlists *x = dg1_contexts(engine);

	while (x->active && !engine_active(engine)) {
		const uint64_t away = x->active;

		if (x->pending[0]) {
			take(engine);
			continue;
		}
		save(engine);
		x->active = x->next;
		x->next = 0;
		x->leave = false;
		if (x->active)
			restore(engine);
		tell(engine, away, false);
	}
}

/* take - what was submitted takes the place of what there is; a context that is executed already only goes on to its new tail */
static void take(struct engine *engine)
{
	struct dg1_execlists *x = dg1_contexts(engine);
	const uint64_t away = x->active;
	uint32_t tail;

	x->active = x->pending[0];
	x->next = x->pending[1];
	x->pending[0] = 0;
	x->told = x->leave = false;
	if (away && (away & DG1_IMAGE) == (x->active & DG1_IMAGE) && !(x->active & CTX_DESC_FORCE_RESTORE)) {
		memory_read(engine->device, GLOBAL, (x->active & DG1_IMAGE) + IMAGE_STATE + 4ull * CTX_RING_TAIL, &tail, sizeof(tail));
		*ring_register(engine, RING_TAIL(0)) = tail;
		engine_write_pointer(engine, (tail & TAIL_ADDR) / 4);
	} else {
		if (away) {
			const uint64_t active = x->active;

			to_dg1(engine->device)->preemptions += engine_active(engine);
			x->active = away;
			save(engine);
			x->active = active;
		}
		restore(engine);
	}
	tell(engine, away, true);
}

/* go - off the engine, which is idle then */
static void go(struct engine *engine)
{
	struct dg1_execlists *x = dg1_contexts(engine);
	const uint64_t away = x->active;

	x->leave = false;
	if (!away)
		return;
	to_dg1(engine->device)->preemptions += engine_active(engine);
	save(engine);
	x->active = x->next = 0;
	engine->depth = 0;
	engine_ring(engine, GLOBAL, 0, 1, 0, 0);
	tell(engine, away, false);
}

static bool may_yield(const struct engine *engine)
{
	return dg1_contexts(engine)->arbitration && !engine->hung && !engine->stalled && engine->depth < 2 && !in_workaround(engine);
}

bool dg1_execlists_yield(struct engine *engine)
{
	struct dg1_execlists *x = dg1_contexts(engine);

	if ((!x->pending[0] && !x->leave) || !may_yield(engine))
		return false;
	if (x->pending[0])
		take(engine);
	else
		go(engine);
	completed(engine);
	return true;
}

static void begin(struct engine *engine)
{
	if (!dg1_contexts(engine)->active && dg1_contexts(engine)->pending[0]) {
		take(engine);
		completed(engine);
	} else {
		dg1_execlists_yield(engine);
	}
}

void dg1_execlists_run(struct engine *engine, uint64_t descriptor)
{
	dg1_contexts(engine)->pending[0] = descriptor;
	dg1_contexts(engine)->pending[1] = 0;
	begin(engine);
}

void dg1_execlists_cancel(struct engine *engine)
{
	dg1_contexts(engine)->pending[0] = dg1_contexts(engine)->pending[1] = 0;
}

void dg1_execlists_leave(struct engine *engine)
{
	dg1_execlists_cancel(engine);	/* a new tail of its own: that is in its image, too */
	dg1_contexts(engine)->leave = true;
	dg1_execlists_yield(engine);
}

bool dg1_execlists_pending(const struct engine *engine)
{
	return dg1_contexts(engine)->pending[0];
}

bool dg1_execlists_active(const struct engine *engine)
{
	return dg1_contexts(engine)->active;
}

bool dg1_execlists_unfinished(struct device *device, uint64_t descriptor)
{
	const uint64_t at = (descriptor & DG1_IMAGE) + IMAGE_STATE;
	uint32_t head, tail;

	memory_read(device, GLOBAL, at + 4ull * CTX_RING_HEAD, &head, sizeof(head));
	memory_read(device, GLOBAL, at + 4ull * CTX_RING_TAIL, &tail, sizeof(tail));
	return (head & HEAD_ADDR) != (tail & TAIL_ADDR);
}

void dg1_execlists_submit(struct engine *engine)
{
	struct dg1_execlists *x = dg1_contexts(engine);
	unsigned int i;

	for (i = 0; i < DG1_PORTS; i++) {
		const uint32_t at = RING_EXECLIST_SQ_CONTENTS(0) + 8 * i;

		x->pending[i] = (uint64_t)*ring_register(engine, at + 4) << 32 | *ring_register(engine, at);
	}
	begin(engine);
}

void dg1_execlists_empty(struct engine *engine)
{
	completed(engine);
}

bool dg1_execlists_enabled(const struct engine *engine)
{
	return dg1_contexts(engine)->active && !(*ring_register(engine, RING_MI_MODE(0)) & STOP_RING);
}

void dg1_execlists_reset(struct engine *engine)
{
	const uint32_t status = dg1_contexts(engine)->status;

	*dg1_contexts(engine) = (struct dg1_execlists){ .status = status };
	memset(ring_register(engine, 0), 0, 0x800);
}

static struct engine *engine_of(struct device *device, uint32_t index)
{
	return &device->engine[index / WORD(0x1000) == RENDER_RING_BASE / 0x1000 ? DG1_RCS : DG1_BCS];
}

static void loaded(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	(void)before;
	if (dg1->reg[index] & EL_CTRL_LOAD)
		engine_submit(engine_of(device, index));
	dg1->reg[index] = 0;
}

/* The driver says where the next entry goes, after a reset. */
static void status_written(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	(void)before;
	dg1_contexts(engine_of(device, index))->status = dg1->reg[index] & GEN11_CSB_WRITE_PTR_MASK;
}

static uint32_t status_read(struct device *device, uint32_t index)
{
	const uint32_t status = dg1_contexts(engine_of(device, index))->status;

	return status << 8 | status;
}

static uint32_t mode_read(struct device *device, uint32_t index)
{
	const struct engine *engine = engine_of(device, index);
	const uint32_t mode = to_dg1(device)->reg[index];
	const bool idle = !dg1_contexts(engine)->active || mode & STOP_RING;

	return mode | (idle ? MODE_IDLE : 0);
}

static void masked_written(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	dg1->reg[index] = dg1_masked(before, dg1->reg[index]);
}

/* The answer is there at once: the engine is between two commands whenever a register is looked at. */
static void reset_asked(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	masked_written(device, index, before);
	dg1->reg[index] &= RESET_CTL_REQUEST_RESET;
	if (dg1->reg[index])
		dg1->reg[index] |= RESET_CTL_READY_TO_RESET;
}

static void errors_cleared(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	dg1->reg[index] = before & ~dg1->reg[index];
}

static uint32_t runtime_read(struct device *device, uint32_t index)
{
	const struct dg1_execlists *x = dg1_contexts(engine_of(device, index));

	return to_dg1(device)->reg[index] + (x->active ? (uint32_t)(dg1_timestamp() - x->since) : 0);
}

static uint32_t timestamp_read(struct device *device, uint32_t index)
{
	const uint64_t now = dg1_timestamp();

	(void)device;
	return (uint32_t)(index % 2 ? now >> 32 : now);
}

#define HOOKS(base) \
	{ WORD(RING_MI_MODE(base)), WORD(RING_MI_MODE(base)), mode_read, masked_written }, \
	{ WORD(RING_RESET_CTL(base)), WORD(RING_RESET_CTL(base)), NULL, reset_asked }, \
	{ WORD(RING_CONTEXT_CONTROL(base)), WORD(RING_CONTEXT_CONTROL(base)), NULL, masked_written }, \
	{ WORD(RING_MODE_GEN7(base)), WORD(RING_MODE_GEN7(base)), NULL, masked_written }, \
	{ WORD(RING_EIR(base)), WORD(RING_EIR(base)), NULL, errors_cleared }, \
	{ WORD(RING_CTX_TIMESTAMP(base)), WORD(RING_CTX_TIMESTAMP(base)), runtime_read, NULL }, \
	{ WORD(RING_TIMESTAMP(base)), WORD(RING_TIMESTAMP_UDW(base)), timestamp_read, NULL }, \
	{ WORD(RING_CONTEXT_STATUS_PTR(base)), WORD(RING_CONTEXT_STATUS_PTR(base)), status_read, status_written }, \
	{ WORD(RING_EXECLIST_CONTROL(base)), WORD(RING_EXECLIST_CONTROL(base)), NULL, loaded }

bool dg1_execlists_init(struct dg1 *dg1)
{
	static const struct register_hook hooks[] = { HOOKS(RENDER_RING_BASE), HOOKS(BLT_RING_BASE) };
	static const struct register_range used[] = {
		{ WORD(RENDER_RING_BASE), WORD(RENDER_RING_BASE + 0x7fc) }, { WORD(BLT_RING_BASE), WORD(BLT_RING_BASE + 0x7fc) },
	};

	registers_plain(&dg1->registers, used, ARRAY_SIZE(used));
	return registers_hook(&dg1->registers, hooks, ARRAY_SIZE(hooks));
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Commands of the memory interface (MI), as every engine has them, and of the 3D pipeline only PIPE_CONTROL, which the driver
 * needs to know that the render engine has come to a place (gt/gen8_engine_cs.c; Programmer's Reference Manual, volume 2a).
 */
#include "dg1.h"

#define MI(command)	MI_OPCODE(command)
#define CLIENT(header)	((header) >> INSTR_CLIENT_SHIFT)
#define PIPELINED	(0x7au << 24)		/* GFX_OP_PIPE_CONTROL() without its length */

#define WORDS		0x402u			/* of the longest command whose operands are looked at */

/* Commands that the header has no name for, by their opcodes. */
#define MI_COPY_MEM_MEM		0x2eu
#define MI_FORCE_WAKEUP		0x1du

#define SECOND_LEVEL	BIT(22)		/* of MI_BATCH_BUFFER_START: it returns to the batch that it is in */
#define COMPARES	BIT(21)		/* of MI_CONDITIONAL_BATCH_BUFFER_END: with a word; all that is used */
#define COMPARES_MASKED	BIT(19)		/* some bits of 64 */
#define SOURCE_GLOBAL	BIT(22)		/* of MI_COPY_MEM_MEM */
#define TARGET_GLOBAL	BIT(21)

/* MI_ATOMIC: which operation, and of how much */
#define ATOMIC_OPERATION(header)	((header) >> 8 & 0x1f)
#define ATOMIC_SIZE(header)		((header) >> 19 & 3)
#define ATOMIC_RETURN			(1u << 16)

#define ERROR_INSTRUCTION		BIT(0)		/* i915_reg.h: I915_ERROR_INSTRUCTION */

/* MI_MATH */
#define ALU_GPRS	16u

static uint64_t space(const struct engine *engine, bool global)
{
	return global ? 0 : dg1_contexts(engine)->space;
}

/* Of a word in memory, or a command. */
static uint64_t address(const uint32_t *words)
{
	return dg1_address(words) & ~3ULL;
}

/* The page that comes before the image of the context. */
static uint64_t process_page(const struct engine *engine, uint32_t offset)
{
	return (dg1_contexts(engine)->active & DG1_IMAGE) + (offset & (DG1_PAGE - 4));
}

/* resolve - the index of a register that is named by its offset, or by that in the engine's own */
static uint32_t resolve(const struct engine *engine, uint32_t offset, bool relative)
{
	offset &= DG1_REGISTERS - 4;
	return WORD(relative ? dg1_base(engine->id) + offset % 0x1000 : offset);
}

static uint32_t length_of(const struct engine *engine, uint32_t header)
{
	(void)engine;
	switch (CLIENT(header)) {
	case INSTR_MI_CLIENT:
		if (MI_OPCODE(header) < 0x10)
			return 1;
		return (header & (MI_OPCODE(header) == MI(MI_STORE_DATA_IMM) ? 0x3ff : 0xff)) + 2;
	case INSTR_BC_CLIENT:
		return dg1_blt_length(header);
	case INSTR_RC_CLIENT:
		return (header & ~0xffffu) == PIPELINED ? (header & 0xff) + 2 : 0;
	default:
		return 0;
	}
}

static enum engine_step batch_start(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	const struct fetch batch = {
		.space = space(engine, !(packet[0] & MI_BATCH_PPGTT_HSW)), .base = address(packet + 1), .mask = FETCH_NO_RING,
		.at = 0, .end = FETCH_NO_END,
	};

	if (length != 3)
		return ENGINE_UNKNOWN;
	if (!engine->depth || packet[0] & SECOND_LEVEL)
		return engine_call(engine, &batch) ? ENGINE_DONE : ENGINE_UNKNOWN;
	engine_jump(engine, &batch);
	return ENGINE_JUMPED;
}

static bool compare(uint32_t value, uint32_t header, uint32_t other)
{
	switch (header & (7u << 12)) {
	case MI_SEMAPHORE_SAD_GT_SDD:
		return value > other;
	case MI_SEMAPHORE_SAD_GTE_SDD:
		return value >= other;
	case MI_SEMAPHORE_SAD_LT_SDD:
		return value < other;
	case MI_SEMAPHORE_SAD_LTE_SDD:
		return value <= other;
	case MI_SEMAPHORE_SAD_EQ_SDD:
		return value == other;
	case MI_SEMAPHORE_SAD_NEQ_SDD:
		return value != other;
	default:
		return true;
	}
}

static enum engine_step semaphore(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	struct dg1_execlists *x = dg1_contexts(engine);
	uint32_t value;

	if (length < 4)
		return ENGINE_UNKNOWN;
	if (packet[0] & MI_SEMAPHORE_REGISTER_POLL)
		value = registers_read(engine->device, resolve(engine, packet[2], false));
	else
		memory_read(engine->device, space(engine, packet[0] & MI_SEMAPHORE_GLOBAL_GTT), address(packet + 2), &value, sizeof(value));
	if (compare(value, packet[0], packet[1])) {
		x->told = false;
		return ENGINE_DONE;
	}
	if (!x->told)
		dg1_irq_raise(to_dg1(engine->device), engine->id, GT_WAIT_SEMAPHORE_INTERRUPT);
	x->told = true;
	return ENGINE_WAITS;
}

/* The batch goes on while the comparison is true. */
static enum engine_step batch_end_if_not(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	uint32_t value;

	if (length != 4 || (packet[0] & (COMPARES | COMPARES_MASKED)) != COMPARES || engine->depth != 1)
		return ENGINE_UNKNOWN;
	memory_read(engine->device, space(engine, packet[0] & MI_SEMAPHORE_GLOBAL_GTT), address(packet + 2), &value, sizeof(value));
	if (compare(value, packet[0], packet[1]))
		return ENGINE_DONE;
	return engine_return(engine) ? ENGINE_JUMPED : ENGINE_UNKNOWN;
}

static enum engine_step store(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	if (length < 4)
		return ENGINE_UNKNOWN;
	memory_write(engine->device, space(engine, packet[0] & MI_USE_GGTT), address(packet + 1), packet + 3, 4ULL * (length - 3));
	return ENGINE_DONE;
}

static enum engine_step load_immediate(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	uint32_t i;

	for (i = 1; i + 1 < length; i += 2)
		dg1_set(engine, resolve(engine, packet[i], packet[0] & MI_LRI_LRM_CS_MMIO), packet[i + 1]);
	return ENGINE_DONE;
}

static enum engine_step load_memory(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	uint32_t value;

	if (length != 4)
		return ENGINE_UNKNOWN;
	memory_read(engine->device, space(engine, packet[0] & MI_SRM_LRM_GLOBAL_GTT), address(packet + 2), &value, sizeof(value));
	dg1_set(engine, resolve(engine, packet[1], packet[0] & MI_LRI_LRM_CS_MMIO), value);
	return ENGINE_DONE;
}

static enum engine_step store_register(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	const uint32_t value = registers_read(engine->device, resolve(engine, packet[1], packet[0] & MI_LRI_LRM_CS_MMIO));

	if (length != 4)
		return ENGINE_UNKNOWN;
	memory_write(engine->device, space(engine, packet[0] & MI_SRM_LRM_GLOBAL_GTT), address(packet + 2), &value, sizeof(value));
	return ENGINE_DONE;
}

static enum engine_step load_register(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	if (length != 3)
		return ENGINE_UNKNOWN;
	dg1_set(engine, resolve(engine, packet[2], packet[0] & MI_LRI_LRM_CS_MMIO),
		registers_read(engine->device, resolve(engine, packet[1], packet[0] & MI_LRR_SOURCE_CS_MMIO)));
	return ENGINE_DONE;
}

static enum engine_step copy_memory(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	uint32_t value;

	if (length != 5)
		return ENGINE_UNKNOWN;
	memory_read(engine->device, space(engine, packet[0] & SOURCE_GLOBAL), address(packet + 3), &value, sizeof(value));
	memory_write(engine->device, space(engine, packet[0] & TARGET_GLOBAL), address(packet + 1), &value, sizeof(value));
	return ENGINE_DONE;
}

/* gpr - one of the general purpose registers */
static uint32_t *gpr(const struct engine *engine, uint32_t number)
{
	return &to_dg1(engine->device)->reg[WORD(GEN8_RING_CS_GPR(dg1_base(engine->id), number % ALU_GPRS))];
}

static uint64_t gpr_read(const struct engine *engine, uint32_t number)
{
	const uint32_t *words = gpr(engine, number);

	return (uint64_t)words[1] << 32 | words[0];
}

static void gpr_write(const struct engine *engine, uint32_t number, uint64_t value)
{
	uint32_t *words = gpr(engine, number);

	words[0] = (uint32_t)value;
	words[1] = (uint32_t)(value >> 32);
}

/* Operands are in the command (the first in words 3 and 5), or general purpose registers. */
static enum engine_step atomic(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	const uint64_t where = space(engine, packet[0] & MI_ATOMIC_GLOBAL_GTT), at = address(packet + 1);
	const size_t size = ATOMIC_SIZE(packet[0]) ? 8 : 4;
	uint64_t operand, value = 0, result;

	if (length < 3 || ATOMIC_SIZE(packet[0]) > 1 || (packet[0] & MI_ATOMIC_INLINE_DATA && length < 11))
		return ENGINE_UNKNOWN;
	operand = packet[0] & MI_ATOMIC_INLINE_DATA ? (uint64_t)packet[5] << 32 | packet[3] : gpr_read(engine, 1);
	memory_read(engine->device, where, at, &value, size);
	switch (ATOMIC_OPERATION(packet[0])) {
	case 1:
		result = value & operand;
		break;
	case 2:
		result = value | operand;
		break;
	case 3:
		result = value ^ operand;
		break;
	case 4:
		result = operand;
		break;
	case 5:
		result = value + 1;
		break;
	case 6:
		result = value - 1;
		break;
	case 7:
		result = value + operand;
		break;
	case 8:
		result = value - operand;
		break;
	case 9:
		result = operand - value;
		break;
	default:
		return ENGINE_UNKNOWN;
	}
	memory_write(engine->device, where, at, &result, size);
	if (packet[0] & ATOMIC_RETURN)
		gpr_write(engine, 0, value);
	return ENGINE_DONE;
}

/* An instruction of MI_MATH: 12 bits what, 10 and 10 its operands. */
static enum engine_step math(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	enum { SRCA = 0x20, SRCB = 0x21, ACCU = 0x31, ZF = 0x32, CF = 0x33 };
	uint64_t a = 0, b = 0, accumulator = 0, value;
	bool zero = false, carry = false;
	uint32_t i;

	for (i = 1; i < length; i++) {
		const uint32_t what = packet[i] >> 20, to = packet[i] >> 10 & 0x3ff, from = packet[i] & 0x3ff;

		switch (what) {
		case 0x000:	/* NOOP */
			continue;
		case 0x080:	/* LOAD */
		case 0x480:	/* LOADINV */
		case 0x081:	/* LOAD0 */
		case 0x481:	/* LOAD1 */
			value = what & 1 ? 0 : gpr_read(engine, from);
			if (what & 0x400)
				value = ~value;
			if (to == SRCA)
				a = value;
			else if (to == SRCB)
				b = value;
			else
				return ENGINE_UNKNOWN;
			continue;
		case 0x100:	/* ADD */
			carry = __builtin_add_overflow(a, b, &accumulator);
			break;
		case 0x101:	/* SUB */
			carry = __builtin_sub_overflow(a, b, &accumulator);
			break;
		case 0x102:
			accumulator = a & b;
			break;
		case 0x103:
			accumulator = a | b;
			break;
		case 0x104:
			accumulator = a ^ b;
			break;
		case 0x180:	/* STORE */
		case 0x580:	/* STOREINV */
			value = from == ACCU ? accumulator : from == ZF ? (zero ? ~0ULL : 0) : from == CF ? (carry ? ~0ULL : 0) : 0;
			gpr_write(engine, to, what & 0x400 ? ~value : value);
			continue;
		default:
			return ENGINE_UNKNOWN;
		}
		zero = !accumulator;
	}
	return ENGINE_DONE;
}

/* post - what is written when all before has been done: operation 1 is a value, 3 the time */
static void post(struct engine *engine, uint32_t operation, uint64_t where, uint64_t at, uint64_t value, size_t size)
{
	if (operation == 3) {
		value = dg1_timestamp();
		size = sizeof(value);
	}
	if (operation)
		memory_write(engine->device, where, at, &value, size);
}

static enum engine_step flush(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	const bool index = packet[0] & MI_FLUSH_DW_STORE_INDEX;
	uint64_t value;

	if (length < 4)
		return ENGINE_UNKNOWN;
	value = packet[3] | (length > 4 ? (uint64_t)packet[4] << 32 : 0);
	post(engine, (packet[0] & MI_FLUSH_DW_OP_MASK) >> 14, index ? 0 : space(engine, packet[1] & MI_FLUSH_DW_USE_GTT),
	     index ? process_page(engine, packet[1]) : address(packet + 1) & ~7ULL, value, length > 4 ? 8 : 4);
	if (packet[0] & MI_FLUSH_DW_NOTIFY)
		dg1_irq_raise(to_dg1(engine->device), engine->id, GT_RENDER_PIPECTL_NOTIFY_INTERRUPT);
	return ENGINE_DONE;
}

static enum engine_step pipe_control(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	const bool index = packet[1] & PIPE_CONTROL_STORE_DATA_INDEX;

	if (length != 6 || engine->id != DG1_RCS)
		return ENGINE_UNKNOWN;
	post(engine, (packet[1] & PIPE_CONTROL_POST_SYNC_OP_MASK) >> 14, index ? 0 : space(engine, packet[1] & PIPE_CONTROL_GLOBAL_GTT_IVB),
	     index ? process_page(engine, packet[2]) : address(packet + 2), (uint64_t)packet[5] << 32 | packet[4], 8);
	if (packet[1] & PIPE_CONTROL_NOTIFY)
		dg1_irq_raise(to_dg1(engine->device), engine->id, GT_RENDER_PIPECTL_NOTIFY_INTERRUPT);
	return ENGINE_DONE;
}

static enum engine_step memory_interface(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	switch (MI_OPCODE(packet[0])) {
	case MI(MI_NOOP):
	case MI(MI_ARB_CHECK):
	case MI(MI_SET_PREDICATE):
	case MI(MI_REPORT_HEAD):
	case MI(MI_SUSPEND_FLUSH):
	case MI(MI_PREDICATE):
	case MI_FORCE_WAKEUP:
		return ENGINE_DONE;
	case MI(MI_ARB_ON_OFF):
		dg1_contexts(engine)->arbitration = packet[0] & MI_ARB_ENABLE;
		return ENGINE_DONE;
	case MI(MI_USER_INTERRUPT):
		to_dg1(engine->device)->requests++;
		dg1_irq_raise(to_dg1(engine->device), engine->id, GT_RENDER_USER_INTERRUPT);
		return ENGINE_DONE;
	case MI(MI_BATCH_BUFFER_START):
		return batch_start(engine, packet, length);
	case MI(MI_BATCH_BUFFER_END):
		return engine_return(engine) ? ENGINE_JUMPED : ENGINE_UNKNOWN;
	case MI(MI_SEMAPHORE_WAIT):
		return semaphore(engine, packet, length);
	case MI(MI_CONDITIONAL_BATCH_BUFFER_END):
		return batch_end_if_not(engine, packet, length);
	case MI(MI_STORE_DATA_IMM):
		return store(engine, packet, length);
	case MI(MI_STORE_DWORD_INDEX):
		memory_write(engine->device, 0, process_page(engine, packet[1]), packet + 2, 4ULL * (length - 2));
		return ENGINE_DONE;
	case MI(MI_LOAD_REGISTER_IMM(1)):
		return load_immediate(engine, packet, length);
	case MI(MI_LOAD_REGISTER_MEM):
		return load_memory(engine, packet, length);
	case MI(MI_STORE_REGISTER_MEM):
		return store_register(engine, packet, length);
	case MI(MI_LOAD_REGISTER_REG):
		return load_register(engine, packet, length);
	case MI_COPY_MEM_MEM:
		return copy_memory(engine, packet, length);
	case MI(MI_ATOMIC):
		return atomic(engine, packet, length);
	case MI(MI_MATH(1)):
		return math(engine, packet, length);
	case MI(MI_FLUSH_DW):
		return flush(engine, packet, length);
	default:
		return ENGINE_UNKNOWN;
	}
}

static enum engine_step execute(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	enum engine_step step = ENGINE_UNKNOWN;

	if (dg1_execlists_yield(engine))	/* this command comes first when the context is back */
		return ENGINE_JUMPED;
	if (CLIENT(packet[0]) == INSTR_MI_CLIENT)
		step = memory_interface(engine, packet, length);
	else if (CLIENT(packet[0]) == INSTR_BC_CLIENT)
		step = dg1_blt_execute(engine, packet, length);
	else if (CLIENT(packet[0]) == INSTR_RC_CLIENT)
		step = pipe_control(engine, packet, length);
	return step;
}

/* What the driver looks at when it asks whether the engine hangs. */
static void report(struct engine *engine)
{
	const struct fetch *fetch = &engine->fetch[engine->depth];
	const uint64_t at = fetch->base + 4ULL * fetch->at;
	const uint32_t base = dg1_base(engine->id);
	uint32_t *reg = to_dg1(engine->device)->reg;

	reg[WORD(RING_HEAD(base))] = engine_read_pointer(engine) * 4;
	reg[WORD(RING_ACTHD(base))] = (uint32_t)at;
	reg[WORD(RING_ACTHD_UDW(base))] = (uint32_t)(at >> 32);
	if (engine->hung) {	/* at a command just now */
		reg[WORD(RING_EIR(base))] |= ERROR_INSTRUCTION;
		if (!(reg[WORD(RING_EMR(base))] & ERROR_INSTRUCTION))
			dg1_irq_raise(to_dg1(engine->device), engine->id, GT_CS_MASTER_ERROR_INTERRUPT);
	}
	dg1_guc_ran(to_dg1(engine->device), engine->id);
}

static void empty(struct engine *engine)
{
	dg1_execlists_empty(engine);
	dg1_guc_look(to_dg1(engine->device), engine->id);
}

const struct engine_ops dg1_ops = {
	.head = WORDS,
	.enabled = dg1_execlists_enabled,
	.submit = dg1_execlists_submit,
	.length = length_of,
	.execute = execute,
	.report = report,
	.empty = empty,
	.reset = dg1_execlists_reset,
};

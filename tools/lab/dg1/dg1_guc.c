// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The microcontroller (GuC), as its interface: it is loaded, takes requests out of registers and then out of buffers (CTB), and
 * schedules the contexts that were registered with it, which it submits to the engines. Its interface is in the kernel's
 * headers (gt/uc/abi), what the driver expects in gt/uc/intel_guc_*.c and, of xe, in xe_guc_*.c.
 *
 * Contexts of an engine take turns: first by priority, then in the order in which they had something to do, each for its quantum.
 * Whoever does not go in its time, for another or as its scheduling is turned off, is taken off by a reset of the engine, and the
 * driver is told; it does not get what the registers were then (STATE_CAPTURE_NOTIFICATION).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dg1.h"
#include "gt/uc/abi/guc_actions_abi.h"
#include "gt/uc/abi/guc_actions_slpc_abi.h"
#include "gt/uc/abi/guc_communication_ctb_abi.h"
#include "gt/uc/abi/guc_errors_abi.h"
#include "gt/uc/abi/guc_klvs_abi.h"
#include "gt/uc/intel_uc_fw_abi.h"

#define GLOBAL		0ULL		/* the space of the global table */
#define CONTEXTS	65536u
#define CLASS_RENDER	0u		/* gt/uc/intel_guc_fwif.h: GUC_RENDER_CLASS, GUC_BLITTER_CLASS */
#define CLASS_BLITTER	3u
#define USAGE_CLASS	(32u * 32u)	/* bytes of a class: 32 instances */
#define NEVER		(~0ULL)

/* The file that the driver loads: i915/dg1_guc_70.bin */
#define VERSION		(70u << 16 | 44u << 8 | 1u)
#define SUBMISSION	(1u << 16 | 18u << 8 | 4u)
#define CODE_WORDS	16384u
#define KEY_WORDS	64u		/* UOS_RSA_SCRATCH_COUNT */
#define HEADER_WORDS	((uint32_t)sizeof(struct uc_css_header) / 4)
#define LOAD_MOST	(2u << 20)
#define LOCKED		1u		/* GUC_WOPCM_SIZE_LOCKED, GUC_WOPCM_OFFSET_VALID */
#define AUTH_BAD	(1u << GS_AUTH_STATUS_SHIFT)	/* the header shifts into the sign */
#define AUTH_GOOD	(2u << GS_AUTH_STATUS_SHIFT)

/* What a guest may have done by one write to a register, before it is another's turn */
#define STEPS		8u		/* on an engine */
#define MESSAGES	64u
#define CTB_MOST	(1u << 20)	/* bytes */

/* Frequencies as the driver reads them: in units of 50/3 MHz */
#define SLPC_RATIO(mhz)	((mhz) * 3 / 50 & 0xff)
#define FASTEST		1650u		/* MHz */
#define SLOWEST		300u

/* Of xe (abi/guc_actions_abi.h there): features and figures that it does without. */
#define ACTION_SET_DEVICE_ENGINE_ACTIVITY_BUFFER	0x550c
#define ACTION_OPT_IN_FEATURE_KLV			0x550e

struct context {
	uint64_t descriptor;	/* 0: it is not registered */
	unsigned int engine;
	bool enabled, queued;
	bool owed;		/* that it is disabled is to be told, when it is off its engine */
	uint32_t priority;	/* 0: the highest */
	uint64_t quantum, patience;	/* µs; 0: without end */
	struct context *next;	/* in the queue */
};

struct scheduler {
	struct context *running, *coming;	/* on the engine; submitted to take its place */
	struct context *queue;			/* with something to do: the next one first */
	uint64_t since;				/* µs: it runs */
	uint64_t asked;				/* µs: it is to go; 0: it is not */
	uint64_t packets;			/* of the engine, before it ran */
	bool ran;				/* the engine has had its turn since it came, or was to go */
	uint32_t stamp, total;			/* of the one that runs, and of all before: dg1_timestamp() */
};

/* A buffer in the global table, and its descriptor */
struct ctb {
	uint64_t descriptor, at;
	uint32_t words;
};

struct dg1_guc {
	bool runs, talks;		/* loaded; buffers are enabled */
	bool more;			/* there is more to do than was done at once */
	bool full, broken, unknown;	/* what is said once: no room, a request, an action */
	struct ctb in, out;
	struct context *context;
	struct scheduler scheduler[DG1_ENGINES];
	uint64_t usage;			/* where times are told; 0: nowhere */
	uint32_t power[SLPC_MAX_PARAM];
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---------------------------------------------------------------- telling the driver */

static void send(struct dg1 *dg1, uint32_t fence, uint32_t head, const uint32_t *data, uint32_t words)
{
	const struct ctb *b = &dg1->guc->out;
	struct guc_ct_buffer_desc d;
	uint32_t message[8], i;

	memory_read(&dg1->device, GLOBAL, b->descriptor, &d, sizeof(d));
	if (d.head >= b->words || d.tail >= b->words || (d.head + b->words - d.tail - 1) % b->words < words + 2) {
		/* The driver grants what it has room for. */
		if (!dg1->guc->full)
			fprintf(stderr, "dg1: guc: no room for %u words: head %u, tail %u\n", words + 2, d.head, d.tail);
		dg1->guc->full = true;
		dg1->unheard++;
		d.status |= GUC_CTB_STATUS_OVERFLOW;
		memory_write(&dg1->device, GLOBAL, b->descriptor + 8, &d.status, 4);
		return;
	}
	message[0] = FIELD_PREP(GUC_CTB_MSG_0_FENCE, fence) | (words + 1);
	message[1] = GUC_HXG_MSG_0_ORIGIN | head;
	for (i = 0; i < words; i++)
		message[2 + i] = data[i];
	for (i = 0; i < words + 2; i++) {
		memory_write(&dg1->device, GLOBAL, b->at + 4ULL * d.tail, &message[i], 4);
		d.tail = (d.tail + 1) % b->words;
	}
	memory_write(&dg1->device, GLOBAL, b->descriptor + 4, &d.tail, 4);
	dg1_irq_raise(dg1, DG1_GUC, GUC_INTR_GUC2HOST);
}

static void event(struct dg1 *dg1, uint32_t action, uint32_t a, uint32_t b, uint32_t words)
{
	const uint32_t data[] = { a, b };

	if (dg1->guc->talks)
		send(dg1, 0, FIELD_PREP(GUC_HXG_MSG_0_TYPE, GUC_HXG_TYPE_EVENT) | action, data, words);
}

static uint32_t id_of(const struct dg1 *dg1, const struct context *c)
{
	return (uint32_t)(c - dg1->guc->context);
}

static void tell_mode(struct dg1 *dg1, const struct context *c, bool enabled)
{
	event(dg1, INTEL_GUC_ACTION_SCHED_CONTEXT_MODE_DONE, id_of(dg1, c), enabled, 2);
}

/* gt/uc/intel_guc_fwif.h: struct guc_engine_usage_record */
static void tell_usage(struct dg1 *dg1, unsigned int engine)
{
	const struct scheduler *s = &dg1->guc->scheduler[engine];
	const uint32_t class = engine == DG1_RCS ? CLASS_RENDER : CLASS_BLITTER;
	const uint32_t record[] = { s->running ? id_of(dg1, s->running) : ~0u, s->running ? s->stamp : 0, 0, s->total };

	if (dg1->guc->usage)
		memory_write(&dg1->device, GLOBAL, dg1->guc->usage + class * (uint64_t)USAGE_CLASS, record, sizeof(record));
}

/* ---------------------------------------------------------------- scheduling */

static void enqueue(struct dg1 *dg1, struct context *c)
{
	struct context **at = &dg1->guc->scheduler[c->engine].queue;

	if (c->queued || !c->enabled)
		return;
	while (*at && (*at)->priority <= c->priority)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
	c->queued = true;
}

static void dequeue(struct dg1 *dg1, struct context *c)
{
	struct context **at = &dg1->guc->scheduler[c->engine].queue;

	if (!c->queued)
		return;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->queued = false;
}

static void runs(struct dg1 *dg1, unsigned int engine, struct context *c)
{
	struct scheduler *s = &dg1->guc->scheduler[engine];
	const uint32_t stamp = (uint32_t)dg1_timestamp();

	if (s->running)
		s->total += stamp - s->stamp;
	s->running = c;
	s->stamp = stamp;
	s->since = now_us();
	s->asked = 0;
	s->packets = dg1->engine[engine].packets;
	s->ran = false;
	tell_usage(dg1, engine);
}

static void pay(struct dg1 *dg1, struct context *c)
{
	if (c->owed)
		tell_mode(dg1, c, false);
	c->owed = false;
}

/* restart - reset an engine. What its registers have for all contexts stays: the GuC writes it again (ADS: reg_state_list). */
static void restart(struct dg1 *dg1, unsigned int id)
{
	static const uint32_t goes[] = {
		RING_TAIL(0), RING_HEAD(0), RING_START(0), RING_CTL(0), RING_EIR(0), RING_RESET_CTL(0), RING_EXECLIST_STATUS_LO(0),
		RING_EXECLIST_STATUS_HI(0),
	};
	uint32_t *block = &dg1->reg[WORD(dg1_base(id))], kept[WORD(0x800)];
	size_t i;

	memcpy(kept, block, sizeof(kept));
	engine_reset(&dg1->engine[id]);
	memcpy(block, kept, sizeof(kept));
	for (i = 0; i < ARRAY_SIZE(goes); i++)
		block[WORD(goes[i])] = 0;
	block[WORD(RING_MI_MODE(0))] &= ~(uint32_t)STOP_RING;
}

/* taken_off - by force: then it is not scheduled before the driver, which is told, has it so again */
static void taken_off(struct dg1 *dg1, unsigned int id)
{
	struct scheduler *s = &dg1->guc->scheduler[id];
	struct context *c = s->running;

	restart(dg1, id);
	dg1->taken_off++;
	runs(dg1, id, NULL);
	if (s->coming)
		enqueue(dg1, s->coming);
	s->coming = NULL;
	c->enabled = false;
	event(dg1, INTEL_GUC_ACTION_CONTEXT_RESET_NOTIFICATION, id_of(dg1, c), 0, 1);
	pay(dg1, c);
}

/* had_turn - has the engine, or will it have none? */
static bool had_turn(const struct scheduler *s, const struct engine *engine)
{
	return s->ran || engine->hung || engine->stalled || !dg1_execlists_enabled(engine);
}

/* is_over - has the one that runs had its quantum, and done something in it? */
static bool is_over(const struct scheduler *s, const struct engine *engine)
{
	return s->running->quantum && had_turn(s, engine) && now_us() - s->since > s->running->quantum;
}

/* step - one thing that has happened on an engine, or is to happen; false when there was none */
static bool step(struct dg1 *dg1, unsigned int id)
{
	struct scheduler *s = &dg1->guc->scheduler[id];
	struct engine *engine = &dg1->engine[id];
	struct context *c = s->running, *next = s->queue;
	const bool pending = dg1_execlists_pending(engine);

	if (s->coming && !pending) {
		next = s->coming;
		s->coming = NULL;
		runs(dg1, id, next);
		if (c && dg1_execlists_unfinished(&dg1->device, c->descriptor))
			enqueue(dg1, c);
		if (c)
			pay(dg1, c);
		return true;
	}
	if (c && !pending && !dg1_execlists_active(engine)) {
		/* One that says that there is more, and does none of it, would do so for ever. */
		const bool worked = engine->packets != s->packets;

		runs(dg1, id, NULL);
		if (worked && dg1_execlists_unfinished(&dg1->device, c->descriptor))
			enqueue(dg1, c);
		pay(dg1, c);
		return true;
	}
	/* In hardware it had its chance in no time. */
	if (c && s->asked && c->patience && had_turn(s, engine) && now_us() - s->asked > c->patience) {
		taken_off(dg1, id);
		return true;
	}
	if (s->coming || s->asked)
		return false;
	if (c && c->owed) {
		s->asked = now_us();
		s->ran = false;
		dg1_execlists_leave(engine);
		return true;
	}
	if (!next || (c && (next->priority > c->priority || (next->priority == c->priority && !is_over(s, engine)))))
		return false;
	dequeue(dg1, next);
	s->coming = next;
	s->asked = now_us();
	s->ran = false;
	dg1_execlists_run(engine, next->descriptor);
	return true;
}

void dg1_guc_look(struct dg1 *dg1, unsigned int engine)
{
	unsigned int i;

	if (!dg1->guc->runs || device_gone(&dg1->device))
		return;
	for (i = 0; i < STEPS; i++)
		if (!step(dg1, engine))
			return;
	dg1->guc->more = true;
}

void dg1_guc_ran(struct dg1 *dg1, unsigned int engine)
{
	dg1->guc->scheduler[engine].ran = true;
	dg1_guc_look(dg1, engine);
}

/* ---------------------------------------------------------------- requests */

static struct context *context_of(struct dg1 *dg1, uint32_t id)
{
	struct context *c = id < CONTEXTS ? &dg1->guc->context[id] : NULL;

	return c && c->descriptor ? c : NULL;
}

/* Requests return what the answer says, or this. */
static const int failed = -INTEL_GUC_RESPONSE_STATUS_GENERIC_FAIL;

static int register_context(struct dg1 *dg1, const uint32_t *data, uint32_t words)
{
	const uint32_t id = words < 11 ? CONTEXTS : data[1], class = words < 11 ? 0 : data[2];
	struct context *c;

	/* No context spans several engines here: there is one of each class. */
	if (id >= CONTEXTS || !(data[9] & DG1_IMAGE) || (class != CLASS_RENDER && class != CLASS_BLITTER) || dg1->guc->context[id].descriptor)
		return failed;
	c = &dg1->guc->context[id];
	*c = (struct context){
		/* An id of the hardware's own: there, all bits set are no context. What is on the engine is not restored again. */
		.descriptor = (data[9] & ~(uint32_t)CTX_DESC_FORCE_RESTORE) | (uint64_t)(id % 0x7ff) << 37,
		.engine = class == CLASS_RENDER ? DG1_RCS : DG1_BCS,
		.priority = 3,
	};
	return 0;
}

static int deregister_context(struct dg1 *dg1, const uint32_t *data, uint32_t words)
{
	struct context *c = words < 1 ? NULL : context_of(dg1, data[0]);

	if (!c || c == dg1->guc->scheduler[c->engine].running || c == dg1->guc->scheduler[c->engine].coming)
		return failed;
	dequeue(dg1, c);
	c->descriptor = 0;
	event(dg1, INTEL_GUC_ACTION_DEREGISTER_CONTEXT_DONE, data[0], 0, 1);
	return 0;
}

static int set_policies(struct dg1 *dg1, const uint32_t *data, uint32_t words)
{
	struct context *c = words < 1 ? NULL : context_of(dg1, data[0]);
	uint32_t i, value;

	if (!c)
		return failed;
	for (i = 1; i + 1 < words; i += 1 + field(data[i], GUC_KLV_0_LEN)) {
		value = data[i + 1];
		switch (field(data[i], GUC_KLV_0_KEY)) {
		case GUC_CONTEXT_POLICIES_KLV_ID_EXECUTION_QUANTUM:
			c->quantum = value;
			break;
		case GUC_CONTEXT_POLICIES_KLV_ID_PREEMPTION_TIMEOUT:
			c->patience = value;
			break;
		case GUC_CONTEXT_POLICIES_KLV_ID_SCHEDULING_PRIORITY:
			c->priority = value;
			if (c->queued) {
				dequeue(dg1, c);
				enqueue(dg1, c);
			}
			break;
		}
	}
	dg1_guc_look(dg1, c->engine);
	return 0;
}

static int schedule(struct dg1 *dg1, const uint32_t *data, uint32_t words)
{
	struct context *c = words < 1 ? NULL : context_of(dg1, data[0]);
	struct scheduler *s;

	if (!c)
		return failed;
	s = &dg1->guc->scheduler[c->engine];
	dg1_guc_look(dg1, c->engine);
	if (!c->enabled)
		return 0;	/* it was taken off meanwhile */
	if (c == s->running && !s->asked)
		dg1_execlists_run(&dg1->engine[c->engine], c->descriptor);	/* as far as its new tail */
	else if (c != s->running && c != s->coming)
		enqueue(dg1, c);
	dg1_guc_look(dg1, c->engine);
	return 0;
}

static int set_mode(struct dg1 *dg1, const uint32_t *data, uint32_t words)
{
	struct context *c = words < 2 ? NULL : context_of(dg1, data[0]);
	struct scheduler *s;

	if (!c || data[1] > 1)
		return failed;
	s = &dg1->guc->scheduler[c->engine];
	dg1_guc_look(dg1, c->engine);
	c->enabled = data[1];
	if (c->enabled) {
		tell_mode(dg1, c, true);
		return schedule(dg1, data, words);
	}
	dequeue(dg1, c);
	if (c == s->coming) {
		/* It has not come yet: the one that runs may stay. */
		dg1_execlists_cancel(&dg1->engine[c->engine]);
		s->coming = NULL;
		s->asked = 0;
	}
	c->owed = true;
	if (c != s->running)
		pay(dg1, c);
	dg1_guc_look(dg1, c->engine);
	return 0;
}

static int forget_contexts(struct dg1 *dg1)
{
	struct dg1_guc *guc = dg1->guc;
	unsigned int i;

	for (i = 0; i < DG1_ENGINES; i++) {
		if (dg1_execlists_active(&dg1->engine[i]) || dg1_execlists_pending(&dg1->engine[i]))
			restart(dg1, i);
		runs(dg1, i, NULL);
		guc->scheduler[i] = (struct scheduler){ .total = guc->scheduler[i].total };
	}
	memset(guc->context, 0, CONTEXTS * sizeof(*guc->context));
	guc->talks = false;
	return 0;
}

/* Frequencies and power states, of which there are none: what was set is what is told. */
static int power(struct dg1 *dg1, const uint32_t *data, uint32_t words)
{
	uint32_t *set = dg1->guc->power;
	const uint32_t what = words ? field(data[0], HOST2GUC_PC_SLPC_REQUEST_MSG_1_EVENT_ID) : ~0u;
	uint32_t state = SLPC_GLOBAL_STATE_RUNNING;
	struct slpc_task_state_data task = { .status = SLPC_GTPERF_TASK_ENABLED };

	if (words < 2)
		return failed;
	switch (what) {
	case SLPC_EVENT_RESET:
		memset(set, 0, sizeof(dg1->guc->power));
		set[SLPC_PARAM_GLOBAL_MAX_GT_UNSLICE_FREQ_MHZ] = FASTEST;
		set[SLPC_PARAM_GLOBAL_MIN_GT_UNSLICE_FREQ_MHZ] = SLOWEST;
		memory_write(&dg1->device, GLOBAL, data[1] + offsetof(struct slpc_shared_data, header.global_state), &state, 4);
		return 0;
	case SLPC_EVENT_SHUTDOWN:
		state = SLPC_GLOBAL_STATE_NOT_RUNNING;
		memory_write(&dg1->device, GLOBAL, data[1] + offsetof(struct slpc_shared_data, header.global_state), &state, 4);
		return 0;
	case SLPC_EVENT_QUERY_TASK_STATE:
		task.freq = SLPC_RATIO(set[SLPC_PARAM_GLOBAL_MAX_GT_UNSLICE_FREQ_MHZ]) |
			    SLPC_RATIO(set[SLPC_PARAM_GLOBAL_MIN_GT_UNSLICE_FREQ_MHZ]) << 8;
		memory_write(&dg1->device, GLOBAL, data[1] + offsetof(struct slpc_shared_data, task_state_data), &task, sizeof(task));
		return 0;
	case SLPC_EVENT_PARAMETER_SET:
		if (words < 3 || data[1] >= SLPC_MAX_PARAM)
			return failed;
		set[data[1]] = data[2];
		return 0;
	case SLPC_EVENT_PARAMETER_UNSET:
		if (data[1] >= SLPC_MAX_PARAM)
			return failed;
		set[data[1]] = data[1] == SLPC_PARAM_GLOBAL_MAX_GT_UNSLICE_FREQ_MHZ ? FASTEST :
			       data[1] == SLPC_PARAM_GLOBAL_MIN_GT_UNSLICE_FREQ_MHZ ? SLOWEST : 0;
		return 0;
	default:
		return failed;
	}
}

static int configure(struct dg1 *dg1, const uint32_t *data, uint32_t words)
{
	const uint32_t key = words < 2 ? 0 : field(data[0], GUC_KLV_0_KEY);
	struct dg1_guc *guc = dg1->guc;
	struct ctb *b = key < GUC_KLV_SELF_CFG_G2H_CTB_ADDR_KEY ? &guc->in : &guc->out;
	uint64_t value;

	if (words < 2 || guc->talks)
		return failed;
	value = data[1] | (words > 2 && field(data[0], GUC_KLV_0_LEN) > 1 ? (uint64_t)data[2] << 32 : 0);
	switch (key) {
	case GUC_KLV_SELF_CFG_H2G_CTB_ADDR_KEY:
	case GUC_KLV_SELF_CFG_G2H_CTB_ADDR_KEY:
		b->at = value;
		return 1;
	case GUC_KLV_SELF_CFG_H2G_CTB_DESCRIPTOR_ADDR_KEY:
	case GUC_KLV_SELF_CFG_G2H_CTB_DESCRIPTOR_ADDR_KEY:
		b->descriptor = value;
		return 1;
	case GUC_KLV_SELF_CFG_H2G_CTB_SIZE_KEY:
	case GUC_KLV_SELF_CFG_G2H_CTB_SIZE_KEY:
		if (!value || value % DG1_PAGE || value > CTB_MOST)
			return failed;
		b->words = (uint32_t)value / 4;
		return 1;
	default:
		return 0;	/* it is not known */
	}
}

static int count_klvs(const uint32_t *data, uint32_t words)
{
	uint32_t i;
	int n = 0;

	for (i = 0; i < words; i += 1 + field(data[i], GUC_KLV_0_LEN))
		n++;
	return n;
}

static int request(struct dg1 *dg1, uint32_t head, const uint32_t *data, uint32_t words)
{
	struct dg1_guc *guc = dg1->guc;
	const uint32_t action = field(head, GUC_HXG_REQUEST_MSG_0_ACTION);

	switch (action) {
	case INTEL_GUC_ACTION_REGISTER_CONTEXT:
		return register_context(dg1, data, words);
	case INTEL_GUC_ACTION_DEREGISTER_CONTEXT:
		return deregister_context(dg1, data, words);
	case INTEL_GUC_ACTION_HOST2GUC_UPDATE_CONTEXT_POLICIES:
		return set_policies(dg1, data, words);
	case INTEL_GUC_ACTION_SCHED_CONTEXT:
		return schedule(dg1, data, words);
	case INTEL_GUC_ACTION_SCHED_CONTEXT_MODE_SET:
		return set_mode(dg1, data, words);
	case INTEL_GUC_ACTION_UPDATE_SCHEDULING_POLICIES_KLV:
		return count_klvs(data, words);
	case INTEL_GUC_ACTION_SET_ENG_UTIL_BUFF:
		guc->usage = words < 1 ? 0 : data[0];
		return 0;
	case GUC_ACTION_HOST2GUC_PC_SLPC_REQUEST:
		return power(dg1, data, words);
	case INTEL_GUC_ACTION_TLB_INVALIDATION:
		/* Nothing is cached. */
		if (words < 1)
			return failed;
		event(dg1, INTEL_GUC_ACTION_TLB_INVALIDATION_DONE, data[0], 0, 1);
		return 0;
	case INTEL_GUC_ACTION_AUTHENTICATE_HUC:
		dg1->reg[WORD(GEN11_HUC_KERNEL_LOAD_INFO)] = HUC_LOAD_SUCCESSFUL;
		return 0;
	case ACTION_SET_DEVICE_ENGINE_ACTIVITY_BUFFER:
	case ACTION_OPT_IN_FEATURE_KLV:
	case INTEL_GUC_ACTION_SETUP_PC_GUCRC:
	case INTEL_GUC_ACTION_GLOBAL_SCHED_POLICY_CHANGE:
	case INTEL_GUC_ACTION_UK_LOG_ENABLE_LOGGING:
	case INTEL_GUC_ACTION_FORCE_LOG_BUFFER_FLUSH:
	case INTEL_GUC_ACTION_LOG_BUFFER_FILE_FLUSH_COMPLETE:
		return 0;
	default:
		if (!guc->unknown)
			fprintf(stderr, "dg1: guc: action %#x is not known\n", action);
		guc->unknown = true;
		dg1->device.count.unknown_packets++;
		return -INTEL_GUC_RESPONSE_NOT_SUPPORTED;
	}
}

static uint32_t answer(int result)
{
	return result < 0 ? FIELD_PREP(GUC_HXG_MSG_0_TYPE, GUC_HXG_TYPE_RESPONSE_FAILURE) | (uint32_t)-result :
			    FIELD_PREP(GUC_HXG_MSG_0_TYPE, GUC_HXG_TYPE_RESPONSE_SUCCESS) | (uint32_t)result;
}

/* What has to be asked for by registers: it is about the buffers. */
static int registers_only(struct dg1 *dg1, uint32_t head, const uint32_t *data, uint32_t words)
{
	struct dg1_guc *guc = dg1->guc;

	switch (field(head, GUC_HXG_REQUEST_MSG_0_ACTION)) {
	case GUC_ACTION_HOST2GUC_SELF_CFG:
		return configure(dg1, data, words);
	case GUC_ACTION_HOST2GUC_CONTROL_CTB:
		if (data[0] > GUC_CTB_CONTROL_ENABLE || (data[0] && (!guc->in.words || !guc->out.words)))
			return failed;
		guc->talks = data[0];
		return 0;
	case INTEL_GUC_ACTION_CLIENT_SOFT_RESET:
		return forget_contexts(dg1);
	default:
		return request(dg1, head, data, words);
	}
}

/* A request is in the scratch registers: the answer takes its place. */
static void registers_request(struct dg1 *dg1)
{
	uint32_t *scratch = &dg1->reg[WORD(GEN11_SOFT_SCRATCH(0))];

	if (scratch[0] && !(scratch[0] & GUC_HXG_MSG_0_ORIGIN))
		scratch[0] = GUC_HXG_MSG_0_ORIGIN |
			     answer(registers_only(dg1, scratch[0], scratch + 1, GEN11_SOFT_SCRATCH_COUNT - 1));
}

/* nothing_follows - is it all zeros until the end? xe fills it with those: no message of its is at the end and the beginning. */
static bool nothing_follows(struct dg1 *dg1, const struct ctb *b, uint32_t head)
{
	uint32_t word = 0;

	for (; !word && head < b->words; head++)
		memory_read(&dg1->device, GLOBAL, b->at + 4ULL * head, &word, sizeof(word));
	return !word;
}

static void buffer_requests(struct dg1 *dg1)
{
	const struct ctb *b = &dg1->guc->in;
	uint32_t message[1 + GUC_CTB_MSG_MAX_LEN], n, i, type, done = 0;
	struct guc_ct_buffer_desc d;

	if (!dg1->guc->talks)
		return;
	message[0] = 0;
	memory_read(&dg1->device, GLOBAL, b->descriptor, &d, sizeof(d));
	if (d.head >= b->words || d.tail >= b->words)
		d.status |= GUC_CTB_STATUS_OVERFLOW;
	while (!d.status && d.head != d.tail) {
		if (done++ == MESSAGES) {
			dg1->guc->more = true;
			break;
		}
		memory_read(&dg1->device, GLOBAL, b->at + 4ULL * d.head, &message[0], 4);
		n = 1 + field(message[0], GUC_CTB_MSG_0_NUM_DWORDS);
		if (!message[0] && d.tail < d.head && nothing_follows(dg1, b, d.head)) {
			dg1->wraps++;
			d.head = 0;
			memory_write(&dg1->device, GLOBAL, b->descriptor, &d.head, 4);
			continue;
		}
		if (n < 2 || (d.tail + b->words - d.head) % b->words < n) {
			d.status |= GUC_CTB_STATUS_UNDERFLOW;
			break;
		}
		for (i = 1; i < n; i++)
			memory_read(&dg1->device, GLOBAL, b->at + 4ULL * ((d.head + i) % b->words), &message[i], 4);
		dg1->wraps += d.head + n >= b->words;
		d.head = (d.head + n) % b->words;
		memory_write(&dg1->device, GLOBAL, b->descriptor, &d.head, 4);
		type = field(message[1], GUC_HXG_MSG_0_TYPE);
		if (message[1] & GUC_HXG_MSG_0_ORIGIN || (type != GUC_HXG_TYPE_REQUEST && type != GUC_HXG_TYPE_FAST_REQUEST))
			continue;
		const int result = request(dg1, message[1], message + 2, n - 2);

		/* Of a fast request only a failure is told. */
		if (result < 0 || type == GUC_HXG_TYPE_REQUEST)
			send(dg1, field(message[0], GUC_CTB_MSG_0_FENCE), answer(result), NULL, 0);
	}
	if (d.status) {
		if (!dg1->guc->broken)
			fprintf(stderr, "dg1: guc: requests are broken, status %x: head %u, tail %u, word %x\n", d.status, d.head, d.tail,
				message[0]);
		dg1->guc->broken = true;
		dg1->unheard++;
		memory_write(&dg1->device, GLOBAL, b->descriptor + 8, &d.status, 4);
	}
}

static void notified(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	(void)before;
	dg1->reg[index] = 0;
	if (!dg1->guc->runs)
		return;
	registers_request(dg1);
	buffer_requests(dg1);
}

/* due - the time when something is to be looked at again, µs */
static uint64_t due(const struct dg1 *dg1, unsigned int id)
{
	const struct scheduler *s = &dg1->guc->scheduler[id];
	const struct context *c = s->running;

	if (!c)
		return NEVER;
	if (s->asked)
		return c->patience ? s->asked + c->patience : NEVER;
	return s->queue && c->quantum && s->queue->priority <= c->priority ? s->since + c->quantum : NEVER;
}

int dg1_guc_later(struct dg1 *dg1)
{
	uint64_t first = NEVER, now;
	unsigned int i;

	if (!dg1->guc->runs || device_gone(&dg1->device))
		return -1;
	if (dg1->guc->more) {
		dg1->guc->more = false;
		buffer_requests(dg1);
	}
	for (i = 0; i < DG1_ENGINES; i++) {
		dg1_guc_look(dg1, i);
		if (due(dg1, i) < first)
			first = due(dg1, i);
	}
	if (dg1->guc->more)
		return 0;
	if (first == NEVER)
		return -1;
	now = now_us();
	return first <= now ? 1 : (int)((first - now) / 1000 + 1);
}

/* ---------------------------------------------------------------- loading */

/* In place of a signature: 64 words that depend on each word of header and code. */
static void sign(const uint32_t *words, uint32_t n, uint32_t *key)
{
	uint64_t hash = 0xcbf29ce484222325ULL;	/* FNV-1a */
	uint32_t i;

	for (i = 0; i < n; i++)
		hash = (hash ^ words[i]) * 0x100000001b3ULL;
	for (i = 0; i < KEY_WORDS; i++) {
		hash = (hash ^ i) * 0x100000001b3ULL;
		key[i] = (uint32_t)(hash >> 32);
	}
}

static bool header_is_good(const struct uc_css_header *h, uint32_t bytes)
{
	return h->header_size_dw - h->key_size_dw - h->modulus_size_dw - h->exponent_size_dw == HEADER_WORDS &&
	       h->key_size_dw == KEY_WORDS && h->size_dw - h->header_size_dw + HEADER_WORDS == bytes / 4;
}

/* load - what the transfer brings: it has to be what its signature is of */
static void load(struct dg1 *dg1)
{
	const uint32_t *reg = dg1->reg, bytes = reg[WORD(DMA_COPY_SIZE)];
	const uint64_t from = (uint64_t)(reg[WORD(DMA_ADDR_0_HIGH)] & 0xffff) << 32 | reg[WORD(DMA_ADDR_0_LOW)];
	uint32_t *words, key[KEY_WORDS], status;

	if (!(reg[WORD(GUC_STATUS)] & GS_MIA_IN_RESET) || bytes % 4 || bytes < sizeof(struct uc_css_header) || bytes > LOAD_MOST)
		return;
	words = malloc(bytes);
	if (!words)
		return;
	memory_read(&dg1->device, GLOBAL, from, words, bytes);
	sign(words, bytes / 4, key);
	if (!header_is_good((const void *)words, bytes) || memcmp(key, &reg[WORD(UOS_RSA_SCRATCH(0))], sizeof(key))) {
		status = AUTH_BAD | INTEL_BOOTROM_STATUS_RSA_FAILED << GS_BOOTROM_SHIFT;
	} else {
		status = AUTH_GOOD | (uint32_t)INTEL_GUC_LOAD_STATUS_READY << GS_UKERNEL_SHIFT |
			 INTEL_BOOTROM_STATUS_JUMP_PASSED << GS_BOOTROM_SHIFT;
		forget_contexts(dg1);	/* that somebody else had submitted */
		dg1->guc->runs = true;
		dg1->loads++;
	}
	free(words);
	dg1->reg[WORD(GUC_STATUS)] = status;
}

/* Set once, until a reset: the driver looks whether it was. */
static void locked(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	if (before & LOCKED)
		dg1->reg[index] = before;
	else
		dg1->reg[index] |= LOCKED;
}

/* At once. The other firmware (HuC) is for engines that are not there: it only has to be asked for. */
static void transfer(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	dg1->reg[index] = dg1_masked(before, dg1->reg[index]);
	if (!(dg1->reg[index] & START_DMA))
		return;
	if (dg1->reg[index] & UOS_MOVE)
		load(dg1);
	dg1->reg[index] &= ~(uint32_t)START_DMA;
}

void dg1_guc_reset(struct dg1 *dg1)
{
	struct dg1_guc *guc = dg1->guc;
	unsigned int i;

	guc->runs = guc->talks = guc->more = guc->full = guc->broken = guc->unknown = false;
	guc->usage = 0;
	guc->in = guc->out = (struct ctb){ 0 };
	for (i = 0; i < DG1_ENGINES; i++)
		guc->scheduler[i] = (struct scheduler){ 0 };
	memset(guc->context, 0, CONTEXTS * sizeof(*guc->context));
	memset(guc->power, 0, sizeof(guc->power));
	dg1->reg[WORD(GEN11_SOFT_SCRATCH(0))] = 0;
	dg1->reg[WORD(GUC_STATUS)] = GS_MIA_IN_RESET;
	dg1->reg[WORD(GEN11_HUC_KERNEL_LOAD_INFO)] = 0;
}

static int firmware(const char *directory, const char *name)
{
	static struct {
		struct uc_css_header header;
		uint32_t code[CODE_WORDS], key[KEY_WORDS];
	} file = {
		.header = {
			.module_type = 6, .header_size_dw = HEADER_WORDS + KEY_WORDS, .header_version = 0x10000,
			.module_vendor = 0x8086, .size_dw = HEADER_WORDS + KEY_WORDS + CODE_WORDS, .key_size_dw = KEY_WORDS,
			.sw_version = VERSION, .vf_version = SUBMISSION,
		},
	};
	uint32_t words[HEADER_WORDS + CODE_WORDS];
	char path[4096];
	FILE *f;
	int bad;

	memcpy(words, &file, sizeof(words));
	sign(words, ARRAY_SIZE(words), file.key);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "wb");
	if (!f) {
		perror(path);
		return -1;
	}
	bad = fwrite(&file, sizeof(file), 1, f) != 1;
	if (fclose(f) || bad) {
		perror(path);
		return -1;
	}
	return 0;
}

/* One is as good as the other: the driver looks at the header. */
int dg1_guc_firmware(const char *directory)
{
	return firmware(directory, "dg1_guc_70.bin") || firmware(directory, "dg1_huc.bin") ? -1 : 0;
}

static uint32_t clock_read(struct device *device, uint32_t index)
{
	const uint64_t now = dg1_timestamp();

	(void)device;
	return (uint32_t)(index == WORD(MISC_STATUS0) + 1 ? now >> 32 : now);
}

bool dg1_guc_init(struct dg1 *dg1)
{
	static const struct register_hook hooks[] = {
		{ WORD(GEN11_GUC_HOST_INTERRUPT), WORD(GEN11_GUC_HOST_INTERRUPT), NULL, notified },
		{ WORD(DMA_CTRL), WORD(DMA_CTRL), NULL, transfer },
		{ WORD(GUC_STATUS), WORD(GUC_STATUS), NULL, registers_read_only },
		{ WORD(GUC_WOPCM_SIZE), WORD(GUC_WOPCM_SIZE), NULL, locked },
		{ WORD(DMA_GUC_WOPCM_OFFSET), WORD(DMA_GUC_WOPCM_OFFSET), NULL, locked },
		{ WORD(GEN11_HUC_KERNEL_LOAD_INFO), WORD(GEN11_HUC_KERNEL_LOAD_INFO), NULL, registers_read_only },
		{ WORD(MISC_STATUS0), WORD(MISC_STATUS0) + 1, clock_read, registers_read_only },
		{ WORD(GUCPMTIMESTAMP), WORD(GUCPMTIMESTAMP), clock_read, registers_read_only },
		/* nothing is cached */
		{ WORD(GEN12_GUC_TLB_INV_CR), WORD(GEN12_GUC_TLB_INV_CR), NULL, registers_read_only },
		{ WORD(GEN8_GTCR), WORD(GEN8_GTCR), NULL, registers_read_only },
	};
	static const struct register_range used[] = {
		{ WORD(SOFT_SCRATCH(0)), WORD(SOFT_SCRATCH(15)) }, { WORD(GEN11_SOFT_SCRATCH(0)), WORD(GEN11_SOFT_SCRATCH(3)) },
		{ WORD(UOS_RSA_SCRATCH(0)), WORD(UOS_RSA_SCRATCH(63)) }, { WORD(DMA_ADDR_0_LOW), WORD(DMA_COPY_SIZE) },
		{ WORD(GUC_MAX_IDLE_COUNT), WORD(GUC_MAX_IDLE_COUNT) }, { WORD(GUC_SHIM_CONTROL), WORD(GUC_SHIM_CONTROL) },
		{ WORD(GEN9_GT_PM_CONFIG), WORD(GEN9_GT_PM_CONFIG) },
		{ WORD(GEN12_GUC_SEM_INTR_ENABLES), WORD(GEN12_GUC_SEM_INTR_ENABLES) },
		{ WORD(GEN12_DIST_DBS_POPULATED), WORD(GEN12_DIST_DBS_POPULATED) }, { WORD(GUC_HEADER_INFO), WORD(GUC_HEADER_INFO) },
	};

	dg1->guc = calloc(1, sizeof(*dg1->guc));
	if (!dg1->guc)
		return false;
	dg1->guc->context = calloc(CONTEXTS, sizeof(*dg1->guc->context));
	if (!dg1->guc->context)
		return false;
	registers_plain(&dg1->registers, used, ARRAY_SIZE(used));
	return registers_hook(&dg1->registers, hooks, ARRAY_SIZE(hooks));
}

/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * What engines have in common: they fetch packets from a ring, and from the indirect buffers (batches) that it names, and
 * execute them. A write to a ring's registers is answered at once; the ring is executed after that, some packets at a time.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "memory.h"

#define ENGINE_DEPTH	4		/* a ring, and indirect buffers that call others */
#define ENGINE_HEAD	0x4001u		/* words of a packet that are fetched before it is executed, at most */
#define FETCH_NO_RING	(~0u)		/* as the mask: it does not begin again at its end */
#define FETCH_NO_END	(~0u)		/* as the end of an indirect buffer: a packet ends it */

/* Where packets are fetched from: a ring, or an indirect buffer. */
struct fetch {
	uint64_t space, base;	/* its address, and in which space (memory.h) */
	uint32_t mask;		/* words of a ring, less one; FETCH_NO_RING */
	uint32_t at, end;	/* in words, from the base */
};

enum engine_step {
	ENGINE_DONE,		/* go on behind the packet */
	ENGINE_JUMPED,		/* go on where fetch[depth] says */
	ENGINE_WAITS,		/* for memory or a register to change: execute the same packet again later */
	ENGINE_UNKNOWN,		/* the packet is not known, or not right: the engine hangs until it is reset */
};

struct engine_ops {
	/* words of a packet's start that execute() needs at once, at least 1; the rest it may fetch by engine_words() */
	uint32_t head;
	/* do its registers let it run? */
	bool (*enabled)(const struct engine *engine);
	/* the registers of its ring were written: take where it is from there. Called by the generation, by engine_submit(). */
	void (*submit)(struct engine *engine);
	/* how many words a packet with this header has, with it; 0: it is not known */
	uint32_t (*length)(const struct engine *engine, uint32_t header);
	/* one packet: its first words, of length at all */
	enum engine_step (*execute)(struct engine *engine, const uint32_t *packet, uint32_t length);
	/* say how far it has come: after some packets, or when it can go on no more */
	void (*report)(struct engine *engine);
	/* its ring is empty: another may be taken, as the next context that was submitted. May be NULL. */
	void (*empty)(struct engine *engine);
	/* what it knows besides what is here. May be NULL. */
	void (*reset)(struct engine *engine);
};

struct engine {
	/* Set by the generation. */
	const struct engine_ops *ops;
	const char *name;
	struct device *device;
	unsigned int id;

	struct fetch fetch[ENGINE_DEPTH];	/* the ring, and what it called */
	unsigned int depth;			/* where it is: 0, in the ring */
	struct fetch packet;			/* where the packet that is executed begins */
	uint32_t skip;				/* words behind it that are not executed */
	bool waiting;
	bool stalled;				/* on demand (control.h), until it is resumed or reset */
	bool hung;				/* until it is reset */
	uint64_t packets;
};

/* engine_reset - it has no ring, and does nothing */
void engine_reset(struct engine *engine);

/* engine_submit - the registers of its ring were written */
void engine_submit(struct engine *engine);

/* engine_ring - the ring, of a power of two words; at and end are taken modulo that */
void engine_ring(struct engine *engine, uint64_t space, uint64_t base, uint64_t words, uint32_t at, uint32_t end);

/* engine_write_pointer - the end of what there is in the ring, in words */
void engine_write_pointer(struct engine *engine, uint32_t end);

/* engine_read_pointer - where in the ring it is, in words */
uint32_t engine_read_pointer(const struct engine *engine);

/* engine_active - does it have packets to execute? */
bool engine_active(const struct engine *engine);

/* For execute(). */

/* engine_words - words of the packet, from skip on; false when its buffer ends before them */
bool engine_words(struct engine *engine, uint32_t skip, uint32_t *to, uint32_t words);

/* engine_call - go on in an indirect buffer, then behind this packet; false when that is too deep. Return ENGINE_DONE. */
bool engine_call(struct engine *engine, const struct fetch *fetch);

/* engine_jump - go on in another buffer in place of this one. Return ENGINE_JUMPED. */
void engine_jump(struct engine *engine, const struct fetch *fetch);

/* engine_return - the indirect buffer ends here; false when it is none. Return ENGINE_JUMPED. */
bool engine_return(struct engine *engine);

/* engines_run - let all work a while; how long to wait for the next time in ms, -1: until a message comes */
int engines_run(struct device *device);

#endif

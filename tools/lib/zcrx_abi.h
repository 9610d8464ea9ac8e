/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * What <linux/io_uring/zcrx.h> of Linux 7.3 has and liburing 2.15's copy of it
 * has not: events, statistics, and areas that are added later.  The names are
 * the kernel's; a liburing that knows them includes that header itself.
 */
#ifndef NETGPU_ZCRX_ABI_H
#define NETGPU_ZCRX_ABI_H

#include <liburing.h>
#include <stdint.h>
#include <string.h>

#ifndef LINUX_IO_ZCRX_H

enum zcrx_event_type {
	ZCRX_EVENT_ALLOC_FAIL,
	ZCRX_EVENT_COPY,
};

enum zcrx_event_desc_flags {
	ZCRX_EVENT_DESC_FLAG_STATS = 1 << 0,	/* stats_offset holds */
};

struct zcrx_stats {
	__u64	copy_count;
	__u64	copy_bytes;
};

struct zcrx_event_desc {
	__u64	user_data;
	__u32	type_mask;
	__u32	flags;
	__u64	stats_offset;	/* in the memory of the refill ring */
	__u64	__resv2[9];
};

/* More of enum zcrx_ctrl_op, and of the union in struct zcrx_ctrl. */
#define ZCRX_CTRL_ARM_EVENT	2
#define ZCRX_CTRL_ADD_AREA	3

struct zcrx_ctrl_arm_event {
	__u32	event_type;
	__u32	__resv[11];
};

struct zcrx_ctrl_add_area {
	__u64	area_ptr;	/* struct io_uring_zcrx_area_reg */
	__u64	__resv[5];
};

#endif

static inline void zcrx_set_event_desc(struct io_uring_zcrx_ifq_reg *reg,
				       const struct zcrx_event_desc *desc)
{
#ifdef LINUX_IO_ZCRX_H
	reg->event_desc = (uintptr_t)desc;
#else
	reg->__resv[0] = (uintptr_t)desc;
#endif
}

static inline int zcrx_flush_rq(struct io_uring *ring, __u32 zcrx_id)
{
	struct zcrx_ctrl ctrl = { .zcrx_id = zcrx_id, .op = ZCRX_CTRL_FLUSH_RQ };

	return io_uring_register_zcrx_ctrl(ring, &ctrl);
}

/* An event is posted once; this has it posted again. */
static inline int zcrx_arm_event(struct io_uring *ring, __u32 zcrx_id,
				 __u32 type)
{
	struct zcrx_ctrl ctrl = { .zcrx_id = zcrx_id, .op = ZCRX_CTRL_ARM_EVENT };
	struct zcrx_ctrl_arm_event arm = { .event_type = type };

	_Static_assert(sizeof(arm) == sizeof(ctrl.zc_flush), "not of the union");
	memcpy(&ctrl.zc_flush, &arm, sizeof(arm));
	return io_uring_register_zcrx_ctrl(ring, &ctrl);
}

static inline int zcrx_add_area(struct io_uring *ring, __u32 zcrx_id,
				struct io_uring_zcrx_area_reg *area)
{
	struct zcrx_ctrl ctrl = { .zcrx_id = zcrx_id, .op = ZCRX_CTRL_ADD_AREA };
	struct zcrx_ctrl_add_area add = { .area_ptr = (uintptr_t)area };

	_Static_assert(sizeof(add) == sizeof(ctrl.zc_flush), "not of the union");
	memcpy(&ctrl.zc_flush, &add, sizeof(add));
	return io_uring_register_zcrx_ctrl(ring, &ctrl);
}

#endif

/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Registers and commands by the names of the kernel's headers (drivers/gpu/drm/i915), where a register is its offset in
 * bytes: what those headers take from others is here.
 */
#ifndef I915_HEADERS_H
#define I915_HEADERS_H

#include <stdint.h>

#define __I915_REG_DEFS__
#define __INTEL_DISPLAY_REG_DEFS_H__
#define _MMIO(offset)			(offset)
#define MCR_REG(offset)			(offset)
#define BIT(n)				(1u << (n))
#define BIT_ULL(n)			(1ULL << (n))
#define REG_BIT(n)			(1u << (n))
#define GENMASK(high, low)		((uint32_t)((~0u >> (31 - (high))) & (~0u << (low))))
#define REG_GENMASK(high, low)		GENMASK(high, low)
#define GENMASK_ULL(high, low)		((~0ULL >> (63 - (high))) & (~0ULL << (low)))
#define FIELD_PREP(mask, value)		(((uint32_t)(value) * ((mask) & -(mask))) & (mask))
#define REG_FIELD_PREP(mask, value)	FIELD_PREP(mask, value)

#define __packed			__attribute__((packed))

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

static inline u64 sign_extend64(u64 value, int index)
{
	return (u64)((int64_t)(value << (63 - index)) >> (63 - index));
}

#include <assert.h>

#include "gt/intel_engine_regs.h"
#include "gt/intel_gpu_commands.h"
#include "gt/intel_gt_regs.h"
#include "gt/intel_lrc_reg.h"
#include "gt/uc/intel_guc_reg.h"
#include "i915_perf_oa_regs.h"
#include "i915_reg.h"

#endif

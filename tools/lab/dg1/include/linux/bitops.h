/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* What intel_gpu_commands.h takes from here is in i915_headers.h. */

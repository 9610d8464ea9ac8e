/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* What headers of the GuC take from here is in i915_headers.h. */

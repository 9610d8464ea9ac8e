/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Modules for the tests of the GPL gate (gate.sh). The sources are free, like
 * the rest; MODULE_LICENSE("Proprietary") is there for the loader to see.
 */
#ifndef GATE_H
#define GATE_H

#include <linux/module.h>

/* A GPL-only symbol in a namespace: one of netgpu's, where it is. */
#if IS_ENABLED(CONFIG_NETGPU)
#include <net/netgpu.h>
#define GATED		netgpu_region_put
#define GATED_NS	"NETGPU"
#else
#include <linux/dma-buf.h>
#define GATED		dma_buf_put
#define GATED_NS	"DMA_BUF"
#endif

/* Use a symbol, without calling it. */
#define USE(symbol)	static void *const use_##symbol __used = symbol
#define USE_GATED	static void *const use_gated __used = GATED

/* gate_base.c */
void gate_base_call(void);
void gate_base_gpl(void);
/* For who is to use one of them each: the linker sorts symbols by a hash. */
void gate_base_a(void);
void gate_base_b(void);
void gate_base_c(void);
void gate_base_d(void);
/* gate_base_shim.c */
void gate_base_shim_call(void);
/* gate_shim.c, or plain/gate_plain.c */
void gate_shim_call(void);
void gate_shim_ns_call(void);
/* gate_chain.c */
void gate_chain_call(void);
/* gate_late.c */
void gate_late_call(void);
/* gate_livepatch.c */
void gate_livepatch_call(void);
/* gate_klp.c */
void gate_klp_call(void);

#endif

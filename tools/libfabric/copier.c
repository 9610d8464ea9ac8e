// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Who moves what has arrived to where it belongs, if not the CPU: a DMA engine of a GPU that amdgpu drives (FI_NETGPU_SDMA). */
#include "provider.h"

#ifdef WITH_AMDGPU
#include <libnetgpu_amdgpu.h>

int copier_open(struct fabric *f, struct netgpu_domain_params *params)
{
	char *node = NULL;
	int ret;

	fi_param_get_str(&provider, "sdma", &node);
	if (!node || !*node)
		return 0;
	ret = netgpu_sdma_open(node, &f->sdma);
	if (!ret)
		ret = netgpu_sdma_add(f->sdma, params->landing);
	if (!ret)
		params->copier = netgpu_sdma_copier(f->sdma);
	return ret;
}

void copier_close(struct fabric *f)
{
	netgpu_sdma_close(f->sdma);
	f->sdma = NULL;
}

/* Memory that it does not reach is the CPU's to write. */
void copier_add(struct fabric *f, struct mr *mr)
{
	if (!f->sdma)
		return;
	mr->sdma = !netgpu_sdma_add(f->sdma, mr->memory);
	if (!mr->sdma)
		FI_INFO(&provider, FI_LOG_MR, "the CPU copies: %s\n", netgpu_error());
}

void copier_remove(struct fabric *f, struct mr *mr)
{
	if (mr->sdma)
		netgpu_sdma_remove(f->sdma, mr->memory);
	mr->sdma = false;
}
#else
int copier_open(struct fabric *f, struct netgpu_domain_params *params)
{
	(void)f;
	(void)params;
	return 0;
}

void copier_close(struct fabric *f)
{
	(void)f;
}

void copier_add(struct fabric *f, struct mr *mr)
{
	(void)f;
	(void)mr;
}

void copier_remove(struct fabric *f, struct mr *mr)
{
	(void)f;
	(void)mr;
}
#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * An honest module: makes a region of a dma-buf of its own for a device of its
 * own, binds it, takes it back when the parameter revoke is written to; once.
 */
#include <linux/delay.h>
#include <linux/device/faux.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/gfp.h>

#include "gate.h"
#include "gate_exporter.h"

static struct faux_device *gate_device;
static struct dma_buf *gate_dmabuf;
static struct netgpu_region *gate_region;

static uint placement;
module_param(placement, uint, 0444);

static bool bound;
module_param(bound, bool, 0444);

static bool gate_tryget(void *priv)
{
	return true;
}

static void gate_put(void *priv)
{
}

static void gate_revoke(void *priv)
{
	netgpu_region_unbind(gate_region, NETGPU_USE_RX);
	WRITE_ONCE(bound, false);
}

static const struct netgpu_region_user gate_region_user = {
	.owner	= THIS_MODULE,
	.tryget	= gate_tryget,
	.put	= gate_put,
	.revoke	= gate_revoke,
};

static const struct dma_buf_ops gate_dmabuf_ops = {
	.map_dma_buf	= gate_exporter_map,
	.unmap_dma_buf	= gate_exporter_unmap,
	.release	= gate_exporter_release,
};

static int gate_revoke_set(const char *val, const struct kernel_param *kp)
{
	dma_resv_lock(gate_dmabuf->resv, NULL);
	dma_buf_invalidate_mappings(gate_dmabuf);
	dma_resv_unlock(gate_dmabuf->resv);
	while (READ_ONCE(bound))
		msleep(20);

	netgpu_region_put(gate_region);
	/* It has a reference to this module. */
	dma_buf_put(gate_dmabuf);
	return 0;
}

static const struct kernel_param_ops gate_revoke_ops = {
	.set = gate_revoke_set,
};
module_param_cb(revoke, &gate_revoke_ops, NULL, 0200);

static struct dma_buf *gate_export(void)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;
	struct page *page;

	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return ERR_PTR(-ENOMEM);
	info.ops = &gate_dmabuf_ops;
	info.size = PAGE_SIZE;
	info.flags = O_RDWR;
	info.priv = page;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		__free_page(page);
	return dmabuf;
}

static int __init gate_honest_init(void)
{
	struct netgpu_region_params params = {
		.length	= PAGE_SIZE,
		.flags	= NETGPU_REGION_RX,
	};
	int err;

	gate_device = faux_device_create("gate_honest", NULL, NULL);
	if (!gate_device)
		return -ENODEV;
	err = dma_coerce_mask_and_coherent(&gate_device->dev, DMA_BIT_MASK(64));
	if (err)
		goto err_device;

	gate_dmabuf = gate_export();
	if (IS_ERR(gate_dmabuf)) {
		err = PTR_ERR(gate_dmabuf);
		goto err_device;
	}

	params.dev = &gate_device->dev;
	gate_region = netgpu_region_create(gate_dmabuf, &params, NULL);
	if (IS_ERR(gate_region)) {
		err = PTR_ERR(gate_region);
		goto err_dmabuf;
	}
	placement = gate_region->placement;

	err = netgpu_region_bind(gate_region, NETGPU_USE_RX, &gate_region_user,
				 NULL);
	if (err)
		goto err_region;
	bound = true;
	return 0;

err_region:
	netgpu_region_put(gate_region);
err_dmabuf:
	dma_buf_put(gate_dmabuf);
err_device:
	faux_device_destroy(gate_device);
	return err;
}
module_init(gate_honest_init);

static void __exit gate_honest_exit(void)
{
	faux_device_destroy(gate_device);
}
module_exit(gate_honest_exit);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS(GATED_NS);
MODULE_DESCRIPTION("Test of the GPL gate: an honest module");
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0
/* A layer between exporters and the kernel: GPL, and exports to anyone. */
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/miscdevice.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "gate.h"
#include "gate_exporter.h"

static struct module *gate_owner;
static const struct dma_buf_ops *gate_ops;

static long gate_exporter_ioctl(struct file *file, unsigned int cmd,
				unsigned long arg)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;
	struct page *page;
	int fd;

	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	info.exp_name = "gate_exporter";
	info.owner = gate_owner;
	info.ops = gate_ops;
	info.size = PAGE_SIZE;
	info.flags = O_RDWR;
	info.priv = page;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		__free_page(page);
		return PTR_ERR(dmabuf);
	}
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

static const struct file_operations gate_exporter_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= gate_exporter_ioctl,
};

static struct miscdevice gate_exporter_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.fops	= &gate_exporter_fops,
};

int gate_exporter_register(const char *name, struct module *owner,
			   const struct dma_buf_ops *ops)
{
	gate_owner = owner ?: THIS_MODULE;
	gate_ops = ops;
	gate_exporter_misc.name = name;
	return misc_register(&gate_exporter_misc);
}
EXPORT_SYMBOL(gate_exporter_register);

void gate_exporter_unregister(void)
{
	misc_deregister(&gate_exporter_misc);
}
EXPORT_SYMBOL(gate_exporter_unregister);

struct sg_table *gate_exporter_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct sg_table *sgt;
	int err;

	sgt = kzalloc_obj(*sgt);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (err)
		goto err_free;
	sg_set_page(sgt->sgl, attach->dmabuf->priv, PAGE_SIZE, 0);
	err = dma_map_sgtable(attach->dev, sgt, dir, 0);
	if (err)
		goto err_free_table;
	return sgt;

err_free_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(err);
}
EXPORT_SYMBOL(gate_exporter_map);

void gate_exporter_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			 enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
}
EXPORT_SYMBOL(gate_exporter_unmap);

void gate_exporter_release(struct dma_buf *dmabuf)
{
	__free_page(dmabuf->priv);
}
EXPORT_SYMBOL(gate_exporter_release);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("Test of the GPL gate: a layer for exporters");
MODULE_LICENSE("GPL");

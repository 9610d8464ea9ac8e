// SPDX-License-Identifier: GPL-2.0
/*
 * Where DMA to a region ends, and by which way.
 *
 * The pages of a scatterlist do not tell: an exporter of device memory has
 * none to show, and CONFIG_DMABUF_DEBUG hides those of host memory too. The
 * DMA addresses do tell, as they are what the device is given.
 */
#include <kunit/static_stub.h>
#include <linux/dma-direct.h>
#include <linux/iommu.h>
#include <linux/ioport.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>

#include "internal.h"

/*
 * An address inside a window of the host bridge is claimed by a PCI device
 * before it could reach memory, and is never handed out as an IOVA (see
 * iova_reserve_pci_windows()).
 */
static struct resource_entry *netgpu_find_window(struct device *dev,
						 dma_addr_t addr)
{
	struct pci_host_bridge *bridge;
	struct resource_entry *window;

	if (!dev_is_pci(dev))
		return NULL;

	bridge = pci_find_host_bridge(to_pci_dev(dev)->bus);
	resource_list_for_each_entry(window, &bridge->windows)
		if (resource_type(window->res) == IORESOURCE_MEM &&
		    addr >= window->res->start - window->offset &&
		    addr <= window->res->end - window->offset)
			return window;
	return NULL;
}

/* The CPU's address of what a DMA address leads to, 0 when it is not known. */
static phys_addr_t netgpu_dma_to_phys(struct device *dev, dma_addr_t addr)
{
	struct resource_entry *window = netgpu_find_window(dev, addr);
	struct iommu_domain *domain;

	if (window)
		return addr + window->offset;
	domain = iommu_get_domain_for_dev(dev);
	return domain ? iommu_iova_to_phys(domain, addr) :
			dma_to_phys(dev, addr);
}

/* The PCI device whose memory is at an address, with a reference. */
static struct pci_dev *netgpu_find_pci_dev(phys_addr_t phys,
					   struct resource **bar)
{
	struct resource at = DEFINE_RES_MEM(phys, 1);
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
			continue;
		*bar = pci_find_resource(pdev, &at);
		if (*bar)
			return pdev;
	}
	return NULL;
}

/**
 * netgpu_memory_at - what memory is at a physical address?
 * @phys: the address.
 * @same: in and out, addresses of which it is known that they belong to a device.
 *
 * Return: &enum netgpu_placement.
 */
u32 netgpu_memory_at(phys_addr_t phys, struct range *same)
{
	struct pci_dev *pdev;
	struct resource *bar;

	KUNIT_STATIC_STUB_REDIRECT(netgpu_memory_at, phys, same);

	if (!phys)
		return NETGPU_PLACEMENT_UNKNOWN;
	if (phys >= same->start && phys <= same->end)
		return NETGPU_PLACEMENT_DEVICE;
	if (page_is_ram(PHYS_PFN(phys)))
		return NETGPU_PLACEMENT_HOST;

	pdev = netgpu_find_pci_dev(phys, &bar);
	if (!pdev)
		return NETGPU_PLACEMENT_UNKNOWN;
	same->start = bar->start;
	same->end = bar->end;
	pci_dev_put(pdev);
	return NETGPU_PLACEMENT_DEVICE;
}

/*
 * An entry is contiguous for the device, but behind an IOMMU it may be made
 * of many pages: every one of those comes from the same exporter's memory, so
 * the first and the last page speak for the entry.
 */
static u32 netgpu_placement(struct device *dev, struct sg_table *sgt)
{
	u32 placement = NETGPU_PLACEMENT_DEVICE;
	struct range same = { .start = 1 };
	struct scatterlist *sg;
	unsigned int i, end;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		dma_addr_t ends[] = {
			sg_dma_address(sg),
			sg_dma_address(sg) + sg_dma_len(sg) - 1,
		};

		for (end = 0; end < ARRAY_SIZE(ends); end++) {
			switch (netgpu_memory_at(netgpu_dma_to_phys(dev, ends[end]),
						 &same)) {
			case NETGPU_PLACEMENT_HOST:
				return NETGPU_PLACEMENT_HOST;
			case NETGPU_PLACEMENT_UNKNOWN:
				placement = NETGPU_PLACEMENT_UNKNOWN;
			}
		}
	}
	return placement;
}

static bool netgpu_share_bridge(struct pci_dev *a, struct pci_dev *b)
{
	struct pci_dev *bridge;

	for (a = pci_upstream_bridge(a); a; a = pci_upstream_bridge(a))
		for (bridge = pci_upstream_bridge(b); bridge;
		     bridge = pci_upstream_bridge(bridge))
			if (a == bridge)
				return true;
	return false;
}

/**
 * netgpu_find_placement - find where DMA to a region ends, and by which way
 * @region: a region with DMA addresses. The first entry speaks for the way.
 *
 * Context: process context.
 */
void netgpu_find_placement(struct netgpu_region *region)
{
	dma_addr_t addr = sg_dma_address(region->sgt.sgl);
	struct device *dev = region->dev;
	struct pci_dev *provider;
	struct resource *bar;
	phys_addr_t phys;

	region->placement = netgpu_placement(dev, &region->sgt);
	region->path = NETGPU_PATH_UNKNOWN;
	region->distance = -1;
	if (region->placement == NETGPU_PLACEMENT_HOST)
		region->path = NETGPU_PATH_HOST;
	if (region->placement != NETGPU_PLACEMENT_DEVICE || !dev_is_pci(dev))
		return;

	phys = netgpu_dma_to_phys(dev, addr);
	provider = netgpu_find_pci_dev(phys, &bar);
	if (!provider)
		return;

	region->distance = pci_p2pdma_distance(provider, dev, false);
	if (phys != addr && !netgpu_find_window(dev, addr))
		region->path = NETGPU_PATH_IOMMU;
	else if (netgpu_share_bridge(provider, to_pci_dev(dev)))
		region->path = NETGPU_PATH_SWITCH;
	else
		region->path = NETGPU_PATH_HOST_BRIDGE;
	pci_dev_put(provider);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Where DMA to a region ends.
 *
 * The pages of a scatterlist do not tell: an exporter of device memory has
 * none to show, and CONFIG_DMABUF_DEBUG hides those of host memory too. The
 * DMA addresses do tell, as they are what the device is given.
 */
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
static bool netgpu_is_bus_address(struct device *dev, dma_addr_t addr)
{
	struct pci_host_bridge *bridge;
	struct resource_entry *window;

	if (!dev_is_pci(dev))
		return false;

	bridge = pci_find_host_bridge(to_pci_dev(dev)->bus);
	resource_list_for_each_entry(window, &bridge->windows) {
		if (resource_type(window->res) != IORESOURCE_MEM)
			continue;
		if (addr >= window->res->start - window->offset &&
		    addr <= window->res->end - window->offset)
			return true;
	}
	return false;
}

/* The CPU's address of what a DMA address leads to, 0 when it is not known. */
static phys_addr_t netgpu_dma_to_phys(struct device *dev, dma_addr_t addr)
{
	struct iommu_domain *domain;
	struct resource_entry *window;
	struct pci_host_bridge *bridge;

	if (!netgpu_is_bus_address(dev, addr)) {
		domain = iommu_get_domain_for_dev(dev);
		return domain ? iommu_iova_to_phys(domain, addr) :
				dma_to_phys(dev, addr);
	}

	bridge = pci_find_host_bridge(to_pci_dev(dev)->bus);
	resource_list_for_each_entry(window, &bridge->windows) {
		if (resource_type(window->res) == IORESOURCE_MEM &&
		    addr >= window->res->start - window->offset &&
		    addr <= window->res->end - window->offset)
			return addr + window->offset;
	}
	return 0;
}

static bool netgpu_is_host_memory(struct device *dev, dma_addr_t addr)
{
	phys_addr_t phys;

	if (netgpu_is_bus_address(dev, addr))
		return false;

	phys = netgpu_dma_to_phys(dev, addr);
	return phys && page_is_ram(PHYS_PFN(phys));
}

/**
 * netgpu_placement - find where DMA to a mapping ends
 * @dev: device the mapping was made for.
 * @sgt: the mapping; only its DMA addresses are looked at.
 *
 * An entry is contiguous for the device, but behind an IOMMU it may be made
 * of many pages: every one of those comes from the same exporter's memory, so
 * the first and the last page speak for the entry.
 *
 * Return: NETGPU_PLACEMENT_DEVICE, or NETGPU_PLACEMENT_HOST when any entry is
 * host memory.
 */
u32 netgpu_placement(struct device *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		dma_addr_t last = sg_dma_address(sg) + sg_dma_len(sg) - 1;

		if (netgpu_is_host_memory(dev, sg_dma_address(sg)) ||
		    netgpu_is_host_memory(dev, last))
			return NETGPU_PLACEMENT_HOST;
	}
	return NETGPU_PLACEMENT_DEVICE;
}

/* The PCI device whose memory is at an address, with a reference. */
static struct pci_dev *netgpu_find_pci_dev(phys_addr_t phys)
{
	struct resource at = DEFINE_RES_MEM(phys, 1);
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev)
		if (pdev->hdr_type == PCI_HEADER_TYPE_NORMAL &&
		    pci_find_resource(pdev, &at))
			return pdev;
	return NULL;
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
 * netgpu_reach - find how a device reaches a mapping
 * @dev: device the mapping was made for.
 * @sgt: the mapping.
 * @reach: where to put it. The first entry speaks for the path.
 *
 * Context: process context.
 */
void netgpu_reach(struct device *dev, struct sg_table *sgt,
		  struct netgpu_reach *reach)
{
	dma_addr_t addr = sg_dma_address(sgt->sgl);
	struct pci_dev *provider;
	phys_addr_t phys;

	reach->path = NETGPU_PATH_UNKNOWN;
	reach->distance = -1;
	reach->placement = netgpu_placement(dev, sgt);
	if (reach->placement == NETGPU_PLACEMENT_HOST) {
		reach->path = NETGPU_PATH_HOST;
		return;
	}
	if (!dev_is_pci(dev))
		return;

	phys = netgpu_dma_to_phys(dev, addr);
	provider = phys ? netgpu_find_pci_dev(phys) : NULL;
	if (!provider)
		return;

	reach->distance = pci_p2pdma_distance(provider, dev, false);
	if (!netgpu_is_bus_address(dev, addr))
		reach->path = NETGPU_PATH_IOMMU;
	else if (netgpu_share_bridge(provider, to_pci_dev(dev)))
		reach->path = NETGPU_PATH_SWITCH;
	else
		reach->path = NETGPU_PATH_HOST_BRIDGE;
	pci_dev_put(provider);
}

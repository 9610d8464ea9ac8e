// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-heap.h>
#include <linux/pci_regs.h>
#include <linux/udmabuf.h>
#include <linux/vfio.h>

#include "drm_memory.h"
#include "memory.h"

#define PAGE	4096
#define STEP	7919

static void heap_open(struct memory *mem, size_t size)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap;

	heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	if (heap < 0)
		err(1, "/dev/dma_heap/system");
	if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data))
		err(1, "DMA_HEAP_IOCTL_ALLOC");
	close(heap);

	mem->dmabuf = data.fd;
	mem->cpu = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, data.fd, 0);
	if (mem->cpu == MAP_FAILED)
		err(1, "mmap of the dma-buf");
}

static int sealed_memfd(size_t size)
{
	int memfd = memfd_create("netgpu-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (memfd < 0 || ftruncate(memfd, size) ||
	    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		err(1, "memfd");
	return memfd;
}

static void udmabuf_open(struct memory *mem, size_t size, bool scattered)
{
	size_t pages = size / PAGE, i;
	struct udmabuf_create_list *list;
	int dev, memfd = sealed_memfd(size);

	list = calloc(1, sizeof(*list) + pages * sizeof(list->list[0]));
	dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (!list || dev < 0)
		err(1, "/dev/udmabuf");
	/* Pages that are neighbours in the file, where the list does not name them in turn. */
	if (scattered && fallocate(memfd, 0, 0, size))
		err(1, "fallocate of a memfd");
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = scattered ? pages : 1;
	for (i = 0; i < list->count; i++) {
		list->list[i].memfd = memfd;
		/* A step that has no factor in common with the number of pages. */
		list->list[i].offset = scattered ? i * STEP % pages * PAGE : 0;
		list->list[i].size = scattered ? PAGE : size;
	}
	mem->dmabuf = ioctl(dev, UDMABUF_CREATE_LIST, list);
	if (mem->dmabuf < 0)
		err(1, "UDMABUF_CREATE_LIST");
	mem->cpu = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, mem->dmabuf, 0);
	if (mem->cpu == MAP_FAILED)
		err(1, "mmap of the dma-buf");
	free(list);
	close(memfd);
	close(dev);
}

/* The device is in a group of its own, with an IOMMU or without. */
static int vfio_device(const char *address)
{
	char path[256], link[256], *number;
	int container, group, device;
	ssize_t len;
	int noiommu;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		err(1, "%s: bind the device to vfio-pci", path);
	link[len] = '\0';
	number = strrchr(link, '/') + 1;

	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%.16s", number);
	noiommu = !access(path, F_OK);
	if (!noiommu)
		snprintf(path, sizeof(path), "/dev/vfio/%.16s", number);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (group < 0)
		err(1, "%s", path);

	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (container < 0)
		err(1, "/dev/vfio/vfio");
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU,
		  noiommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU))
		err(1, "%s: container", path);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (device < 0)
		err(1, "%s: device %s", path, address);
	/* The device keeps its group, and that its container. */
	close(container);
	close(group);
	return device;
}

static void vfio_open(struct memory *mem, const char *address, size_t size)
{
	struct vfio_region_info bar = { .argsz = sizeof(bar) };
	struct vfio_device_feature_dma_buf *get;
	struct vfio_device_feature *feature;
	__u64 offset = 0, largest = 0;
	size_t argsz;
	__u32 i, index = 0;

	mem->device = vfio_device(address);
	for (i = VFIO_PCI_BAR0_REGION_INDEX; i <= VFIO_PCI_BAR5_REGION_INDEX; i++) {
		bar.index = i;
		if (ioctl(mem->device, VFIO_DEVICE_GET_REGION_INFO, &bar) ||
		    bar.size <= largest)
			continue;
		largest = bar.size;
		offset = bar.offset;
		index = i;
	}
	mem->size = size ? size : largest;
	mem->cpu = mmap(NULL, mem->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			mem->device, offset);
	if (mem->cpu == MAP_FAILED)
		err(1, "mmap of BAR %u", index);

	argsz = sizeof(*feature) + sizeof(*get) + sizeof(get->dma_ranges[0]);
	feature = calloc(1, argsz);
	feature->argsz = argsz;
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	get = (void *)feature->data;
	get->region_index = index;
	get->open_flags = O_RDWR | O_CLOEXEC;
	get->nr_ranges = 1;
	get->dma_ranges[0].length = mem->size;
	mem->dmabuf = ioctl(mem->device, VFIO_DEVICE_FEATURE, feature);
	if (mem->dmabuf < 0)
		err(1, "VFIO_DEVICE_FEATURE_DMA_BUF");
	free(feature);
}

static void export_open(struct memory *mem, const char *path)
{
	int device = open(path, O_RDWR | O_CLOEXEC);

	if (device < 0)
		err(1, "%s", path);
	mem->dmabuf = ioctl(device, 0);
	if (mem->dmabuf < 0)
		err(1, "%s: ioctl", path);
	mem->cpu = NULL;
	close(device);
}

static void gpu_open(struct memory *mem, const char *node, size_t size, bool hidden)
{
	mem->drm = open(node, O_RDWR | O_CLOEXEC);
	if (mem->drm < 0)
		err(1, "%s", node);
	mem->dmabuf = drm_memory(mem->drm, size, hidden);
	mem->cpu = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, mem->dmabuf, 0);
	if (mem->cpu == MAP_FAILED && !hidden)
		err(1, "mmap of the dma-buf");
	if (mem->cpu == MAP_FAILED)
		mem->cpu = NULL;
}

/* Nobody uses the GPU for a while. */
static void gpu_wait_asleep(int drm)
{
	char path[128], status[16] = "";
	struct stat info;
	FILE *file;
	int tries;

	if (fstat(drm, &info))
		err(1, "fstat");
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device/power/runtime_status",
		 major(info.st_rdev), minor(info.st_rdev));
	for (tries = 0; tries < 1000; tries++) {
		file = fopen(path, "re");
		if (!file || !fgets(status, sizeof(status), file))
			err(1, "%s", path);
		fclose(file);
		if (!strcmp(status, "suspended\n"))
			return;
		usleep(20000);
	}
	errx(1, "%s is %s", path, status);
}

static void gpu_open_asleep(struct memory *mem, const char *node, size_t size)
{
	gpu_open(mem, node, size, false);
	gpu_wait_asleep(mem->drm);
}

void memory_open(struct memory *mem, const char *source, size_t size)
{
	mem->size = size;
	mem->device = -1;
	mem->drm = -1;

	if (!strcmp(source, "heap"))
		heap_open(mem, size);
	else if (!strcmp(source, "udmabuf"))
		udmabuf_open(mem, size, false);
	else if (!strcmp(source, "scattered"))
		udmabuf_open(mem, size, true);
	else if (!strncmp(source, "vfio:", 5))
		vfio_open(mem, source + 5, size);
	else if (!strncmp(source, "gpu:", 4))
		gpu_open(mem, source + 4, size, false);
	else if (!strncmp(source, "gpu-hidden:", 11))
		gpu_open(mem, source + 11, size, true);
	else if (!strncmp(source, "gpu-asleep:", 11))
		gpu_open_asleep(mem, source + 11, size);
	else if (!strncmp(source, "export:", 7))
		export_open(mem, source + 7);
	else
		errx(1, "no such memory: %s (heap, udmabuf, scattered, vfio:ADDRESS, %s)",
		     source, "gpu:NODE, gpu-hidden:NODE, gpu-asleep:NODE, export:PATH");
}

/* The device counts as in use as long as it is mapped. */
static void memory_let_go(struct memory *mem)
{
	if (mem->cpu)
		munmap(mem->cpu, mem->size);
	mem->cpu = NULL;
	if (mem->device >= 0)
		close(mem->device);
	mem->device = -1;
}

void memory_close(struct memory *mem)
{
	memory_let_go(mem);
	close(mem->dmabuf);
	if (mem->drm >= 0)
		close(mem->drm);
}

static void memory_disable(struct memory *mem)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	__u16 command;

	if (ioctl(mem->device, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pread(mem->device, &command, 2, config.offset + PCI_COMMAND) != 2)
		err(1, "config space");
	command &= ~PCI_COMMAND_MEMORY;
	if (pwrite(mem->device, &command, 2, config.offset + PCI_COMMAND) != 2)
		err(1, "config space");
}

/* The GPU's driver lets it go. */
static void memory_unbind(struct memory *mem)
{
	char path[128], device[PATH_MAX];
	struct stat info;
	const char *name;
	int file;

	if (mem->drm < 0)
		errx(1, "unbind is for memory of a GPU (gpu:NODE)");
	if (fstat(mem->drm, &info))
		err(1, "fstat");
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device",
		 major(info.st_rdev), minor(info.st_rdev));
	if (!realpath(path, device))
		err(1, "%s", path);
	name = strrchr(device, '/') + 1;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device/driver/unbind",
		 major(info.st_rdev), minor(info.st_rdev));
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0 || write(file, name, strlen(name)) != (ssize_t)strlen(name))
		err(1, "%s: %s", path, name);
	close(file);
}

/* Somebody wants to unplug the device, or to unbind its driver. */
static void memory_wait_request(struct memory *mem)
{
	struct {
		struct vfio_irq_set set;
		int fd;
	} irq = {
		.set = {
			.argsz = sizeof(irq),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_REQ_IRQ_INDEX,
			.count = 1,
		},
		.fd = eventfd(0, EFD_CLOEXEC),
	};
	eventfd_t value;

	if (irq.fd < 0 || ioctl(mem->device, VFIO_DEVICE_SET_IRQS, &irq))
		err(1, "VFIO_DEVICE_SET_IRQS");
	printf("waiting 1\n");
	if (eventfd_read(irq.fd, &value))
		err(1, "eventfd");
	close(irq.fd);
}

long long memory_revoke(struct memory *mem, const char *how)
{
	struct timespec start, end;

	if (!strcmp(how, "request"))
		memory_wait_request(mem);
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (!strcmp(how, "disable"))
		memory_disable(mem);
	else if (!strcmp(how, "close") || !strcmp(how, "request"))
		memory_let_go(mem);
	else if (!strcmp(how, "unbind"))
		memory_unbind(mem);
	else if (strcmp(how, "reset"))
		errx(1, "no such way to revoke: %s (disable, reset, close, request, unbind)", how);
	else if (ioctl(mem->device, VFIO_DEVICE_RESET))
		err(1, "VFIO_DEVICE_RESET");
	clock_gettime(CLOCK_MONOTONIC, &end);

	return (end.tv_sec - start.tv_sec) * 1000000LL +
	       (end.tv_nsec - start.tv_nsec) / 1000;
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Memory of a GPU that Vulkan allocates, exported as a dma-buf. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gpu.h"

int memory_type(const struct netgpu_gpu *gpu, uint32_t types, VkMemoryPropertyFlags want)
{
	uint32_t i;

	for (i = 0; i < gpu->memory.memoryTypeCount; i++)
		if (types & 1u << i && (gpu->memory.memoryTypes[i].propertyFlags & want) == want)
			return i;
	return -1;
}

static int create_buffer(struct netgpu_gpu_buffer *b)
{
	const VkExternalMemoryBufferCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	const VkBufferCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .pNext = &external, .size = b->size,
		.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};

	const VkPhysicalDeviceExternalBufferInfo kind = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO, .usage = create.usage,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	VkExternalBufferProperties can = { .sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES };

	vkGetPhysicalDeviceExternalBufferProperties(b->gpu->vk.physical_device, &kind, &can);
	if (!(can.externalMemoryProperties.externalMemoryFeatures & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT))
		return fail(-EOPNOTSUPP, "%s: its driver does not export buffers as dma-bufs", b->gpu->name);
	return vulkan_fail(vkCreateBuffer(b->gpu->vk.device, &create, NULL, &b->buffer), "a buffer");
}

static int allocate(struct netgpu_gpu_buffer *b)
{
	const VkExportMemoryAllocateInfo export = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	const VkMemoryDedicatedAllocateInfo alone = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, .pNext = &export, .buffer = b->buffer,
	};
	VkMemoryAllocateInfo create = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .pNext = &alone };
	/* Where the CPU gets at it, too, if there is such memory of the GPU's, and some is left: a program may want to look. */
	static const VkMemoryPropertyFlags wanted[] = {
		VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
	};
	VkMemoryRequirements needs;
	unsigned int i;
	int ret, type;

	vkGetBufferMemoryRequirements(b->gpu->vk.device, b->buffer, &needs);
	create.allocationSize = needs.size;
	ret = fail(-EOPNOTSUPP, "%s has no memory that can be exported", b->gpu->name);
	for (i = 0; ret && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		type = memory_type(b->gpu, needs.memoryTypeBits, wanted[i]);
		if (type < 0)
			continue;
		create.memoryTypeIndex = type;
		ret = vulkan_fail(vkAllocateMemory(b->gpu->vk.device, &create, NULL, &b->device_memory), "memory");
	}
	if (!ret)
		ret = vulkan_fail(vkBindBufferMemory(b->gpu->vk.device, b->buffer, b->device_memory, 0), "memory");
	return ret;
}

static int export(struct netgpu_gpu_buffer *b)
{
	const VkMemoryGetFdInfoKHR get = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR, .memory = b->device_memory,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	int fd, ret;

	if (b->gpu->get_memory_fd(b->gpu->vk.device, &get, &fd))
		return fail(-EOPNOTSUPP, "%s: its driver does not export this memory as a dma-buf", b->gpu->name);
	ret = netgpu_memory_import(fd, 0, b->size, &b->memory);
	close(fd);
	return ret;
}

int netgpu_gpu_alloc(struct netgpu_gpu *gpu, uint64_t size, struct netgpu_gpu_buffer **buffer)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	struct netgpu_gpu_buffer *b;
	int ret;

	succeed();
	if (!size)
		return fail(-EINVAL, "a buffer must have a byte");
	if (size > gpu->most - gpu->most % page)
		return fail(-ERANGE, "%s: shaders can be given %llu bytes at most", gpu->name, (unsigned long long)gpu->most);
	b = calloc(1, sizeof(*b));
	if (!b)
		return fail(-ENOMEM, "out of memory");
	b->gpu = gpu;
	b->size = (size + page - 1) / page * page;
	b->next = gpu->buffers;
	gpu->buffers = b;
	ret = create_buffer(b);
	if (!ret)
		ret = allocate(b);
	if (!ret)
		ret = export(b);
	if (ret) {
		netgpu_gpu_free(b);
		return ret;
	}
	*buffer = b;
	return 0;
}

void netgpu_gpu_free(struct netgpu_gpu_buffer *b)
{
	struct netgpu_gpu_buffer **at;

	if (!b)
		return;
	netgpu_memory_close(b->memory);
	vkDestroyBuffer(b->gpu->vk.device, b->buffer, NULL);
	vkFreeMemory(b->gpu->vk.device, b->device_memory, NULL);
	for (at = &b->gpu->buffers; *at != b; )
		at = &(*at)->next;
	*at = b->next;
	free(b);
}

struct netgpu_memory *netgpu_gpu_buffer_memory(const struct netgpu_gpu_buffer *b)
{
	return b->memory;
}

VkBuffer netgpu_gpu_buffer_handle(const struct netgpu_gpu_buffer *b)
{
	return b->buffer;
}

/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
#ifndef NETGPU_VULKAN_GPU_H
#define NETGPU_VULKAN_GPU_H

#include <pthread.h>
#include <stdbool.h>

#include "libnetgpu_vulkan.h"

#define SLOTS	16		/* gathers under way */

/* What netgpu_error() says. */
#define fail(error, ...)	netgpu_error_set(error, __VA_ARGS__)
#define succeed()		netgpu_error_set(0, NULL)

/* What one gather needs until it is done. */
struct slot {
	VkCommandBuffer commands;
	VkDescriptorSet set;
	uint64_t point;		/* of its last one */
};

struct netgpu_gpu {
	struct netgpu_gpu_handles vk;
	char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
	uint64_t most;		/* bytes of a buffer that a shader can be given */
	bool own_memory;	/* it has memory that is not the host's */
	uint32_t foreign;	/* queue family of who is no Vulkan device */
	VkPhysicalDeviceMemoryProperties memory;
	PFN_vkGetMemoryFdKHR get_memory_fd;
	struct netgpu_gpu_buffer *buffers;

	VkCommandPool commands;
	VkDescriptorPool sets;
	VkDescriptorSetLayout set_layout;
	VkPipelineLayout layout;
	VkPipeline gather;
	VkBuffer lists;		/* SLOTS of NETGPU_COPIES_MOST pieces */
	VkDeviceMemory lists_memory;
	void *lists_map;
	struct slot slots[SLOTS];
	unsigned int next_slot;
	uint64_t point;		/* that was given out last */

	struct netgpu_copier copier;
	bool has_copier;
	uint64_t copier_point;	/* that it was given last */
	uint64_t reached;	/* as it was told last */
	bool closing;
	bool lost;		/* the GPU: nothing is done any more */
	pthread_t teller;
};

struct netgpu_gpu_buffer {
	struct netgpu_gpu *gpu;
	struct netgpu_gpu_buffer *next;
	VkBuffer buffer;
	VkDeviceMemory device_memory;
	uint64_t size;
	struct netgpu_memory *memory;
};

/* A memory type of these that has all of @want; -1: there is none. */
int memory_type(const struct netgpu_gpu *gpu, uint32_t types, VkMemoryPropertyFlags want);

/* VK_SUCCESS is 0. */
int vulkan_fail(VkResult result, const char *what);

void copier_exit(struct netgpu_gpu *gpu);

int gather_init(struct netgpu_gpu *gpu);
int gather(struct netgpu_gpu *gpu, struct netgpu_gpu_buffer *to, struct netgpu_gpu_buffer *from, const struct netgpu_copy *pieces,
	   unsigned int count, bool shared, uint64_t *point);	/* shared: others than the GPU read and write @to, too */
bool gather_may_start(struct netgpu_gpu *gpu);	/* without waiting for another */
void gather_exit(struct netgpu_gpu *gpu);

#endif

// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Pieces to where they belong, by gather.comp. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gather.spv.h"
#include "gpu.h"

#define BINDINGS	3	/* the list, from, to */
#define WIDE		64	/* workgroups of a piece, for large ones */

/* As the shader has it. */
struct item {
	uint32_t from, to, length, part, stride, resv[3];
};

#define LIST	(NETGPU_COPIES_MOST * sizeof(struct item))

static int make_list_buffer(struct netgpu_gpu *gpu)
{
	const VkBufferCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = SLOTS * LIST, .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
	};
	VkMemoryAllocateInfo allocate = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO };
	VkMemoryRequirements needs;
	int ret, type;

	ret = vulkan_fail(vkCreateBuffer(gpu->vk.device, &create, NULL, &gpu->lists), "a buffer");
	if (ret)
		return ret;
	vkGetBufferMemoryRequirements(gpu->vk.device, gpu->lists, &needs);
	type = memory_type(gpu, needs.memoryTypeBits, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
	if (type < 0)
		return fail(-EOPNOTSUPP, "%s has no memory that the CPU can write", gpu->name);
	allocate.allocationSize = needs.size;
	allocate.memoryTypeIndex = type;
	ret = vulkan_fail(vkAllocateMemory(gpu->vk.device, &allocate, NULL, &gpu->lists_memory), "memory");
	if (!ret)
		ret = vulkan_fail(vkBindBufferMemory(gpu->vk.device, gpu->lists, gpu->lists_memory, 0), "memory");
	if (!ret)
		ret = vulkan_fail(vkMapMemory(gpu->vk.device, gpu->lists_memory, 0, VK_WHOLE_SIZE, 0, &gpu->lists_map), "memory");
	return ret;
}

static int make_pipeline(struct netgpu_gpu *gpu)
{
	const VkShaderModuleCreateInfo shader = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = sizeof(gather_spv), .pCode = gather_spv,
	};
	VkDescriptorSetLayoutBinding bindings[BINDINGS];
	const VkDescriptorSetLayoutCreateInfo set = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = BINDINGS, .pBindings = bindings,
	};
	const VkPipelineLayoutCreateInfo layout = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1, .pSetLayouts = &gpu->set_layout,
	};
	VkComputePipelineCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {
			.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			.stage = VK_SHADER_STAGE_COMPUTE_BIT, .pName = "main",
		},
	};
	uint32_t i;
	int ret;

	for (i = 0; i < BINDINGS; i++)
		bindings[i] = (VkDescriptorSetLayoutBinding) {
			.binding = i, .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
			.descriptorCount = 1, .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
		};
	ret = vulkan_fail(vkCreateDescriptorSetLayout(gpu->vk.device, &set, NULL, &gpu->set_layout), "a shader");
	if (!ret)
		ret = vulkan_fail(vkCreatePipelineLayout(gpu->vk.device, &layout, NULL, &gpu->layout), "a shader");
	if (!ret)
		ret = vulkan_fail(vkCreateShaderModule(gpu->vk.device, &shader, NULL, &create.stage.module), "a shader");
	if (ret)
		return ret;
	create.layout = gpu->layout;
	ret = vulkan_fail(vkCreateComputePipelines(gpu->vk.device, VK_NULL_HANDLE, 1, &create, NULL, &gpu->gather), "a shader");
	vkDestroyShaderModule(gpu->vk.device, create.stage.module, NULL);
	return ret;
}

static int make_slots(struct netgpu_gpu *gpu)
{
	const VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .queueFamilyIndex = gpu->vk.queue_family,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
	};
	const VkDescriptorPoolSize size = { .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = SLOTS * BINDINGS };
	const VkDescriptorPoolCreateInfo sets = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = SLOTS, .poolSizeCount = 1, .pPoolSizes = &size,
	};
	VkCommandBufferAllocateInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY, .commandBufferCount = 1,
	};
	VkDescriptorSetAllocateInfo set = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, .descriptorSetCount = 1, .pSetLayouts = &gpu->set_layout,
	};
	unsigned int i;
	int ret;

	ret = vulkan_fail(vkCreateCommandPool(gpu->vk.device, &pool, NULL, &gpu->commands), "commands");
	if (!ret)
		ret = vulkan_fail(vkCreateDescriptorPool(gpu->vk.device, &sets, NULL, &gpu->sets), "descriptors");
	commands.commandPool = gpu->commands;
	set.descriptorPool = gpu->sets;
	for (i = 0; i < SLOTS && !ret; i++) {
		ret = vulkan_fail(vkAllocateCommandBuffers(gpu->vk.device, &commands, &gpu->slots[i].commands), "commands");
		if (!ret)
			ret = vulkan_fail(vkAllocateDescriptorSets(gpu->vk.device, &set, &gpu->slots[i].set), "descriptors");
	}
	return ret;
}

int gather_init(struct netgpu_gpu *gpu)
{
	int ret = make_list_buffer(gpu);

	if (!ret)
		ret = make_pipeline(gpu);
	if (!ret)
		ret = make_slots(gpu);
	return ret;
}

/* Nothing of it is in use; what was not made is VK_NULL_HANDLE. */
void gather_exit(struct netgpu_gpu *gpu)
{
	vkDestroyCommandPool(gpu->vk.device, gpu->commands, NULL);
	vkDestroyDescriptorPool(gpu->vk.device, gpu->sets, NULL);
	vkDestroyPipeline(gpu->vk.device, gpu->gather, NULL);
	vkDestroyPipelineLayout(gpu->vk.device, gpu->layout, NULL);
	vkDestroyDescriptorSetLayout(gpu->vk.device, gpu->set_layout, NULL);
	vkDestroyBuffer(gpu->vk.device, gpu->lists, NULL);
	vkFreeMemory(gpu->vk.device, gpu->lists_memory, NULL);
}

/* ------------------------------------------------------------------ one */

/* Bytes from the first of a piece to behind its last. */
static uint64_t span(const struct netgpu_copy *p)
{
	uint64_t last;

	if (!p->part || p->length <= p->part)
		return p->length;
	last = (p->length - 1) / p->part;
	return last * p->stride + (p->length - last * p->part);
}

static int check_piece(const struct netgpu_copy *p, uint64_t from, uint64_t to)
{
	if (p->part && p->stride < p->part)
		return fail(-EINVAL, "gather: parts of %u bytes at a stride of %u", p->part, p->stride);
	if (p->from > from || p->length > from || span(p) > from - p->from)
		return fail(-ERANGE, "gather: %llu bytes at %llu: the buffer has %llu", (unsigned long long)p->length,
			    (unsigned long long)p->from, (unsigned long long)from);
	if (p->to > to || p->length > to - p->to)
		return fail(-ERANGE, "gather: %llu bytes to %llu: the buffer has %llu", (unsigned long long)p->length,
			    (unsigned long long)p->to, (unsigned long long)to);
	return 0;
}

struct range {
	uint64_t start, end;
	bool to;
};

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Is a byte read and written?  What lies between parts counts as read. */
static bool overlap(const struct netgpu_copy *pieces, unsigned int count)
{
	struct range ranges[2 * NETGPU_COPIES_MOST];
	uint64_t end[2] = { 0 };	/* of those so far that are read, and written */
	unsigned int i, n = 0;

	for (i = 0; i < count; i++) {
		const struct netgpu_copy *p = &pieces[i];

		if (!p->length)
			continue;
		ranges[n++] = (struct range) { p->from, p->from + span(p), false };
		ranges[n++] = (struct range) { p->to, p->to + p->length, true };
	}
	qsort(ranges, n, sizeof(ranges[0]), by_start);
	for (i = 0; i < n; i++) {
		const struct range *r = &ranges[i];

		if (r->start < end[!r->to])
			return true;
		if (r->end > end[r->to])
			end[r->to] = r->end;
	}
	return false;
}

static void describe(struct netgpu_gpu *gpu, unsigned int slot, VkBuffer to, VkBuffer from)
{
	const VkDescriptorBufferInfo buffers[BINDINGS] = {
		{ .buffer = gpu->lists, .offset = slot * LIST, .range = LIST },
		{ .buffer = from, .range = VK_WHOLE_SIZE },
		{ .buffer = to, .range = VK_WHOLE_SIZE },
	};
	VkWriteDescriptorSet writes[BINDINGS];
	uint32_t i;

	for (i = 0; i < BINDINGS; i++)
		writes[i] = (VkWriteDescriptorSet) {
			.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = gpu->slots[slot].set, .dstBinding = i,
			.descriptorCount = 1, .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .pBufferInfo = &buffers[i],
		};
	vkUpdateDescriptorSets(gpu->vk.device, BINDINGS, writes, 0, NULL);
}

/* The network device wrote it before, and will again; perhaps it is written to here, too. */
static void change_owner(VkCommandBuffer commands, VkBuffer buffer, uint32_t from, uint32_t to, bool before)
{
	const VkBufferMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
		.srcAccessMask = before ? 0 : VK_ACCESS_SHADER_WRITE_BIT,
		.dstAccessMask = before ? VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT : 0,
		.srcQueueFamilyIndex = from, .dstQueueFamilyIndex = to, .buffer = buffer, .size = VK_WHOLE_SIZE,
	};

	vkCmdPipelineBarrier(commands, before ? VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT : VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
			     before ? VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT : VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
			     0, 0, NULL, 1, &barrier, 0, NULL);
}

/* @to is the queue family's all the time if it is VK_NULL_HANDLE here. */
static int record(struct netgpu_gpu *gpu, struct slot *slot, VkBuffer to, VkBuffer from, unsigned int count, bool large)
{
	const VkCommandBufferBeginInfo begin = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	/* Whoever comes next in this queue sees what was copied, and so does the CPU. */
	const VkMemoryBarrier done = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT |
				 VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT,
	};
	int ret = vulkan_fail(vkBeginCommandBuffer(slot->commands, &begin), "commands");

	if (ret)
		return ret;
	change_owner(slot->commands, from, gpu->foreign, gpu->vk.queue_family, true);
	if (to && to != from)
		change_owner(slot->commands, to, gpu->foreign, gpu->vk.queue_family, true);
	vkCmdBindPipeline(slot->commands, VK_PIPELINE_BIND_POINT_COMPUTE, gpu->gather);
	vkCmdBindDescriptorSets(slot->commands, VK_PIPELINE_BIND_POINT_COMPUTE, gpu->layout, 0, 1, &slot->set, 0, NULL);
	vkCmdDispatch(slot->commands, count, large ? WIDE : 1, 1);
	vkCmdPipelineBarrier(slot->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
			     VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT,
			     0, 1, &done, 0, NULL, 0, NULL);
	change_owner(slot->commands, from, gpu->vk.queue_family, gpu->foreign, false);
	if (to && to != from)
		change_owner(slot->commands, to, gpu->vk.queue_family, gpu->foreign, false);
	return vulkan_fail(vkEndCommandBuffer(slot->commands), "commands");
}

static int submit(struct netgpu_gpu *gpu, struct slot *slot)
{
	const uint64_t point = netgpu_gpu_next_point(gpu);
	const VkTimelineSemaphoreSubmitInfo timeline = {
		.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
		.signalSemaphoreValueCount = 1, .pSignalSemaphoreValues = &point,
	};
	const VkSubmitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .pNext = &timeline, .commandBufferCount = 1,
		.pCommandBuffers = &slot->commands, .signalSemaphoreCount = 1, .pSignalSemaphores = &gpu->vk.timeline,
	};
	int ret = vulkan_fail(vkQueueSubmit(gpu->vk.queue, 1, &info, VK_NULL_HANDLE), "a gather");

	if (!ret)
		slot->point = point;
	return ret;
}

bool gather_may_start(struct netgpu_gpu *gpu)
{
	return netgpu_gpu_wait(gpu, gpu->slots[gpu->next_slot].point, 0) != -ETIMEDOUT;
}

int gather(struct netgpu_gpu *gpu, struct netgpu_gpu_buffer *to, struct netgpu_gpu_buffer *from, const struct netgpu_copy *pieces,
	   unsigned int count, bool shared, uint64_t *point)
{
	struct slot *slot = &gpu->slots[gpu->next_slot];
	struct item *items = (struct item *)((char *)gpu->lists_map + gpu->next_slot * LIST);
	bool large = false;
	unsigned int i;
	int ret;

	succeed();
	if (!count || count > NETGPU_COPIES_MOST)
		return fail(-EINVAL, "gather: %u pieces: 1 to %u go", count, NETGPU_COPIES_MOST);
	for (i = 0; i < count; i++) {
		ret = check_piece(&pieces[i], from->size, to->size);
		if (ret)
			return ret;
	}
	if (to == from && overlap(pieces, count))
		return fail(-EINVAL, "gather: from bytes of a buffer into the same, or between them");
	ret = netgpu_gpu_wait(gpu, slot->point, -1);
	if (ret)
		return ret;
	for (i = 0; i < count; i++) {
		const uint32_t length = pieces[i].length ? pieces[i].length : 1;
		const uint32_t part = pieces[i].part && pieces[i].part < length ? pieces[i].part : length;

		items[i] = (struct item) {
			.from = pieces[i].from, .to = pieces[i].to, .length = pieces[i].length, .part = part, .stride = pieces[i].stride,
		};
		large |= pieces[i].length > 1 << 16;
	}
	describe(gpu, gpu->next_slot, to->buffer, from->buffer);
	ret = record(gpu, slot, shared ? to->buffer : VK_NULL_HANDLE, from->buffer, count, large);
	if (!ret)
		ret = submit(gpu, slot);
	if (ret)
		return ret;
	*point = slot->point;
	gpu->next_slot = (gpu->next_slot + 1) % SLOTS;
	return 0;
}

int netgpu_gpu_gather(struct netgpu_gpu *gpu, struct netgpu_gpu_buffer *to, struct netgpu_gpu_buffer *from,
		      const struct netgpu_copy *pieces, unsigned int count, uint64_t *point)
{
	return gather(gpu, to, from, pieces, count, false, point);
}

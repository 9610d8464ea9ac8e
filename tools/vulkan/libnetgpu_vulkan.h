/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Memory of any GPU with a Vulkan driver (RADV, ANV, NVK, lavapipe) for libnetgpu, and the GPU put to work on what arrives there.
 *
 *   gpu      a Vulkan device and one of its queues: the library's own, or the caller's
 *   buffer   memory of it: a struct netgpu_memory to receive into, and a VkBuffer for shaders
 *   gather   pieces that arrived anywhere in one buffer are copied to where they belong in another, by a compute shader
 *   copier   the same for endpoints: their messages are in place when they are told of
 *
 * A gather is done when the gpu's timeline semaphore has its point: a shader may wait for that, or a thread, which then
 * gives the pieces back with netgpu_queue_return(). Nothing has to look again and again.
 *
 * Needs Vulkan 1.2 with timeline semaphores, VK_KHR_external_memory_fd and VK_EXT_external_memory_dma_buf. What is said in libnetgpu.h
 * of errors and closing holds here, too. A gpu, with its buffers, is used by one thread, but for netgpu_gpu_wait().
 */
#ifndef LIBNETGPU_VULKAN_H
#define LIBNETGPU_VULKAN_H

#include <libnetgpu_endpoint.h>
#include <vulkan/vulkan_core.h>

#ifdef __cplusplus
extern "C" {
#endif

struct netgpu_gpu;
struct netgpu_gpu_buffer;

/**
 * netgpu_gpu_open - open a GPU by Vulkan
 * @name: part of its name ("RADV", "Arc"), or its PCI address ("0000:03:00.0"); NULL: the first, one with memory of its own if there is one.
 * @gpu: where the object is stored.
 *
 * Errors: ENODEV there is none, or none of this name; EOPNOTSUPP it, or the Vulkan library, lacks what is needed; ENOMEM.
 */
int netgpu_gpu_open(const char *name, struct netgpu_gpu **gpu);

/** netgpu_gpu_close - end it, waiting for what it has been told to do; NULL is allowed. Its buffers go with it. */
void netgpu_gpu_close(struct netgpu_gpu *gpu);

/** netgpu_gpu_name - as Vulkan has it */
const char *netgpu_gpu_name(const struct netgpu_gpu *gpu);

/**
 * struct netgpu_gpu_handles - Vulkan's own objects
 * @instance: of Vulkan
 * @physical_device: the GPU
 * @device: opened
 * @queue_family: from which @queue is; it can compute
 * @queue: to which netgpu submits; who submits to it, too, does so in the same thread
 * @timeline: semaphore of type VK_SEMAPHORE_TYPE_TIMELINE that has the points of gathers
 */
struct netgpu_gpu_handles {
	VkInstance instance;
	VkPhysicalDevice physical_device;
	VkDevice device;
	uint32_t queue_family;
	VkQueue queue;
	VkSemaphore timeline;
};

/** netgpu_gpu_get_handles - for shaders of the caller's */
void netgpu_gpu_get_handles(const struct netgpu_gpu *gpu, struct netgpu_gpu_handles *handles);

/**
 * netgpu_gpu_alloc - allocate memory of the GPU
 * @gpu: which.
 * @size: bytes, rounded up to the page size; at most what Vulkan calls maxStorageBufferRange.
 * @buffer: where the object is stored.
 *
 * It is exported as a dma-buf. Errors: EINVAL no bytes; ERANGE too many; ENOMEM; EOPNOTSUPP the driver does not export such memory.
 */
int netgpu_gpu_alloc(struct netgpu_gpu *gpu, uint64_t size, struct netgpu_gpu_buffer **buffer);

/** netgpu_gpu_free - let go of it; NULL is allowed. What the GPU does with it must have ended. */
void netgpu_gpu_free(struct netgpu_gpu_buffer *buffer);

/** netgpu_gpu_buffer_memory - as netgpu_region_open() and netgpu_queue_open() take it; not to be closed */
struct netgpu_memory *netgpu_gpu_buffer_memory(const struct netgpu_gpu_buffer *buffer);

/** netgpu_gpu_buffer_handle - as Vulkan has it: a storage buffer that can be copied from and to */
VkBuffer netgpu_gpu_buffer_handle(const struct netgpu_gpu_buffer *buffer);

/**
 * netgpu_gpu_gather - have the GPU copy pieces
 * @gpu: which.
 * @to: where to.
 * @from: where they are; in @to itself, when no byte is read and written.
 * @pieces: what; the parts of one at a stride, as those of a struct netgpu_completion are.
 * @count: how many of them, at most NETGPU_COPIES_MOST.
 * @point: where the value is stored that the timeline has when all of it has been done.
 *
 * @from is taken over from whoever is no Vulkan device, and given back to it; @to is this queue family's before and afterwards: who has
 * it sent from by a network device gives it to VK_QUEUE_FAMILY_FOREIGN_EXT before.
 *
 * Returns at once, unless some gathers before are still under way: their number is limited. Errors: EINVAL @count, @part or @stride; ERANGE a
 * piece ends behind a buffer; ENOMEM, EIO as Vulkan says.
 */
int netgpu_gpu_gather(struct netgpu_gpu *gpu, struct netgpu_gpu_buffer *to, struct netgpu_gpu_buffer *from,
		      const struct netgpu_copy *pieces, unsigned int count, uint64_t *point);

/**
 * netgpu_gpu_wait - until the timeline has a point
 * @gpu: which.
 * @point: from netgpu_gpu_gather(), or of the caller's.
 * @timeout: nanoseconds, 0 not to wait, < 0 without end.
 *
 * Any thread may. Errors: ETIMEDOUT; EIO the GPU was lost.
 */
int netgpu_gpu_wait(struct netgpu_gpu *gpu, uint64_t point, int64_t timeout);

/**
 * netgpu_gpu_copier - have the GPU move what endpoints receive
 * @gpu: which.
 * @copier: for &netgpu_domain_params.copier; it is the gpu's, moves between its buffers, and is used by one domain at a time.
 *
 * The domain is used by the thread that uses the gpu, and closed before it. Errors: ENOMEM, EAGAIN no thread.
 */
int netgpu_gpu_copier(struct netgpu_gpu *gpu, const struct netgpu_copier **copier);

/**
 * netgpu_gpu_next_point - for a submission of the caller's that signals the timeline: a value that no other has
 * @gpu: which.
 */
uint64_t netgpu_gpu_next_point(struct netgpu_gpu *gpu);

#ifdef __cplusplus
}
#endif

#endif /* LIBNETGPU_VULKAN_H */

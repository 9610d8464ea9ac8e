// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The GPU as the copier of a domain; a thread says when the timeline has moved. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "gpu.h"

static void *tell(void *data)
{
	struct netgpu_gpu *gpu = data;
	const struct timespec pause = { .tv_nsec = 10000000 };
	const uint64_t one = 1;
	uint64_t next = 1, seen = 0;
	const VkSemaphoreWaitInfo wait = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO, .semaphoreCount = 1,
		.pSemaphores = &gpu->vk.timeline, .pValues = &next,
	};
	VkResult result;

	for (;;) {
		/* Whoever closes may not be able to signal it. */
		result = vkWaitSemaphores(gpu->vk.device, &wait, 1000000000);
		if (result == VK_TIMEOUT && !__atomic_load_n(&gpu->closing, __ATOMIC_ACQUIRE))
			continue;
		if (!result)
			result = vkGetSemaphoreCounterValue(gpu->vk.device, gpu->vk.timeline, &seen);
		/* Of a GPU that is lost some say that the wait was well. */
		if (result == VK_ERROR_DEVICE_LOST || seen == UINT64_MAX || (!result && seen < next))
			__atomic_store_n(&gpu->lost, true, __ATOMIC_RELEASE);
		else if (result)
			nanosleep(&pause, NULL);	/* out of memory, for the moment */
		/* Whatever has happened, the domain hears of it by asking how far it is. */
		while (write(gpu->copier.fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		if (__atomic_load_n(&gpu->closing, __ATOMIC_ACQUIRE) || gpu->lost)
			return NULL;
		next = seen + 1;
	}
}

static struct netgpu_gpu_buffer *buffer_of(const struct netgpu_gpu *gpu, const struct netgpu_memory *memory)
{
	struct netgpu_gpu_buffer *b;

	for (b = gpu->buffers; b; b = b->next)
		if (b->memory == memory)
			return b;
	return NULL;
}

static bool can(void *context, const struct netgpu_memory *to, const struct netgpu_memory *from)
{
	return buffer_of(context, to) && buffer_of(context, from);
}

static int reached(void *context, uint64_t *point)
{
	struct netgpu_gpu *gpu = context;
	VkResult result = vkGetSemaphoreCounterValue(gpu->vk.device, gpu->vk.timeline, point);

	/* Some say nothing, or a counter that cannot be. */
	if (!result && (*point == UINT64_MAX || __atomic_load_n(&gpu->lost, __ATOMIC_ACQUIRE)))
		result = VK_ERROR_DEVICE_LOST;
	if (result == VK_ERROR_DEVICE_LOST)
		return vulkan_fail(result, "copying");
	/* It cannot be had now: as far as it was. */
	if (result)
		*point = gpu->reached;
	gpu->reached = *point;
	return 0;
}

static int copy(void *context, struct netgpu_memory *to, struct netgpu_memory *from, const struct netgpu_copy *copies,
		unsigned int count, uint64_t *point)
{
	struct netgpu_gpu *gpu = context;

	uint64_t done;
	int ret;

	/* Gathers of the program's own are waited for. */
	if (!gather_may_start(gpu) && !reached(gpu, &done) && done < gpu->copier_point)
		return -EAGAIN;
	ret = gather(gpu, buffer_of(gpu, to), buffer_of(gpu, from), copies, count, true, point);
	if (!ret)
		gpu->copier_point = *point;
	return ret;
}

static int wait_until(void *context, uint64_t point, int64_t timeout)
{
	return netgpu_gpu_wait(context, point, timeout);
}

int netgpu_gpu_copier(struct netgpu_gpu *gpu, const struct netgpu_copier **copier)
{
	int ret;

	succeed();
	if (!gpu->has_copier) {
		gpu->copier = (struct netgpu_copier) {
			.context = gpu, .can = can, .copy = copy, .reached = reached, .wait = wait_until,
			.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		};
		if (gpu->copier.fd < 0)
			return fail(-errno, "an eventfd: %s", strerror(errno));
		ret = pthread_create(&gpu->teller, NULL, tell, gpu);
		if (ret) {
			close(gpu->copier.fd);
			return fail(-ret, "a thread: %s", strerror(ret));
		}
		gpu->has_copier = true;
	}
	*copier = &gpu->copier;
	return 0;
}

/* The GPU does nothing any more. */
void copier_exit(struct netgpu_gpu *gpu)
{
	const VkSemaphoreSignalInfo signal = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, .semaphore = gpu->vk.timeline, .value = netgpu_gpu_next_point(gpu),
	};

	if (!gpu->has_copier)
		return;
	__atomic_store_n(&gpu->closing, true, __ATOMIC_RELEASE);
	vkSignalSemaphore(gpu->vk.device, &signal);
	pthread_join(gpu->teller, NULL);
	close(gpu->copier.fd);
}

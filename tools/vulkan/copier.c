// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The GPU as the copier of a domain; a thread says when the timeline has moved. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gpu.h"

static void *tell(void *data)
{
	struct netgpu_gpu *gpu = data;
	const uint64_t one = 1;
	uint64_t seen = 0;

	for (;;) {
		/* Whatever has happened, the domain hears of it by asking how far it is. */
		if (netgpu_gpu_wait(gpu, seen + 1, -1) || vkGetSemaphoreCounterValue(gpu->vk.device, gpu->vk.timeline, &seen))
			seen = UINT64_MAX;
		while (write(gpu->copier.fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		if (__atomic_load_n(&gpu->closing, __ATOMIC_ACQUIRE) || seen == UINT64_MAX)
			return NULL;
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

static int copy(void *context, struct netgpu_memory *to, struct netgpu_memory *from, const struct netgpu_copy *copies,
		unsigned int count, uint64_t *point)
{
	struct netgpu_gpu *gpu = context;

	return netgpu_gpu_gather(gpu, buffer_of(gpu, to), buffer_of(gpu, from), copies, count, point);
}

static int reached(void *context, uint64_t *point)
{
	struct netgpu_gpu *gpu = context;
	VkResult result = vkGetSemaphoreCounterValue(gpu->vk.device, gpu->vk.timeline, point);

	if (!result && *point == UINT64_MAX)	/* so some say that the GPU is lost */
		result = VK_ERROR_DEVICE_LOST;
	return vulkan_fail(result, "copying");
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

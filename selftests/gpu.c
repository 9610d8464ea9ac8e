// SPDX-License-Identifier: GPL-2.0
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpu.h"

#define PAGE		4096
#define IB_SIZE		(64 << 10)
#define SI_COPY_MAX	0xfffe0		/* bytes in one packet; others could do more */
#define COPY_WORDS	7		/* at most, of a packet */

void gpu_open(struct gpu *gpu, const char *path)
{
	struct drm_amdgpu_info_hw_ip dma;
	uint32_t major, minor;

	memset(gpu, 0, sizeof(*gpu));
	gpu->fd = open(path, O_RDWR | O_CLOEXEC);
	if (gpu->fd < 0)
		err(1, "%s", path);
	errno = -amdgpu_device_initialize(gpu->fd, &major, &minor, &gpu->device);
	if (errno)
		err(1, "%s: amdgpu_device_initialize", path);
	errno = -amdgpu_query_gpu_info(gpu->device, &gpu->info);
	if (errno)
		err(1, "amdgpu_query_gpu_info");
	errno = -amdgpu_query_info(gpu->device, AMDGPU_INFO_MEMORY, sizeof(gpu->memory),
				   &gpu->memory);
	if (errno)
		err(1, "AMDGPU_INFO_MEMORY");
	errno = -amdgpu_query_hw_ip_info(gpu->device, AMDGPU_HW_IP_DMA, 0, &dma);
	if (errno)
		err(1, "amdgpu_query_hw_ip_info");
	gpu->rings = __builtin_popcount(dma.available_rings);
	errno = -amdgpu_cs_ctx_create(gpu->device, &gpu->context);
	if (errno)
		err(1, "amdgpu_cs_ctx_create");
}

void gpu_close(struct gpu *gpu)
{
	amdgpu_cs_ctx_free(gpu->context);
	amdgpu_device_deinitialize(gpu->device);
	close(gpu->fd);
}

static int map_va(struct gpu *gpu, struct gpu_buffer *buffer)
{
	int ret = amdgpu_va_range_alloc(gpu->device, amdgpu_gpu_va_range_general, buffer->size,
					PAGE, 0, &buffer->va, &buffer->va_handle, 0);

	if (ret)
		return ret;
	return amdgpu_bo_va_op(buffer->bo, 0, buffer->size, buffer->va, 0, AMDGPU_VA_OP_MAP);
}

int gpu_alloc(struct gpu *gpu, struct gpu_buffer *buffer, size_t size, uint32_t domain,
	      uint64_t flags)
{
	struct amdgpu_bo_alloc_request request = {
		.alloc_size = size,
		.phys_alignment = PAGE,
		.preferred_heap = domain,
		.flags = flags,
	};
	int ret;

	memset(buffer, 0, sizeof(*buffer));
	buffer->size = size;
	ret = amdgpu_bo_alloc(gpu->device, &request, &buffer->bo);
	if (ret)
		return ret;
	ret = map_va(gpu, buffer);
	if (ret)
		amdgpu_bo_free(buffer->bo);
	return ret;
}

void gpu_import(struct gpu *gpu, struct gpu_buffer *buffer, int dmabuf)
{
	struct amdgpu_bo_import_result result;

	memset(buffer, 0, sizeof(*buffer));
	errno = -amdgpu_bo_import(gpu->device, amdgpu_bo_handle_type_dma_buf_fd, dmabuf, &result);
	if (errno)
		err(1, "amdgpu_bo_import");
	buffer->bo = result.buf_handle;
	buffer->size = result.alloc_size;
	errno = -map_va(gpu, buffer);
	if (errno)
		err(1, "amdgpu_bo_va_op");
}

int gpu_export(struct gpu_buffer *buffer)
{
	uint32_t dmabuf;

	errno = -amdgpu_bo_export(buffer->bo, amdgpu_bo_handle_type_dma_buf_fd, &dmabuf);
	if (errno)
		err(1, "amdgpu_bo_export");
	return dmabuf;
}

void gpu_map(struct gpu_buffer *buffer)
{
	void *cpu;

	errno = -amdgpu_bo_cpu_map(buffer->bo, &cpu);
	if (errno)
		err(1, "amdgpu_bo_cpu_map");
	buffer->cpu = cpu;
}

void gpu_unmap(struct gpu_buffer *buffer)
{
	amdgpu_bo_cpu_unmap(buffer->bo);
	buffer->cpu = NULL;
}

void gpu_free(struct gpu_buffer *buffer)
{
	if (buffer->cpu)
		gpu_unmap(buffer);
	amdgpu_bo_va_op(buffer->bo, 0, buffer->size, buffer->va, 0, AMDGPU_VA_OP_UNMAP);
	amdgpu_va_range_free(buffer->va_handle);
	amdgpu_bo_free(buffer->bo);
}

/* A packet of the engine's generation (the kernel's sid.h, cik_sdma.c, vega10_sdma_pkt_open.h). */
static uint32_t *put_copy(const struct gpu *gpu, uint32_t *p, uint64_t to, uint64_t from,
			  uint32_t bytes)
{
	if (gpu->info.family_id == AMDGPU_FAMILY_SI) {
		*p++ = 0x3u << 28 | bytes / 4;
		*p++ = to;
		*p++ = from;
		*p++ = to >> 32 & 0xff;
		*p++ = from >> 32 & 0xff;
		return p;
	}
	*p++ = 1;
	*p++ = gpu->info.family_id >= AMDGPU_FAMILY_AI ? bytes - 1 : bytes;
	*p++ = 0;
	*p++ = from;
	*p++ = from >> 32;
	*p++ = to;
	*p++ = to >> 32;
	return p;
}

static uint32_t nop(const struct gpu *gpu)
{
	return gpu->info.family_id == AMDGPU_FAMILY_SI ? 0xfu << 28 : 0;
}

static int submit(struct gpu *gpu, unsigned int ring, const struct gpu_buffer *ib, uint32_t words,
		  amdgpu_bo_handle *bos, uint32_t count, unsigned int seconds)
{
	struct amdgpu_cs_ib_info info = { .ib_mc_address = ib->va, .size = words };
	struct amdgpu_cs_request request = {
		.ip_type = AMDGPU_HW_IP_DMA, .ring = ring, .number_of_ibs = 1, .ibs = &info,
	};
	struct amdgpu_cs_fence fence = {
		.context = gpu->context, .ip_type = AMDGPU_HW_IP_DMA, .ring = ring,
	};
	uint32_t expired = 0;
	int ret;

	ret = amdgpu_bo_list_create(gpu->device, count, bos, NULL, &request.resources);
	if (ret)
		return ret;
	ret = amdgpu_cs_submit(gpu->context, 0, &request, 1);
	fence.fence = request.seq_no;
	if (!ret)
		ret = amdgpu_cs_query_fence_status(&fence, seconds * 1000000000ULL, 0, &expired);
	amdgpu_bo_list_destroy(request.resources);
	return ret ? ret : expired ? 0 : -ETIME;
}

static uint32_t add(amdgpu_bo_handle *bos, uint32_t count, amdgpu_bo_handle bo)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (bos[i] == bo)
			return count;
	bos[count] = bo;
	return count + 1;
}

int gpu_copy(struct gpu *gpu, unsigned int ring, const struct gpu_copy *copies, size_t count,
	     unsigned int seconds)
{
	size_t i = 0, done = 0;
	struct gpu_buffer ib;
	amdgpu_bo_handle bos[16];
	int ret;

	ret = gpu_alloc(gpu, &ib, IB_SIZE, AMDGPU_GEM_DOMAIN_GTT, 0);
	if (ret)
		return ret;
	gpu_map(&ib);

	while (!ret && i < count) {
		uint32_t *p = (uint32_t *)ib.cpu, *last = p + IB_SIZE / 4 - COPY_WORDS - 8;
		uint32_t n = add(bos, 0, ib.bo);

		for (; i < count && p < last && n < 15; done = 0, i++) {
			const struct gpu_copy *c = &copies[i];

			n = add(bos, add(bos, n, c->to->bo), c->from->bo);
			while (done < c->length && p < last) {
				size_t left = c->length - done;
				size_t bytes = left < SI_COPY_MAX ? left : SI_COPY_MAX;

				p = put_copy(gpu, p, c->to->va + c->to_offset + done,
					     c->from->va + c->from_offset + done, bytes);
				done += bytes;
			}
			if (done < c->length)
				break;
		}
		while ((p - (uint32_t *)ib.cpu) % 8)
			*p++ = nop(gpu);
		ret = submit(gpu, ring, &ib, p - (uint32_t *)ib.cpu, bos, n, seconds);
	}
	gpu_free(&ib);
	return ret;
}

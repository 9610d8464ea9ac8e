/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers of a GPU that amdgpu drives, and copies by its own DMA engines. What fails ends the
 * program with a message, unless it returns an error.
 */
#ifndef GPU_H
#define GPU_H

#include <amdgpu.h>
#include <amdgpu_drm.h>
#include <stddef.h>
#include <stdint.h>

struct gpu {
	int fd;
	amdgpu_device_handle device;
	amdgpu_context_handle context;
	struct amdgpu_gpu_info info;
	struct drm_amdgpu_memory_info memory;
	unsigned int rings;	/* DMA engines */
};

struct gpu_buffer {
	amdgpu_bo_handle bo;
	amdgpu_va_handle va_handle;
	uint64_t va;
	size_t size;
	unsigned char *cpu;	/* NULL unless mapped */
};

struct gpu_copy {
	const struct gpu_buffer *to, *from;
	size_t to_offset, from_offset, length;	/* bytes, multiples of 4 */
};

void gpu_open(struct gpu *gpu, const char *path);
void gpu_close(struct gpu *gpu);

/* @domain: AMDGPU_GEM_DOMAIN_*, @flags: AMDGPU_GEM_CREATE_*. Returns 0 or a negative errno. */
int gpu_alloc(struct gpu *gpu, struct gpu_buffer *buffer, size_t size, uint32_t domain,
	      uint64_t flags);
void gpu_import(struct gpu *gpu, struct gpu_buffer *buffer, int dmabuf);
int gpu_export(struct gpu_buffer *buffer);
void gpu_map(struct gpu_buffer *buffer);
void gpu_unmap(struct gpu_buffer *buffer);
void gpu_free(struct gpu_buffer *buffer);

/*
 * Copy by DMA engine @ring, in order, and wait up to @seconds. Returns 0 or a negative errno:
 * -ETIME when it did not come to the end.
 */
int gpu_copy(struct gpu *gpu, unsigned int ring, const struct gpu_copy *copies, size_t count,
	     unsigned int seconds);

#endif

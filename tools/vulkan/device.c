// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* A GPU by Vulkan: which one, what it must be able to, and its timeline. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu.h"

#define NEEDED_COUNT	2

static const char *const needed[NEEDED_COUNT] = {
	VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
};

int vulkan_fail(VkResult result, const char *what)
{
	switch (result) {
	case VK_SUCCESS:
		return 0;
	case VK_ERROR_OUT_OF_HOST_MEMORY:
		return fail(-ENOMEM, "Vulkan: %s: out of memory", what);
	case VK_ERROR_OUT_OF_DEVICE_MEMORY:
		return fail(-ENOMEM, "Vulkan: %s: out of the GPU's memory", what);
	case VK_ERROR_DEVICE_LOST:
		return fail(-EIO, "Vulkan: %s: the GPU was lost", what);
	case VK_ERROR_INCOMPATIBLE_DRIVER:
		return fail(-ENODEV, "Vulkan: %s: there is no driver", what);
	default:
		return fail(-EIO, "Vulkan: %s: error %d", what, result);
	}
}

/* ---------------------------------------------------------------- which */

/* A list that Vulkan has, to be freed; NULL without memory, or when there is nothing. */
static VkExtensionProperties *extensions_of(VkPhysicalDevice physical, uint32_t *count)
{
	VkExtensionProperties *list;

	if (vkEnumerateDeviceExtensionProperties(physical, NULL, count, NULL) || !*count)
		return NULL;
	list = calloc(*count, sizeof(*list));
	if (list && vkEnumerateDeviceExtensionProperties(physical, NULL, count, list) < 0) {
		free(list);
		return NULL;
	}
	return list;
}

static bool is_among(const VkExtensionProperties *list, uint32_t count, const char *name)
{
	uint32_t i;

	for (i = 0; list && i < count; i++)
		if (!strcmp(list[i].extensionName, name))
			return true;
	return false;
}

static bool has(VkPhysicalDevice physical, const char *name)
{
	uint32_t count = 0;
	VkExtensionProperties *list = extensions_of(physical, &count);
	bool found = is_among(list, count, name);

	free(list);
	return found;
}

static bool is_called(VkPhysicalDevice physical, const VkPhysicalDeviceProperties *properties, const char *name)
{
	VkPhysicalDevicePCIBusInfoPropertiesEXT bus = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT };
	VkPhysicalDeviceProperties2 all = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &bus };
	char address[32];

	if (!name || strstr(properties->deviceName, name))
		return true;
	if (!has(physical, VK_EXT_PCI_BUS_INFO_EXTENSION_NAME))
		return false;
	vkGetPhysicalDeviceProperties2(physical, &all);
	snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", bus.pciDomain, bus.pciBus, bus.pciDevice, bus.pciFunction);
	return !strcmp(address, name);
}

/* Of those that are called so, one with memory of its own before any other. */
static int choose(struct netgpu_gpu *gpu, const char *name)
{
	VkPhysicalDeviceProperties properties;
	VkPhysicalDevice *list;
	uint32_t i, count = 0;
	int ret;

	ret = vulkan_fail(vkEnumeratePhysicalDevices(gpu->vk.instance, &count, NULL), "GPUs");
	if (ret)
		return ret;
	if (!count)
		return fail(-ENODEV, "Vulkan has no GPU here");
	list = calloc(count, sizeof(*list));
	if (!list)
		return fail(-ENOMEM, "out of memory");
	if (vkEnumeratePhysicalDevices(gpu->vk.instance, &count, list) < 0)
		count = 0;
	for (i = 0; i < count && !gpu->own_memory; i++) {
		vkGetPhysicalDeviceProperties(list[i], &properties);
		if (!is_called(list[i], &properties, name) ||
		    (gpu->vk.physical_device && properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU))
			continue;
		gpu->vk.physical_device = list[i];
		gpu->own_memory = properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
		snprintf(gpu->name, sizeof(gpu->name), "%s", properties.deviceName);
		gpu->most = properties.limits.maxStorageBufferRange;
	}
	free(list);
	if (!gpu->vk.physical_device)
		return fail(-ENODEV, "Vulkan has no GPU that is called %s", name);
	return 0;
}

static int choose_queue(struct netgpu_gpu *gpu)
{
	VkQueueFamilyProperties families[32];
	uint32_t i, count = 32;

	vkGetPhysicalDeviceQueueFamilyProperties(gpu->vk.physical_device, &count, families);
	for (i = 0; i < count; i++) {
		if (families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) {
			gpu->vk.queue_family = i;
			return 0;
		}
	}
	return fail(-EOPNOTSUPP, "%s cannot compute", gpu->name);
}

/* ----------------------------------------------------------------- open */

static int open_instance(struct netgpu_gpu *gpu)
{
	const VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .pEngineName = "netgpu", .apiVersion = VK_API_VERSION_1_2,
	};
	const VkInstanceCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application,
	};

	return vulkan_fail(vkCreateInstance(&create, NULL, &gpu->vk.instance), "opening");
}

static int open_device(struct netgpu_gpu *gpu)
{
	const float priority = 1;
	const VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueFamilyIndex = gpu->vk.queue_family,
		.queueCount = 1, .pQueuePriorities = &priority,
	};
	VkPhysicalDeviceVulkan12Features can = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES };
	VkPhysicalDeviceVulkan12Features want = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
		.timelineSemaphore = VK_TRUE, .storageBuffer8BitAccess = VK_TRUE, .shaderInt8 = VK_TRUE,
	};
	VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &can };
	const char *names[NEEDED_COUNT + 1] = { needed[0], needed[1], VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME };
	VkDeviceCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .pNext = &want, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue,
		.enabledExtensionCount = NEEDED_COUNT, .ppEnabledExtensionNames = names,
	};
	VkPhysicalDeviceProperties properties;
	unsigned int i;
	int ret;

	vkGetPhysicalDeviceProperties(gpu->vk.physical_device, &properties);
	if (properties.apiVersion < VK_API_VERSION_1_2)
		return fail(-EOPNOTSUPP, "%s: its driver has Vulkan %u.%u, and 1.2 is needed", gpu->name,
			    VK_API_VERSION_MAJOR(properties.apiVersion), VK_API_VERSION_MINOR(properties.apiVersion));
	for (i = 0; i < NEEDED_COUNT; i++)
		if (!has(gpu->vk.physical_device, needed[i]))
			return fail(-EOPNOTSUPP, "%s: its driver lacks %s", gpu->name, needed[i]);
	vkGetPhysicalDeviceFeatures2(gpu->vk.physical_device, &features);
	if (!can.timelineSemaphore || !can.storageBuffer8BitAccess || !can.shaderInt8)
		return fail(-EOPNOTSUPP, "%s: its driver lacks %s", gpu->name,
			    can.timelineSemaphore ? "bytes in shaders" : "timeline semaphores");
	gpu->foreign = VK_QUEUE_FAMILY_EXTERNAL;
	if (has(gpu->vk.physical_device, VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME)) {
		create.enabledExtensionCount++;
		gpu->foreign = VK_QUEUE_FAMILY_FOREIGN_EXT;
	}
	ret = vulkan_fail(vkCreateDevice(gpu->vk.physical_device, &create, NULL, &gpu->vk.device), gpu->name);
	if (ret)
		return ret;
	vkGetDeviceQueue(gpu->vk.device, gpu->vk.queue_family, 0, &gpu->vk.queue);
	vkGetPhysicalDeviceMemoryProperties(gpu->vk.physical_device, &gpu->memory);
	gpu->get_memory_fd = (PFN_vkGetMemoryFdKHR)vkGetDeviceProcAddr(gpu->vk.device, "vkGetMemoryFdKHR");
	return gpu->get_memory_fd ? 0 : fail(-EOPNOTSUPP, "%s: its driver lacks vkGetMemoryFdKHR", gpu->name);
}

static int open_timeline(struct netgpu_gpu *gpu)
{
	const VkSemaphoreTypeCreateInfo timeline = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
	};
	const VkSemaphoreCreateInfo create = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &timeline };

	return vulkan_fail(vkCreateSemaphore(gpu->vk.device, &create, NULL, &gpu->vk.timeline), "a timeline semaphore");
}

int netgpu_gpu_open(const char *name, struct netgpu_gpu **out)
{
	struct netgpu_gpu *gpu;
	int ret;

	succeed();
	gpu = calloc(1, sizeof(*gpu));
	if (!gpu)
		return fail(-ENOMEM, "out of memory");
	ret = open_instance(gpu);
	if (!ret)
		ret = choose(gpu, name);
	if (!ret)
		ret = choose_queue(gpu);
	if (!ret)
		ret = open_device(gpu);
	if (!ret)
		ret = open_timeline(gpu);
	if (!ret)
		ret = gather_init(gpu);
	if (ret) {
		netgpu_gpu_close(gpu);
		return ret;
	}
	*out = gpu;
	return 0;
}

void netgpu_gpu_close(struct netgpu_gpu *gpu)
{
	if (!gpu)
		return;
	if (gpu->vk.device) {
		vkDeviceWaitIdle(gpu->vk.device);
		copier_exit(gpu);
		while (gpu->buffers)
			netgpu_gpu_free(gpu->buffers);
		gather_exit(gpu);
		vkDestroySemaphore(gpu->vk.device, gpu->vk.timeline, NULL);
		vkDestroyDevice(gpu->vk.device, NULL);
	}
	if (gpu->vk.instance)
		vkDestroyInstance(gpu->vk.instance, NULL);
	free(gpu);
}

const char *netgpu_gpu_name(const struct netgpu_gpu *gpu)
{
	return gpu->name;
}

void netgpu_gpu_get_handles(const struct netgpu_gpu *gpu, struct netgpu_gpu_handles *handles)
{
	*handles = gpu->vk;
}

uint64_t netgpu_gpu_next_point(struct netgpu_gpu *gpu)
{
	return ++gpu->point;
}

int netgpu_gpu_wait(struct netgpu_gpu *gpu, uint64_t point, int64_t timeout)
{
	const VkSemaphoreWaitInfo wait = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO, .semaphoreCount = 1,
		.pSemaphores = &gpu->vk.timeline, .pValues = &point,
	};
	VkResult result = vkWaitSemaphores(gpu->vk.device, &wait, timeout < 0 ? UINT64_MAX : (uint64_t)timeout);

	succeed();
	if (result == VK_TIMEOUT)
		return fail(-ETIMEDOUT, "the GPU has not done it in time");
	return vulkan_fail(result, "waiting");
}

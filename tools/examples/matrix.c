// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Receive matrices by TCP into the memory of a GPU, and have it multiply each while the next arrives.
 *
 *   netgpu setup eth0 --queue 1 --port PORT
 *   matrix eth0 1 7000 256 RADV
 *
 * Each is SIZE x SIZE floats, by rows; what follows it is the next, to the end of the connection. They are multiplied by one
 * whose element at row k, column j is (k + 2 j) % 5 - 2, and the products added up. The checksum is the sum of all elements of
 * that, the one at row i, column j 1 + (i + 3 j) % 11 times. Of small whole numbers it is exact.
 *
 * The network device writes to one buffer, wherever there is room; gathers put that in order into one of two matrices. A thread
 * waits for each gather on the timeline semaphore, and gives the network device its room back.
 */
#include <errno.h>
#include <libnetgpu_vulkan.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "multiply.spv.h"

#define ROOM	(16ull << 20)	/* bytes to receive into */
#define BATCH	256		/* completions at once */
#define FIFO	64		/* batches that wait for the GPU */

static void check(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, netgpu_error());
	exit(1);
}

static void check_vulkan(VkResult result, const char *what)
{
	if (result == VK_SUCCESS)
		return;
	fprintf(stderr, "%s: Vulkan's error %d\n", what, result);
	exit(1);
}

/* -------------------------------------------------------- what goes back */

struct batch {
	struct netgpu_completion done[BATCH];
	int count;
	uint64_t point;		/* when the GPU has them no more */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct batch batches[FIFO];
	unsigned int in, out;	/* ever */
	bool over;
	struct netgpu_gpu *gpu;
	struct netgpu_queue *queue;
} fifo = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void *give_back(void *unused)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct batch *b;
	int i, n;

	(void)unused;
	for (;;) {
		pthread_mutex_lock(&fifo.lock);
		while (fifo.in == fifo.out && !fifo.over)
			pthread_cond_wait(&fifo.changed, &fifo.lock);
		if (fifo.in == fifo.out) {
			pthread_mutex_unlock(&fifo.lock);
			return NULL;
		}
		b = &fifo.batches[fifo.out % FIFO];
		pthread_mutex_unlock(&fifo.lock);

		check(netgpu_gpu_wait(fifo.gpu, b->point, -1), "GPU");
		for (i = 0; i < b->count; i += n) {
			n = netgpu_queue_return(fifo.queue, b->done + i, b->count - i);
			if (n == -ENOBUFS && __atomic_load_n(&fifo.over, __ATOMIC_ACQUIRE))
				break;		/* nobody wants any */
			if (n == -ENOBUFS) {	/* the kernel empties the ring when it wants some */
				nanosleep(&pause, NULL);
				n = 0;
			}
			check(n, "buffers");
		}

		pthread_mutex_lock(&fifo.lock);
		fifo.out++;
		pthread_cond_signal(&fifo.changed);
		pthread_mutex_unlock(&fifo.lock);
	}
}

/* The next to be filled, when there is one. */
static struct batch *next_batch(void)
{
	pthread_mutex_lock(&fifo.lock);
	while (fifo.in - fifo.out == FIFO)
		pthread_cond_wait(&fifo.changed, &fifo.lock);
	pthread_mutex_unlock(&fifo.lock);
	return &fifo.batches[fifo.in % FIFO];
}

static void pass_on(void)
{
	pthread_mutex_lock(&fifo.lock);
	fifo.in++;
	pthread_cond_signal(&fifo.changed);
	pthread_mutex_unlock(&fifo.lock);
}

static void end_fifo(pthread_t thread)
{
	pthread_mutex_lock(&fifo.lock);
	fifo.over = true;
	pthread_cond_signal(&fifo.changed);
	pthread_mutex_unlock(&fifo.lock);
	pthread_join(thread, NULL);
}

/* ----------------------------------------------------- what the GPU does */

static struct netgpu_gpu_handles vk;
static struct netgpu_gpu_buffer *arrived, *matrix[2], *factor, *sum;
static uint32_t size;
static VkCommandBuffer multiply[2];	/* of each matrix */
static struct {
	VkDescriptorSetLayout sets_are;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	VkDescriptorPool sets;
	VkCommandPool commands;
} shader;

static float *numbers_of(struct netgpu_gpu_buffer *buffer)
{
	float *map = netgpu_memory_map(netgpu_gpu_buffer_memory(buffer));

	if (!map) {
		fprintf(stderr, "the CPU cannot read and write this GPU's memory\n");
		exit(1);
	}
	return map;
}

static void record_multiply(VkCommandBuffer commands, VkDescriptorSet set)
{
	const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
	/* The next gather writes to what this reads; the next product is added to this one; the CPU reads the last. */
	const VkMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_HOST_READ_BIT,
	};

	check_vulkan(vkBeginCommandBuffer(commands, &begin), "commands");
	vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, shader.pipeline);
	vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, shader.layout, 0, 1, &set, 0, NULL);
	vkCmdPushConstants(commands, shader.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(size), &size);
	vkCmdDispatch(commands, (size + 7) / 8, (size + 7) / 8, 1);
	vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
			     VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_HOST_BIT,
			     0, 1, &barrier, 0, NULL, 0, NULL);
	check_vulkan(vkEndCommandBuffer(commands), "commands");
}

static void make_multiply(void)
{
	const VkShaderModuleCreateInfo code = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = sizeof(multiply_spv), .pCode = multiply_spv,
	};
	const VkDescriptorSetLayoutBinding bindings[3] = {
		{ 0, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL },
		{ 1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL },
		{ 2, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL },
	};
	const VkDescriptorSetLayoutCreateInfo set_layout = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = 3, .pBindings = bindings,
	};
	const VkPushConstantRange constants = { VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(size) };
	const VkDescriptorPoolSize pool_size = { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 6 };
	const VkDescriptorPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 2, .poolSizeCount = 1, .pPoolSizes = &pool_size,
	};
	const VkCommandPoolCreateInfo command_pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .queueFamilyIndex = vk.queue_family,
	};
	VkPipelineLayoutCreateInfo layout = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1,
		.pushConstantRangeCount = 1, .pPushConstantRanges = &constants,
	};
	VkComputePipelineCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {
			.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			.stage = VK_SHADER_STAGE_COMPUTE_BIT, .pName = "main",
		},
	};
	VkCommandBufferAllocateInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY, .commandBufferCount = 2,
	};
	VkDescriptorSetAllocateInfo sets = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, .descriptorSetCount = 1,
	};
	VkDescriptorSet set;
	int i, j;

	check_vulkan(vkCreateDescriptorSetLayout(vk.device, &set_layout, NULL, &shader.sets_are), "shader");
	layout.pSetLayouts = &shader.sets_are;
	check_vulkan(vkCreatePipelineLayout(vk.device, &layout, NULL, &shader.layout), "shader");
	check_vulkan(vkCreateShaderModule(vk.device, &code, NULL, &create.stage.module), "shader");
	create.layout = shader.layout;
	check_vulkan(vkCreateComputePipelines(vk.device, VK_NULL_HANDLE, 1, &create, NULL, &shader.pipeline), "shader");
	vkDestroyShaderModule(vk.device, create.stage.module, NULL);
	check_vulkan(vkCreateDescriptorPool(vk.device, &pool, NULL, &shader.sets), "shader");
	check_vulkan(vkCreateCommandPool(vk.device, &command_pool, NULL, &shader.commands), "commands");
	commands.commandPool = shader.commands;
	check_vulkan(vkAllocateCommandBuffers(vk.device, &commands, multiply), "commands");
	sets.descriptorPool = shader.sets;
	sets.pSetLayouts = &shader.sets_are;
	for (i = 0; i < 2; i++) {
		const VkDescriptorBufferInfo buffers[3] = {
			{ netgpu_gpu_buffer_handle(matrix[i]), 0, VK_WHOLE_SIZE }, { netgpu_gpu_buffer_handle(factor), 0, VK_WHOLE_SIZE },
			{ netgpu_gpu_buffer_handle(sum), 0, VK_WHOLE_SIZE },
		};

		check_vulkan(vkAllocateDescriptorSets(vk.device, &sets, &set), "shader");
		for (j = 0; j < 3; j++) {
			const VkWriteDescriptorSet write = {
				.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = set, .dstBinding = j, .descriptorCount = 1,
				.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .pBufferInfo = &buffers[j],
			};

			vkUpdateDescriptorSets(vk.device, 1, &write, 0, NULL);
		}
		record_multiply(multiply[i], set);
	}
}

/* Nothing of it is in use. */
static void end_multiply(void)
{
	vkDestroyCommandPool(vk.device, shader.commands, NULL);
	vkDestroyDescriptorPool(vk.device, shader.sets, NULL);
	vkDestroyPipeline(vk.device, shader.pipeline, NULL);
	vkDestroyPipelineLayout(vk.device, shader.layout, NULL);
	vkDestroyDescriptorSetLayout(vk.device, shader.sets_are, NULL);
}

/* The timeline has the point that is returned when it is done; the commands of a matrix are not submitted again before. */
static uint64_t start_multiply(struct netgpu_gpu *gpu, int which)
{
	static uint64_t last[2];
	const uint64_t point = netgpu_gpu_next_point(gpu);
	const VkTimelineSemaphoreSubmitInfo timeline = {
		.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
		.signalSemaphoreValueCount = 1, .pSignalSemaphoreValues = &point,
	};
	const VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .pNext = &timeline, .commandBufferCount = 1,
		.pCommandBuffers = &multiply[which], .signalSemaphoreCount = 1, .pSignalSemaphores = &vk.timeline,
	};

	check(netgpu_gpu_wait(gpu, last[which], -1), "GPU");
	check_vulkan(vkQueueSubmit(vk.queue, 1, &submit, VK_NULL_HANDLE), "multiplying");
	return last[which] = point;
}

/* ------------------------------------------------------------ what comes */

static uint64_t stream;		/* bytes of it that were taken */
static uint64_t matrices;	/* that are complete */

/* Pieces of one completion that belong to the matrix which is being filled: as many as go into it. Returns the bytes of them. */
static uint64_t cut(const struct netgpu_completion *c, uint64_t done, struct netgpu_copy *piece)
{
	const uint64_t whole = (uint64_t)size * size * sizeof(float), in = stream % whole, left = c->result - done;
	uint64_t n = left < whole - in ? left : whole - in;

	*piece = (struct netgpu_copy) { .to = in };
	if (!c->stride) {
		piece->from = c->offset + done;
	} else if (done % c->piece || n < c->piece) {	/* one that is begun already, or is not whole */
		piece->from = c->offset + done / c->piece * c->stride + done % c->piece;
		if (n > c->piece - done % c->piece)
			n = c->piece - done % c->piece;
	} else {
		piece->from = c->offset + done / c->piece * c->stride;
		piece->part = c->piece;
		piece->stride = c->stride;
	}
	piece->length = n;
	return n;
}

/* All of a batch into matrices, and each that is full is multiplied. Returns the last point. */
static uint64_t take(struct netgpu_gpu *gpu, struct batch *b)
{
	const uint64_t whole = (uint64_t)size * size * sizeof(float);
	struct netgpu_copy pieces[NETGPU_COPIES_MOST];
	uint64_t done, point = 0;
	unsigned int n = 0;
	int i;

	for (i = 0; i < b->count; i++) {
		if (b->done[i].offset == NETGPU_IN_HOST) {
			fprintf(stderr, "some of it is in host memory: is the queue set up?\n");
			exit(1);
		}
		for (done = 0; done < (uint64_t)b->done[i].result; ) {
			const uint64_t bytes = cut(&b->done[i], done, &pieces[n++]);
			const bool full = (stream + bytes) % whole == 0;

			done += bytes;
			if (full || n == NETGPU_COPIES_MOST) {
				check(netgpu_gpu_gather(gpu, matrix[matrices % 2], arrived, pieces, n, &point), "gather");
				n = 0;
			}
			stream += bytes;
			if (full)
				point = start_multiply(gpu, matrices++ % 2);
		}
	}
	if (n)
		check(netgpu_gpu_gather(gpu, matrix[matrices % 2], arrived, pieces, n, &point), "gather");
	return point;
}

/* Connections are counted from the end: 0, or what it failed with. */
static int receive(struct netgpu_gpu *gpu)
{
	struct batch *b;
	int i, n, end = 1;

	while (end > 0) {
		b = next_batch();
		n = netgpu_queue_wait(fifo.queue, b->done, BATCH, -1);
		check(n, "receive");
		b->count = 0;
		for (i = 0; i < n; i++) {
			if (b->done[i].result <= 0)
				end = b->done[i].result;
			else
				b->done[b->count++] = b->done[i];
		}
		if (!b->count)
			continue;
		b->point = take(gpu, b);
		pass_on();
	}
	return end;
}

static int accept_one(int port)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1, fd, conn;

	fd = socket(AF_INET6, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1) || (conn = accept(fd, NULL, NULL)) < 0) {
		perror("listen");
		exit(1);
	}
	close(fd);
	return conn;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct netgpu_queue_params params = { .flags = NETGPU_QUEUE_MERGE };
	struct netgpu_region_params where = { 0 };
	struct netgpu_region_info info;
	struct netgpu_region *region;
	struct netgpu_conn *conn;
	struct netgpu_gpu *gpu;
	double start, checksum = 0;
	pthread_t thread;
	uint64_t i, whole;
	float *f;
	int fd, end;

	if (argc < 5 || argc > 6 || atoi(argv[4]) < 1 || atoi(argv[4]) > 4096) {
		fprintf(stderr, "usage: %s IFACE QUEUE PORT SIZE [GPU]\n", argv[0]);
		return 1;
	}
	size = atoi(argv[4]);
	whole = (uint64_t)size * size * sizeof(float);
	where.ifindex = params.ifindex = if_nametoindex(argv[1]);
	where.queue = params.queue = atoi(argv[2]);

	check(netgpu_gpu_open(argc == 6 ? argv[5] : NULL, &gpu), "GPU");
	netgpu_gpu_get_handles(gpu, &vk);
	check(netgpu_gpu_alloc(gpu, ROOM, &arrived), "memory");
	check(netgpu_gpu_alloc(gpu, whole, &matrix[0]), "memory");
	check(netgpu_gpu_alloc(gpu, whole, &matrix[1]), "memory");
	check(netgpu_gpu_alloc(gpu, whole, &factor), "memory");
	check(netgpu_gpu_alloc(gpu, whole, &sum), "memory");
	memset(numbers_of(sum), 0, whole);
	f = numbers_of(factor);
	for (i = 0; i < (uint64_t)size * size; i++)
		f[i] = (i / size + 2 * (i % size)) % 5 - 2.0f;
	make_multiply();

	check(netgpu_region_open(netgpu_gpu_buffer_memory(arrived), &where, &region), "region");
	check(netgpu_region_query(region, &info), "region");
	check(netgpu_queue_open(&params, netgpu_gpu_buffer_memory(arrived), region, &fifo.queue), "queue");
	printf("%s: data lands in %s memory\n", netgpu_gpu_name(gpu), info.where == NETGPU_WHERE_DEVICE ? "device" : "host");
	fflush(stdout);

	fd = accept_one(atoi(argv[3]));
	check(netgpu_queue_add(fifo.queue, fd, NULL, &conn), "connection");
	fifo.gpu = gpu;
	if (pthread_create(&thread, NULL, give_back, NULL)) {
		perror("thread");
		return 1;
	}
	start = seconds();
	end = receive(gpu);
	end_fifo(thread);
	/* The returner has waited for all that it was given, the last product among it. */
	if (end)
		fprintf(stderr, "the connection failed: %s\n", strerror(-end));
	f = numbers_of(sum);
	for (i = 0; i < (uint64_t)size * size; i++)
		checksum += f[i] * (1 + (i / size + 3 * (i % size)) % 11);
	printf("%llu matrices, %llu bytes, %.3f Gbit/s, checksum %.0f\n", (unsigned long long)matrices, (unsigned long long)stream,
	       stream * 8 / (seconds() - start) / 1e9, checksum);

	netgpu_conn_close(conn);
	close(fd);
	netgpu_queue_close(fifo.queue);
	netgpu_region_close(region);
	end_multiply();
	netgpu_gpu_close(gpu);
	return end ? 1 : 0;
}

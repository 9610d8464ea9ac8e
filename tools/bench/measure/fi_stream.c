// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * fi_stream recv PROVIDER ADDRESS PORT SIZE COUNT [MEMORY [copy|place]]
 * fi_stream send PROVIDER ADDRESS PORT SIZE COUNT
 *
 * Messages of one size from one libfabric endpoint to another, each into a buffer that was posted for it. MEMORY, as
 * netgpu_memory_open(3) takes it: they are received into that, registered as a dma-buf; with copy into memory of the host, from
 * where the CPU copies them into it; with place the device puts them there, as far as it can be. Prints what there was as JSON.
 */
#include <errno.h>
#include <libnetgpu.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LANDING		(32ul << 20)	/* of the memory, for payload on its way to its buffer */
#define PLACE_LANDING	(4ul << 20)	/* for what does not come in place */
#define UNDER_WAY	(8ul << 20)	/* bytes that buffers are posted for, at most */
#define POSTED_MOST	256ul
#define BATCH		64
#define PATIENCE	120000		/* ms */

static struct fid_fabric *fabric;
static struct fid_domain *domain;
static struct fid_eq *eq;
static struct fid_cq *cq;
static struct fid_ep *ep;
static struct fid_pep *pep;
static struct fid_mr *mr;
static struct netgpu_memory *memory;
static char *buffers, *target;
static size_t size, each;
static unsigned int posted;

static _Noreturn void fail(const char *what, long ret)
{
	fprintf(stderr, "fi_stream: %s: %s\n", what, fi_strerror(-ret));
	exit(1);
}

static void check(long ret, const char *what)
{
	if (ret < 0)
		fail(what, ret);
}

static struct fi_info *information(const char *provider, const char *address, const char *port, bool receives, bool device)
{
	struct fi_info *hints = fi_allocinfo(), *info;

	if (!hints)
		fail("hints", -FI_ENOMEM);
	hints->ep_attr->type = FI_EP_MSG;
	hints->caps = FI_MSG | (device ? FI_HMEM : 0);
	hints->mode = ~0ull;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_PROV_KEY | FI_MR_ALLOCATED | FI_MR_VIRT_ADDR | (device ? FI_MR_HMEM : 0);
	hints->domain_attr->threading = FI_THREAD_DOMAIN;
	hints->fabric_attr->prov_name = strdup(provider);
	check(fi_getinfo(FI_VERSION(1, 20), address, port, receives ? FI_SOURCE : 0, hints, &info), "fi_getinfo");
	fi_freeinfo(hints);
	return info;
}

/* Memory of a device: some of it is where payload arrives, the rest the buffers'. */
static void open_memory(const char *name, bool copies, bool in_place)
{
	char text[32];

	if (netgpu_memory_open(name, LANDING + each * posted, &memory)) {
		fprintf(stderr, "fi_stream: %s\n", netgpu_error());
		exit(1);
	}
	target = netgpu_memory_map(memory);
	if (!target)
		fail("mapping the memory", -errno);
	target += LANDING;
	if (copies)
		return;
	snprintf(text, sizeof(text), "dmabuf-fd:%d", netgpu_memory_fd(memory));
	setenv("FI_NETGPU_LANDING", text, 1);
	snprintf(text, sizeof(text), "%lu", in_place ? PLACE_LANDING : LANDING);
	setenv("FI_NETGPU_LANDING_SIZE", text, 1);
}

static void register_buffers(const struct fi_info *info, bool device)
{
	struct fi_mr_dmabuf dmabuf = {
		.fd = memory ? netgpu_memory_fd(memory) : -1, .offset = LANDING, .len = each * posted,
		.base_addr = device ? target - LANDING : NULL,
	};
	struct iovec iov = { .iov_len = each * posted };
	struct fi_mr_attr attr = {
		.mr_iov = &iov, .iov_count = 1, .access = FI_SEND | FI_RECV, .requested_key = 1,
	};

	if (device) {
		attr.dmabuf = &dmabuf;
		attr.iface = FI_HMEM_SYNAPSEAI;	/* the flag says what it is */
		buffers = target;
		check(fi_mr_regattr(domain, &attr, FI_MR_DMABUF, &mr), "registering the dma-buf");
		return;
	}
	if (posix_memalign((void **)&buffers, 4096, each * posted))
		fail("buffers", -FI_ENOMEM);
	memset(buffers, 0, each * posted);
	iov.iov_base = buffers;
	if (info->domain_attr->mr_mode & FI_MR_LOCAL)
		check(fi_mr_regattr(domain, &attr, 0, &mr), "registering the buffers");
}

static void *descriptor(void)
{
	return mr ? fi_mr_desc(mr) : NULL;
}

static struct fi_info *event(uint32_t expected)
{
	struct fi_eq_cm_entry entry;
	struct fi_eq_err_entry error = { 0 };
	uint32_t kind = 0;
	ssize_t ret = fi_eq_sread(eq, &kind, &entry, sizeof(entry), PATIENCE, 0);

	if (ret == -FI_EAVAIL && fi_eq_readerr(eq, &error, 0) > 0)
		fail("connecting", -error.err);
	check(ret, "connecting");
	if (kind != expected)
		fail("connecting", -FI_ECONNREFUSED);
	return entry.info;
}

static void open_endpoint(struct fi_info *info)
{
	struct fi_cq_attr attr = { .format = FI_CQ_FORMAT_MSG, .wait_obj = FI_WAIT_UNSPEC, .size = 2 * POSTED_MOST };

	check(fi_domain(fabric, info, &domain, NULL), "fi_domain");
	check(fi_cq_open(domain, &attr, &cq, NULL), "fi_cq_open");
	check(fi_endpoint(domain, info, &ep, NULL), "fi_endpoint");
	check(fi_ep_bind(ep, &eq->fid, 0), "fi_ep_bind");
	check(fi_ep_bind(ep, &cq->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind");
	check(fi_enable(ep), "fi_enable");
}

/* At least one completion; its context is the number of its buffer. */
static int completions(struct fi_cq_msg_entry *entries)
{
	struct fi_cq_err_entry error = { 0 };
	ssize_t n = fi_cq_sread(cq, entries, BATCH, NULL, PATIENCE);

	if (n == -FI_EAVAIL && fi_cq_readerr(cq, &error, 0) > 0)
		fail("a message", -error.err);
	check(n, "waiting for messages");
	return n;
}

static void post(uintptr_t number, bool receives)
{
	struct fi_cq_err_entry error = { 0 };
	char *at = buffers + number * each;
	const time_t end = time(NULL) + PATIENCE / 1000;
	ssize_t ret;

	while (1) {
		ret = receives ? fi_recv(ep, at, size, descriptor(), 0, (void *)number) :
				 fi_send(ep, at, size, descriptor(), 0, (void *)number);
		if (ret != -FI_EAGAIN || time(NULL) > end)
			break;
		/* things go on */
		if (fi_cq_read(cq, NULL, 0) == -FI_EAVAIL && fi_cq_readerr(cq, &error, 0) > 0)
			fail("a message", -error.err);
	}
	check(ret, "posting a message");
}

static void run(unsigned long count, bool receives, bool copies)
{
	struct fi_cq_msg_entry entries[BATCH];
	unsigned long asked = 0, done = 0;
	int i, n;

	for (; asked < posted && asked < count; asked++)
		post(asked, receives);
	if (receives)
		check(fi_accept(ep, NULL, 0), "fi_accept");
	if (receives)
		event(FI_CONNECTED);
	while (done < count) {
		n = completions(entries);
		for (i = 0; i < n; i++, done++) {
			uintptr_t number = (uintptr_t)entries[i].op_context;

			if (receives && entries[i].len != size)
				fail("a message of another size", -FI_ETRUNC);
			if (copies)
				memcpy(target + number * each, buffers + number * each, size);
			if (asked < count) {
				post(number, receives);
				asked++;
			}
		}
	}
}

int main(int argc, char **argv)
{
	struct fi_eq_attr eq_attr = { .wait_obj = FI_WAIT_UNSPEC };
	struct fi_cq_msg_entry entries[BATCH];
	bool receives, device, copies, in_place;
	struct fi_info *info;
	unsigned long count;

	if (argc < 7 || argc > 9 || (strcmp(argv[1], "recv") && strcmp(argv[1], "send"))) {
		fprintf(stderr, "usage: fi_stream recv|send PROVIDER ADDRESS PORT SIZE COUNT [MEMORY [copy|place]]\n");
		return 2;
	}
	receives = !strcmp(argv[1], "recv");
	copies = argc == 9 && !strcmp(argv[8], "copy");
	in_place = argc == 9 && !copies;
	device = argc == 8 || in_place;
	size = strtoul(argv[5], NULL, 0);
	count = strtoul(argv[6], NULL, 0);
	if (!size || !count)
		fail("SIZE and COUNT", -FI_EINVAL);
	each = (size + 4095) / 4096 * 4096;
	posted = UNDER_WAY / each < 1 ? 1 : UNDER_WAY / each > POSTED_MOST ? POSTED_MOST : UNDER_WAY / each;
	if (argc > 7)
		open_memory(argv[7], copies, in_place);

	info = information(argv[2], argv[3], argv[4], receives, device);
	check(fi_fabric(info->fabric_attr, &fabric, NULL), "fi_fabric");
	check(fi_eq_open(fabric, &eq_attr, &eq, NULL), "fi_eq_open");
	if (receives) {
		check(fi_passive_ep(fabric, info, &pep, NULL), "fi_passive_ep");
		check(fi_pep_bind(pep, &eq->fid, 0), "fi_pep_bind");
		check(fi_listen(pep), "fi_listen");
		fi_freeinfo(info);
		info = event(FI_CONNREQ);
	}
	open_endpoint(info);
	register_buffers(info, device);
	if (!receives) {
		check(fi_connect(ep, info->dest_addr, NULL, 0), "fi_connect");
		event(FI_CONNECTED);
	}
	run(count, receives, copies);
	/* Nobody goes before all has arrived. */
	size = 1;
	post(0, !receives);
	if (completions(entries) != 1)
		fail("the last message", -FI_EIO);
	printf("{\"messages\": %lu, \"bytes\": %lu}\n", count, count * strtoul(argv[5], NULL, 0));
	fflush(stdout);
	if (!receives)
		check(fi_shutdown(ep, 0), "fi_shutdown");
	else
		event(FI_SHUTDOWN);
	check(fi_close(&ep->fid), "closing the endpoint");
	if (mr)
		check(fi_close(&mr->fid), "closing the memory");
	check(fi_close(&cq->fid), "closing the queue");
	check(fi_close(&domain->fid), "closing the domain");
	if (pep)
		check(fi_close(&pep->fid), "closing the listener");
	check(fi_close(&eq->fid), "closing the events");
	check(fi_close(&fabric->fid), "closing the fabric");
	fi_freeinfo(info);
	netgpu_memory_close(memory);
	return 0;
}

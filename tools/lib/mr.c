// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Memory of a domain: keys, and what they are good for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "endpoint.h"

static struct netgpu_mr **bucket(const struct netgpu_domain *d, uint64_t key)
{
	return (struct netgpu_mr **)&d->keys[key % KEYS];
}

struct netgpu_mr *mr_find(const struct netgpu_domain *d, uint64_t key, unsigned int access)
{
	struct netgpu_mr *mr = *bucket(d, key);

	while (mr && mr->key != key)
		mr = mr->next;
	return mr && (mr->access & access) == access ? mr : NULL;
}

/* One that nobody guesses, and no other has; never 0. */
static int new_key(const struct netgpu_domain *d, uint64_t *key)
{
	do {
		if (getrandom(key, sizeof(*key), 0) != sizeof(*key))
			return fail(-errno, "no random numbers for a key: %s", strerror(errno));
	} while (!*key || mr_find(d, *key, 0));
	return 0;
}

/* Have the network device send from it.  The pages that it is in are attached: who has no such device copies. */
static int mr_attach(struct netgpu_domain *d, struct netgpu_mr *m, struct netgpu_memory *memory, uint64_t offset,
		     uint64_t length)
{
	uint64_t page = page_size(), start = offset / page * page, end = (offset + length + page - 1) / page * page;
	const struct netgpu_region_params where = {
		.ifindex = d->ifindex, .flags = NETGPU_SEND, .offset = start, .length = end - start,
	};
	int ret;

	ret = netgpu_region_open(memory, &where, &m->region);
	if (ret == -EOPNOTSUPP)
		return 0;
	if (ret)
		return ret;
	m->index = netgpu_queue_add_memory(d->queue, memory, m->region);
	if (m->index < 0) {
		netgpu_region_close(m->region);
		return m->index;
	}
	return 0;
}

static void forget(struct netgpu_domain *d, struct netgpu_mr *m)
{
	struct netgpu_mr **at = bucket(d, m->key);

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
}

int netgpu_mr_open(struct netgpu_domain *d, struct netgpu_memory *memory,
		   uint64_t offset, uint64_t length, unsigned int access,
		   struct netgpu_mr **mr)
{
	struct netgpu_mr *m, **at;
	int ret;

	succeed();
	if (d->closed)
		return domain_fail_closed();
	if (access & ~(NETGPU_MR_REMOTE_READ | NETGPU_MR_REMOTE_WRITE | NETGPU_MR_IN_PLACE))
		return fail(-EINVAL, "mr: unknown rights %#x", access);
	if (!memory)
		memory = &d->process_memory;
	if (!length)
		return fail(-EINVAL, "mr: it must have a byte");
	if (offset > memory->size || length > memory->size - offset)
		return fail(-ERANGE, "mr: %llu bytes at %llu: %s ends at %llu", (unsigned long long)length,
			    (unsigned long long)offset, memory->name, (unsigned long long)memory->size);
	if (!memory->map && memory != &d->process_memory)
		return fail(-EOPNOTSUPP, "mr: the CPU cannot get at %s, and nothing else here can", memory->name);
	if (memory->read_only && access & NETGPU_MR_REMOTE_WRITE)
		return fail(-EACCES, "mr: %s can only be read here", memory->name);
	/* A domain that has fallen back to ordinary sockets does without. */
	if (access & NETGPU_MR_IN_PLACE && !d->in_place && !d->why[0])
		return fail(-EINVAL, "mr: the domain was not opened for payload in place");
	m = calloc(1, sizeof(*m));
	if (!m)
		return fail(-ENOMEM, "out of memory");
	if (access & (NETGPU_MR_REMOTE_READ | NETGPU_MR_REMOTE_WRITE)) {
		ret = new_key(d, &m->key);
		if (ret) {
			free(m);
			return ret;
		}
		at = bucket(d, m->key);
		m->next = *at;
		*at = m;
	}
	if (access & NETGPU_MR_IN_PLACE && d->in_place)
		ret = in_place_add(d, m, memory, offset, length);
	else
		ret = d->queue && memory->fd >= 0 ? mr_attach(d, m, memory, offset, length) : 0;
	if (ret) {
		if (m->key)
			forget(d, m);
		free(m);
		return ret;
	}
	ref_get(&memory->refs);
	m->domain = d;
	m->memory = memory;
	m->offset = offset;
	m->length = length;
	m->access = access;
	ref_get(&d->refs);
	*mr = m;
	return 0;
}

int netgpu_mr_close(struct netgpu_mr *mr)
{
	int ret;

	succeed();
	if (!mr)
		return 0;
	/* First of all, or a peer could keep it busy. */
	if (mr->key)
		forget(mr->domain, mr);
	mr->key = 0;
	if (mr->uses)
		return fail(-EBUSY, "mr: %u requests that use it have not completed", mr->uses);
	if (mr->held && !mr->domain->closed && in_place_keeps(mr->domain))
		return fail(-EBUSY, "mr: the network device has not let go of it, which it is told as often as the domain is waited for");
	if (mr->region) {
		ret = mr->domain->closed || mr->held ? 0 : netgpu_queue_remove_memory(mr->domain->queue, mr->index);
		if (ret)
			return ret;
		netgpu_region_close(mr->region);
	}
	memory_put(mr->memory);
	domain_put(mr->domain);
	free(mr);
	return 0;
}

struct netgpu_mr *netgpu_mr_process(struct netgpu_domain *d)
{
	return &d->process;
}

uint64_t netgpu_mr_key(const struct netgpu_mr *mr)
{
	return mr->key;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of regions, on a fake exporter and fake devices.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/netdevice.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "internal.h"

MODULE_IMPORT_NS("DMA_BUF");

/* Far from any memory of the machine that runs the test. */
#define FAKE_BUS_ADDRESS	BIT_ULL(45)

/**
 * struct fake - a fake exporter
 * @dmabuf: its only dma-buf, put at the end of the test.
 * @base: DMA address of the first entry.
 * @entry: bytes per entry of its mapping.
 * @short_by: bytes missing at the end of its mapping.
 * @fail_attach: error that attaching ends with.
 * @fail_pin: error that pinning ends with.
 * @fail_map: error that mapping ends with.
 * @decline: that the device be a peer.
 * @attached: number of attachments.
 * @pinned: number of pins.
 * @mapped: number of mappings.
 * @pins: how often it has been pinned.
 * @maps: how often it has been mapped.
 * @dir: for which direction, the last time.
 * @memory: what vmap shows.
 */
struct fake {
	struct dma_buf *dmabuf;
	u64 base;
	u32 entry;
	u32 short_by;
	int fail_attach;
	int fail_pin;
	int fail_map;
	bool decline;
	int attached;
	int pinned;
	int mapped;
	int pins;
	int maps;
	enum dma_data_direction dir;
	void *memory;
};

static int fake_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct fake *fake = dmabuf->priv;

	if (fake->fail_attach)
		return fake->fail_attach;
	if (fake->decline)
		attach->peer2peer = false;
	fake->attached++;
	return 0;
}

static void fake_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct fake *fake = dmabuf->priv;

	fake->attached--;
}

static int fake_pin(struct dma_buf_attachment *attach)
{
	struct fake *fake = attach->dmabuf->priv;

	if (fake->fail_pin)
		return fake->fail_pin;
	fake->pinned++;
	fake->pins++;
	return 0;
}

static void fake_unpin(struct dma_buf_attachment *attach)
{
	struct fake *fake = attach->dmabuf->priv;

	fake->pinned--;
}

static struct sg_table *fake_map(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	struct fake *fake = attach->dmabuf->priv;
	u64 left = attach->dmabuf->size - fake->short_by;
	u64 addr = fake->base;
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i;

	if (fake->fail_map)
		return ERR_PTR(fake->fail_map);

	sgt = kzalloc_obj(*sgt);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	if (sg_alloc_table(sgt, DIV_ROUND_UP_ULL(left, fake->entry), GFP_KERNEL)) {
		kfree(sgt);
		return ERR_PTR(-ENOMEM);
	}
	for_each_sgtable_dma_sg(sgt, sg, i) {
		sg_dma_address(sg) = addr;
		sg_dma_len(sg) = min_t(u64, left, fake->entry);
		left -= sg_dma_len(sg);
		/* Leave holes: neighbours in the buffer are not in memory. */
		addr += 2ULL * fake->entry;
	}
	/* Not used for anything else, as there are no pages. */
	sgt->sgl->length = dir;
	fake->mapped++;
	fake->maps++;
	fake->dir = dir;
	return sgt;
}

static void fake_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		       enum dma_data_direction dir)
{
	struct fake *fake = attach->dmabuf->priv;

	WARN_ON_ONCE(sgt->sgl->length != dir);
	fake->mapped--;
	sg_free_table(sgt);
	kfree(sgt);
}

static void fake_release(struct dma_buf *dmabuf)
{
}

static int fake_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct fake *fake = dmabuf->priv;

	iosys_map_set_vaddr(map, fake->memory);
	return 0;
}

static const struct dma_buf_ops fake_ops = {
	.attach		= fake_attach,
	.detach		= fake_detach,
	.pin		= fake_pin,
	.unpin		= fake_unpin,
	.map_dma_buf	= fake_map,
	.unmap_dma_buf	= fake_unmap,
	.release	= fake_release,
};

static const struct dma_buf_ops fake_vmap_ops = {
	.attach		= fake_attach,
	.detach		= fake_detach,
	.pin		= fake_pin,
	.unpin		= fake_unpin,
	.map_dma_buf	= fake_map,
	.unmap_dma_buf	= fake_unmap,
	.release	= fake_release,
	.vmap		= fake_vmap,
};

static void fake_put(void *data)
{
	struct fake *fake = data;

	dma_buf_put(fake->dmabuf);
	flush_delayed_fput();
}

static struct fake *fake_export(struct kunit *test, u64 size,
				const struct dma_buf_ops *ops)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct fake *fake;

	fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->base = FAKE_BUS_ADDRESS;
	fake->entry = SZ_64K;

	info.exp_name = "netgpu-test";
	info.ops = ops;
	info.size = size;
	info.flags = O_RDWR;
	info.priv = fake;
	fake->dmabuf = dma_buf_export(&info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake->dmabuf);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_put, fake));
	return fake;
}

static struct device *fake_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	return dev;
}

static struct netgpu_region *create(struct fake *fake, struct device *dev,
				    u64 offset, u64 length)
{
	const struct netgpu_region_params params = {
		.dev	= dev,
		.dir	= DMA_FROM_DEVICE,
		.offset	= offset,
		.length	= length,
	};

	return netgpu_region_create(fake->dmabuf, &params, NULL);
}

/* A region with a life of its own, as behind a file descriptor. */
static struct netgpu_region *create_kept(struct fake *fake, struct device *dev,
					 struct net_device *netdev, u64 offset,
					 u64 length)
{
	const struct netgpu_region_params params = {
		.dev	= dev,
		.dir	= DMA_FROM_DEVICE,
		.offset	= offset,
		.length	= length,
		.netdev	= netdev,
	};

	return netgpu_region_create(fake->dmabuf, &params, NULL);
}

static void expect_nothing_left(struct kunit *test, const struct fake *fake)
{
	KUNIT_EXPECT_EQ(test, fake->attached, 0);
	KUNIT_EXPECT_EQ(test, fake->pinned, 0);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	scoped_guard(mutex, &netgpu_lock)
		KUNIT_EXPECT_EQ(test, netgpu_charged_bytes(current_user()), 0);
}

/**
 * struct fake_user - a user of a region
 * @region: what it uses.
 * @dying: it is on its way out, and refuses new references.
 * @revoked: how often it was told to stop.
 * @was_mapped: the memory was still mapped at that time.
 * @done: completed when it has stopped.
 */
struct fake_user {
	struct netgpu_region *region;
	bool dying;
	int revoked;
	bool was_mapped;
	struct completion done;
};

static bool fake_user_tryget(void *priv)
{
	struct fake_user *user = priv;

	return !user->dying;
}

static void fake_user_put(void *priv)
{
}

static void fake_user_revoke(void *priv)
{
	struct fake_user *user = priv;

	user->revoked++;
	user->was_mapped = user->region->attachment->mapping;
	netgpu_region_unbind(user->region);
	complete(&user->done);
}

static const struct netgpu_region_user fake_user_ops = {
	.tryget	= fake_user_tryget,
	.put	= fake_user_put,
	.revoke	= fake_user_revoke,
};

static int bind(struct fake_user *user, struct netgpu_region *region)
{
	user->region = region;
	init_completion(&user->done);
	return netgpu_region_bind(region, &fake_user_ops, user);
}

static void revoke(struct fake *fake)
{
	dma_resv_lock(fake->dmabuf->resv, NULL);
	dma_buf_invalidate_mappings(fake->dmabuf);
	dma_resv_unlock(fake->dmabuf->resv);
}

static void test_check_range(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	static const struct {
		u64 offset;
		u64 length;
		int error;
	} cases[] = {
		{ 0,		SZ_1M,		0 },
		{ SZ_1M - PAGE_SIZE, PAGE_SIZE,	0 },
		{ 0,		0,		-ENODATA },
		{ 1,		PAGE_SIZE,	-EDOM },
		{ 0,		PAGE_SIZE + 1,	-EDOM },
		{ -PAGE_SIZE,	2 * PAGE_SIZE,	-EOVERFLOW },
		{ PAGE_SIZE,	-PAGE_SIZE,	-EOVERFLOW },
		{ 0,		SZ_1M + PAGE_SIZE, -ERANGE },
		{ SZ_1M,	PAGE_SIZE,	-ERANGE },
		{ 1ULL << 40,	PAGE_SIZE,	-ERANGE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, cases[i].error,
				    netgpu_check_range(fake->dmabuf, cases[i].offset,
						       cases[i].length, NULL),
				    "offset %#llx length %#llx",
				    cases[i].offset, cases[i].length);
}

/* Bytes, first address and number of entries of a part of four 2 GiB entries. */
static void test_sgt_range(struct kunit *test)
{
	static const u64 entry = SZ_2G;
	static const struct {
		u64 offset;
		u64 length;
		u64 first;
		unsigned int nents;
	} cases[] = {
		{ 0,		4 * entry,	0,			4 },
		{ 0,		PAGE_SIZE,	0,			1 },
		{ entry,	entry,		2 * entry,		1 },
		{ entry - PAGE_SIZE, 2 * PAGE_SIZE, entry - PAGE_SIZE,	2 },
		{ 5 * entry / 2, entry,		4 * entry + entry / 2,	2 },
		{ 4 * entry - PAGE_SIZE, PAGE_SIZE, 7 * entry - PAGE_SIZE, 1 },
	};
	struct scatterlist *sg;
	struct sg_table from;
	unsigned int i, j;

	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&from, 4, GFP_KERNEL));
	for_each_sgtable_dma_sg(&from, sg, i) {
		sg_dma_address(sg) = FAKE_BUS_ADDRESS + 2 * i * entry;
		sg_dma_len(sg) = entry;
	}

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sg_table to;
		u64 bytes = 0;

		KUNIT_ASSERT_EQ(test, 0, netgpu_sgt_range(&to, &from, cases[i].offset,
							  cases[i].length));
		KUNIT_EXPECT_EQ(test, to.nents, cases[i].nents);
		KUNIT_EXPECT_EQ(test, sg_dma_address(to.sgl),
				FAKE_BUS_ADDRESS + cases[i].first);
		for_each_sgtable_dma_sg(&to, sg, j)
			bytes += sg_dma_len(sg);
		KUNIT_EXPECT_EQ(test, bytes, cases[i].length);
		sg_free_table(&to);
	}
	sg_free_table(&from);
}

static void test_sgt_range_short(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "short");

	fake->short_by = PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, SZ_1M)), -EINVAL);
	expect_nothing_left(test, fake);
}

static void test_share(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct netgpu_region *a, *b, *c, *d;
	struct device *dev1 = fake_device(test, "one");
	struct device *dev2 = fake_device(test, "two");
	struct netgpu_region_params send = {
		.dev	= dev1,
		.dir	= DMA_TO_DEVICE,
		.length	= SZ_1M,
	};

	a = create(fake, dev1, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	b = create(fake, dev1, SZ_64K, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	KUNIT_EXPECT_EQ(test, fake->attached, 1);
	KUNIT_EXPECT_EQ(test, fake->maps, 1);

	c = create(fake, dev2, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c);
	KUNIT_EXPECT_EQ(test, fake->attached, 2);
	KUNIT_EXPECT_EQ(test, fake->pinned, 2);

	d = netgpu_region_create(fake->dmabuf, &send, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, d);
	KUNIT_EXPECT_EQ(test, fake->attached, 3);

	scoped_guard(mutex, &netgpu_lock)
		KUNIT_EXPECT_EQ(test, netgpu_charged_bytes(current_user()), SZ_1M);

	netgpu_region_put(a);
	KUNIT_EXPECT_EQ(test, fake->mapped, 3);
	netgpu_region_put(b);
	KUNIT_EXPECT_EQ(test, fake->mapped, 2);
	KUNIT_EXPECT_EQ(test, fake->attached, 2);
	netgpu_region_put(c);
	netgpu_region_put(d);
	expect_nothing_left(test, fake);
}

static void test_failures(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "failures");
	struct netgpu_region_params params = {
		.dev	= dev,
		.dir	= DMA_FROM_DEVICE,
		.length	= SZ_1M,
		.flags	= NETGPU_REGION_REQUIRE_P2P,
	};

	fake->fail_attach = -EBUSY;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, SZ_1M)), -EBUSY);
	expect_nothing_left(test, fake);
	fake->fail_attach = 0;

	fake->fail_pin = -ENOSPC;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, SZ_1M)), -ENOSPC);
	expect_nothing_left(test, fake);
	fake->fail_pin = 0;

	fake->fail_map = -EINVAL;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, SZ_1M)), -EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(netgpu_region_create(fake->dmabuf, &params, NULL)),
			-EXDEV);
	expect_nothing_left(test, fake);
}

static void test_require_p2p(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_64K, &fake_ops);
	struct netgpu_region_params params = {
		.dev	= fake_device(test, "p2p"),
		.dir	= DMA_FROM_DEVICE,
		.length	= SZ_64K,
		.flags	= NETGPU_REGION_REQUIRE_P2P,
	};
	struct page *page = alloc_page(GFP_KERNEL);
	struct netgpu_region *region;

	KUNIT_ASSERT_NOT_NULL(test, page);

	region = netgpu_region_create(fake->dmabuf, &params, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_EQ(test, region->placement, NETGPU_PLACEMENT_DEVICE);
	/* The CPU cannot write into this one. */
	KUNIT_EXPECT_EQ(test, fake->dir, DMA_FROM_DEVICE);
	netgpu_region_put(region);

	/* One page of host memory is enough. */
	fake->base = page_to_phys(page);
	fake->entry = PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, PTR_ERR(netgpu_region_create(fake->dmabuf, &params, NULL)),
			-EXDEV);
	expect_nothing_left(test, fake);

	params.flags = 0;
	region = netgpu_region_create(fake->dmabuf, &params, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_EQ(test, region->placement, NETGPU_PLACEMENT_HOST);
	netgpu_region_put(region);
	expect_nothing_left(test, fake);
	__free_page(page);
}

/* An exporter that declines is not asked to move the buffer. */
static void test_declined(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_64K, &fake_ops);
	struct device *dev = fake_device(test, "declined");
	struct netgpu_region_params params = {
		.dev	= dev,
		.dir	= DMA_FROM_DEVICE,
		.length	= SZ_64K,
		.flags	= NETGPU_REGION_REQUIRE_P2P,
	};
	struct netgpu_reach reach = {};
	struct netgpu_region *region;

	fake->decline = true;
	KUNIT_EXPECT_EQ(test, PTR_ERR(netgpu_region_create(fake->dmabuf, &params, NULL)),
			-EXDEV);
	KUNIT_EXPECT_EQ(test, -EXDEV, netgpu_probe(fake->dmabuf, dev, 0, SZ_64K, true,
						   &reach, NULL));
	KUNIT_EXPECT_EQ(test, fake->pins, 0);
	KUNIT_EXPECT_EQ(test, fake->maps, 0);
	expect_nothing_left(test, fake);

	/* Whoever does not insist gets what there is; who does, still nothing. */
	region = create(fake, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_EQ(test, fake->pins, 1);
	KUNIT_EXPECT_EQ(test, PTR_ERR(netgpu_region_create(fake->dmabuf, &params, NULL)),
			-EXDEV);
	netgpu_region_put(region);
	expect_nothing_left(test, fake);
}

static void test_probe(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "probe");
	struct netgpu_reach reach = {};

	KUNIT_EXPECT_EQ(test, 0, netgpu_probe(fake->dmabuf, dev, 0, SZ_64K, true,
					      &reach, NULL));
	KUNIT_EXPECT_EQ(test, reach.placement, NETGPU_PLACEMENT_DEVICE);
	KUNIT_EXPECT_EQ(test, reach.distance, -1);
	KUNIT_EXPECT_EQ(test, fake->pinned, 0);
	expect_nothing_left(test, fake);

	KUNIT_EXPECT_EQ(test, -ERANGE, netgpu_probe(fake->dmabuf, dev, SZ_1M, SZ_64K,
						    true, &reach, NULL));
	fake->fail_map = -EINVAL;
	KUNIT_EXPECT_EQ(test, -EXDEV, netgpu_probe(fake->dmabuf, dev, 0, SZ_64K, true,
						   &reach, NULL));
	fake->fail_attach = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, netgpu_probe(fake->dmabuf, dev, 0, SZ_64K,
							true, &reach, NULL));
	expect_nothing_left(test, fake);
}

static void test_overlap(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev1 = fake_device(test, "one");
	struct device *dev2 = fake_device(test, "two");
	struct netgpu_region_params send = {
		.dev	= dev1,
		.dir	= DMA_TO_DEVICE,
		.length	= SZ_1M,
	};
	struct fake_user users[4] = {};
	struct netgpu_region *low, *high, *middle, *out;

	low = create(fake, dev1, 0, SZ_512K);
	high = create(fake, dev2, SZ_512K, SZ_512K);
	middle = create(fake, dev2, SZ_256K, SZ_512K);
	out = netgpu_region_create(fake->dmabuf, &send, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, low);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, high);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, middle);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, out);

	KUNIT_EXPECT_EQ(test, 0, bind(&users[0], low));
	KUNIT_EXPECT_EQ(test, -EBUSY, bind(&users[1], low));
	KUNIT_EXPECT_EQ(test, -EBUSY, bind(&users[1], middle));
	KUNIT_EXPECT_EQ(test, 0, bind(&users[2], high));
	netgpu_region_unbind(low);
	KUNIT_EXPECT_EQ(test, -EBUSY, bind(&users[1], middle));
	netgpu_region_unbind(high);
	KUNIT_EXPECT_EQ(test, 0, bind(&users[1], middle));
	/* What is received may be sent. */
	KUNIT_EXPECT_EQ(test, 0, bind(&users[3], out));

	netgpu_region_unbind(middle);
	netgpu_region_unbind(out);
	netgpu_region_put(low);
	netgpu_region_put(high);
	netgpu_region_put(middle);
	netgpu_region_put(out);
	expect_nothing_left(test, fake);
}

static void test_limit(struct kunit *test)
{
	struct fake *a = fake_export(test, SZ_1M, &fake_ops);
	struct fake *b = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "limit");
	unsigned long max = netgpu_max_pinned_bytes;
	struct netgpu_region *first, *second;

	netgpu_max_pinned_bytes = SZ_2M - 1;

	first = create(a, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, first);
	second = create(a, dev, SZ_64K, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, second);

	KUNIT_EXPECT_EQ(test, PTR_ERR(create(b, dev, 0, SZ_64K)), -EDQUOT);
	netgpu_region_put(first);
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(b, dev, 0, SZ_64K)), -EDQUOT);
	KUNIT_EXPECT_EQ(test, b->attached, 0);
	netgpu_region_put(second);
	first = create(b, dev, 0, SZ_64K);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, first);
	if (!IS_ERR(first))
		netgpu_region_put(first);

	/* Lowered below what is in use: nothing breaks, nothing more is granted. */
	netgpu_max_pinned_bytes = SZ_1M;
	first = create(a, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, first);
	netgpu_max_pinned_bytes = 0;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(b, dev, 0, SZ_64K)), -EDQUOT);
	netgpu_region_put(first);

	netgpu_max_pinned_bytes = max;
	expect_nothing_left(test, a);
	expect_nothing_left(test, b);
}

static void test_gate(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "gate");
	u64 refused = netgpu_refused_exporters();
	struct netlink_ext_ack extack = {};
	struct netgpu_reach reach = {};
	struct netgpu_region *region;
	struct module *module;

	module = kunit_kzalloc(test, sizeof(*module), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, module);
	strscpy(module->name, "fake_module");
	fake->dmabuf->owner = module;

	region = create(fake, dev, 0, SZ_64K);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, region);
	if (!IS_ERR(region))
		netgpu_region_put(region);
	KUNIT_EXPECT_EQ(test, netgpu_refused_exporters(), refused);

	set_bit(TAINT_PROPRIETARY_MODULE, &module->taints);
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, SZ_64K)), -EPERM);
	KUNIT_EXPECT_EQ(test, netgpu_refused_exporters(), refused + 1);
	KUNIT_EXPECT_EQ(test, netgpu_probe(fake->dmabuf, dev, 0, SZ_64K, false,
					   &reach, &extack), -EPERM);
	KUNIT_EXPECT_EQ(test, netgpu_refused_exporters(), refused + 2);
	KUNIT_EXPECT_NOT_NULL(test, extack._msg);
	if (extack._msg)
		KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, "fake_module"));

	fake->dmabuf->owner = NULL;
	expect_nothing_left(test, fake);
}

static void test_revoke_idle(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "idle");
	struct netgpu_region *region, *next;
	struct fake_user user = {};

	region = create(fake, dev, 0, SZ_1M);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	revoke(fake);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	KUNIT_EXPECT_EQ(test, fake->pinned, 0);
	KUNIT_EXPECT_EQ(test, netgpu_region_state(region), NETGPU_STATE_REVOKED);
	KUNIT_EXPECT_EQ(test, bind(&user, region), -ENODEV);

	/* The exporter may have it again, while the old region is still there. */
	next = create(fake, dev, 0, SZ_1M);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, next);
	KUNIT_EXPECT_EQ(test, fake->attached, 2);
	KUNIT_EXPECT_EQ(test, 0, bind(&user, next));
	netgpu_region_unbind(next);

	netgpu_region_put(region);
	netgpu_region_put(next);
	expect_nothing_left(test, fake);
}

static void test_revoke_bound(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "bound");
	struct netgpu_region *bound, *idle;
	struct fake_user user = {};

	bound = create(fake, dev, 0, SZ_512K);
	idle = create(fake, dev, SZ_512K, SZ_512K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, bound);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, idle);
	KUNIT_ASSERT_EQ(test, 0, bind(&user, bound));

	/* Hold up the user: until it has stopped, nothing may be unmapped. */
	mutex_lock(&bound->buffer->lock);
	revoke(fake);
	revoke(fake);
	KUNIT_EXPECT_TRUE(test, idle->ended);
	KUNIT_EXPECT_FALSE(test, bound->ended);
	KUNIT_EXPECT_EQ(test, fake->mapped, 1);
	mutex_unlock(&bound->buffer->lock);

	KUNIT_ASSERT_NE(test, 0, wait_for_completion_timeout(&user.done, 5 * HZ));
	flush_work(&bound->revoke_work);
	KUNIT_EXPECT_EQ(test, user.revoked, 1);
	KUNIT_EXPECT_TRUE(test, user.was_mapped);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	KUNIT_EXPECT_EQ(test, fake->pinned, 0);

	netgpu_region_unbind(bound);
	netgpu_region_put(bound);
	netgpu_region_put(idle);
	expect_nothing_left(test, fake);
}

/* A user on its way out is left alone; its unbinding unmaps. */
static void test_revoke_dying(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "dying");
	struct fake_user user = { .dying = true };
	struct netgpu_region *region;

	region = create(fake, dev, 0, SZ_1M);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_ASSERT_EQ(test, 0, bind(&user, region));
	revoke(fake);
	flush_work(&region->revoke_work);
	KUNIT_EXPECT_EQ(test, user.revoked, 0);
	KUNIT_EXPECT_EQ(test, fake->mapped, 1);
	netgpu_region_unbind(region);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	netgpu_region_put(region);
	expect_nothing_left(test, fake);
}

static void test_netdev_goes(struct kunit *test)
{
	struct net_device *netdev = kunit_kzalloc(test, sizeof(*netdev), GFP_KERNEL);
	struct net_device *other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "netdev");
	struct netgpu_region *region, *stays;
	struct fake_user user = {};

	KUNIT_ASSERT_NOT_NULL(test, netdev);
	KUNIT_ASSERT_NOT_NULL(test, other);

	region = create_kept(fake, dev, netdev, 0, SZ_64K);
	stays = create_kept(fake, dev, other, SZ_64K, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, stays);

	/* With a file descriptor of its own, it can be bound again. */
	KUNIT_EXPECT_EQ(test, 0, bind(&user, region));
	netgpu_region_unbind(region);
	KUNIT_EXPECT_EQ(test, fake->mapped, 1);
	KUNIT_EXPECT_EQ(test, 0, bind(&user, region));
	netgpu_region_unbind(region);

	netgpu_regions_end(netdev);
	KUNIT_EXPECT_TRUE(test, region->ended);
	KUNIT_EXPECT_FALSE(test, stays->ended);
	KUNIT_EXPECT_EQ(test, fake->mapped, 1);
	netgpu_regions_end(other);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);

	netgpu_region_put(region);
	netgpu_region_put(stays);
	expect_nothing_left(test, fake);
}

static void test_copy(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_64K, &fake_vmap_ops);
	struct fake *blind = fake_export(test, SZ_64K, &fake_ops);
	struct device *dev = fake_device(test, "copy");
	static const char text[] = "stray bytes";
	struct netgpu_region *region;

	fake->memory = kunit_kzalloc(test, SZ_64K, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->memory);

	region = create(fake, dev, PAGE_SIZE, 2 * PAGE_SIZE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_EQ(test, 0, netgpu_region_copy(region, 100, text, sizeof(text),
						    NETGPU_COPY_PAGE));
	KUNIT_EXPECT_STREQ(test, fake->memory + PAGE_SIZE + 100, text);
	KUNIT_EXPECT_EQ(test, 0, netgpu_region_copy(region, 2 * PAGE_SIZE - 4, text, 4,
						    NETGPU_COPY_HEADER));
	KUNIT_EXPECT_EQ(test, region->copied[NETGPU_COPY_PAGE], sizeof(text));
	KUNIT_EXPECT_EQ(test, region->copied[NETGPU_COPY_HEADER], 4);
	KUNIT_EXPECT_EQ(test, region->copied[NETGPU_COPY_OTHER_QUEUE], 0);
	KUNIT_EXPECT_EQ(test, fake->dmabuf->vmapping_counter, 1);
	KUNIT_EXPECT_EQ(test, fake->dir, DMA_BIDIRECTIONAL);

	revoke(fake);
	KUNIT_EXPECT_EQ(test, fake->dmabuf->vmapping_counter, 0);
	KUNIT_EXPECT_EQ(test, -ENODEV, netgpu_region_copy(region, 0, text, 4,
							  NETGPU_COPY_PAGE));
	netgpu_region_put(region);
	expect_nothing_left(test, fake);

	region = create(blind, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, netgpu_region_copy(region, 0, text, 4,
							      NETGPU_COPY_PAGE));
	KUNIT_EXPECT_EQ(test, region->copied[NETGPU_COPY_PAGE], 0);
	KUNIT_EXPECT_EQ(test, region->copy_refused, 4);
	netgpu_region_put(region);
	expect_nothing_left(test, blind);
}

static struct kunit_case netgpu_test_cases[] = {
	KUNIT_CASE(test_check_range),
	KUNIT_CASE(test_sgt_range),
	KUNIT_CASE(test_sgt_range_short),
	KUNIT_CASE(test_share),
	KUNIT_CASE(test_failures),
	KUNIT_CASE(test_require_p2p),
	KUNIT_CASE(test_declined),
	KUNIT_CASE(test_probe),
	KUNIT_CASE(test_overlap),
	KUNIT_CASE(test_limit),
	KUNIT_CASE(test_gate),
	KUNIT_CASE(test_revoke_idle),
	KUNIT_CASE(test_revoke_bound),
	KUNIT_CASE(test_revoke_dying),
	KUNIT_CASE(test_netdev_goes),
	KUNIT_CASE(test_copy),
	{}
};

static struct kunit_suite netgpu_test_suite = {
	.name = "netgpu",
	.test_cases = netgpu_test_cases,
};

kunit_test_suite(netgpu_test_suite);

// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of regions, on a fake exporter and fake devices.
 */
#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/netdevice.h>
#include <linux/range.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "internal.h"

MODULE_IMPORT_NS("DMA_BUF");

/* Far from any memory of the machine that runs the test: said to be a device's. */
#define FAKE_BUS_ADDRESS	BIT_ULL(45)
/* From here on, nobody knows. */
#define FAKE_NOWHERE		BIT_ULL(46)

/**
 * struct fake - a fake exporter
 * @dmabuf: its only dma-buf, put at the end of the test.
 * @base: DMA address of the first entry.
 * @entry: bytes per entry of its mapping.
 * @short_by: bytes missing at the end of its mapping.
 * @fail_attach: error that attaching ends with.
 * @fail_pin: error that pinning ends with.
 * @fail_map: error that mapping ends with.
 * @fail_p2p: the same, of an attachment that allows peer-to-peer.
 * @fail_host: and of one that does not.
 * @decline: that the device be a peer.
 * @attached: number of attachments.
 * @pinned: number of pins.
 * @mapped: number of mappings.
 * @unmap_ms: how long unmapping takes.
 * @unmaps: unmapping has begun.
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
	int fail_p2p;
	int fail_host;
	bool decline;
	int attached;
	int pinned;
	int mapped;
	unsigned int unmap_ms;
	struct completion unmaps;
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
	struct scatterlist *sg;
	u64 addr = fake->base;
	struct sg_table *sgt;
	unsigned int i;

	if (fake->fail_map)
		return ERR_PTR(fake->fail_map);
	if (fake->fail_p2p && attach->peer2peer)
		return ERR_PTR(fake->fail_p2p);
	if (fake->fail_host && !attach->peer2peer)
		return ERR_PTR(fake->fail_host);

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
	complete(&fake->unmaps);
	msleep(fake->unmap_ms);
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

static u32 fake_memory_at(phys_addr_t phys, struct range *same)
{
	if (phys >= FAKE_NOWHERE)
		return NETGPU_PLACEMENT_UNKNOWN;
	return phys >= FAKE_BUS_ADDRESS ? NETGPU_PLACEMENT_DEVICE :
					  NETGPU_PLACEMENT_HOST;
}

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
	kunit_activate_static_stub(test, netgpu_memory_at, fake_memory_at);
	init_completion(&fake->unmaps);

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

/* A region for one binding, as receive paths make it of a plain dma-buf. */
static struct netgpu_region *create(struct fake *fake, struct device *dev,
				    u64 offset, u64 length)
{
	const struct netgpu_region_params params = {
		.dev	= dev,
		.offset	= offset,
		.length	= length,
		.flags	= NETGPU_REGION_RX,
	};

	return netgpu_region_create(fake->dmabuf, &params, NULL);
}

static struct net_device *fake_netdev;

/* Regions with a life of their own, as behind a file descriptor. */
static struct netgpu_region *create_for(struct fake *fake, struct device *dev,
					u64 offset, u64 length, u32 flags,
					struct netlink_ext_ack *extack)
{
	const struct netgpu_region_params params = {
		.dev	= dev,
		.offset	= offset,
		.length	= length,
		.flags	= flags,
		.netdev	= fake_netdev,
		.phys	= fake_netdev,
	};

	return netgpu_region_create(fake->dmabuf, &params, extack);
}

static struct netgpu_region *create_kept(struct fake *fake, struct device *dev,
					 u64 offset, u64 length, u32 flags,
					 struct netlink_ext_ack *extack)
{
	return create_for(fake, dev, offset, length, NETGPU_REGION_RX | flags,
			  extack);
}

static void expect_nothing_left(struct kunit *test, const struct fake *fake)
{
	KUNIT_EXPECT_EQ(test, fake->attached, 0);
	KUNIT_EXPECT_EQ(test, fake->pinned, 0);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(fake_netdev), 1);
	scoped_guard(mutex, &netgpu_lock)
		KUNIT_EXPECT_EQ(test, netgpu_pinned_bytes(current_user()), 0);
}

/**
 * struct fake_user - a user of a region
 * @region: what it uses.
 * @use: what for.
 * @dying: it is on its way out, and refuses new references.
 * @revoked: how often it was told to stop.
 * @was_mapped: the memory was still mapped at that time.
 * @done: completed when it has stopped.
 */
struct fake_user {
	struct netgpu_region *region;
	enum netgpu_use use;
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
	netgpu_region_unbind(user->region, user->use);
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
	return netgpu_region_bind(region, user->use, &fake_user_ops, user);
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

/* What is wrong with the range is told to those who gave it. */
static void test_bad_range(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "range");

	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, 100)), -EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, SZ_2M)), -EINVAL);
	KUNIT_EXPECT_EQ(test, -EDOM,
			PTR_ERR(create_kept(fake, dev, 0, 100, 0, NULL)));
	expect_nothing_left(test, fake);
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
	struct device *dev1 = fake_device(test, "one");
	struct device *dev2 = fake_device(test, "two");
	struct netgpu_region *a, *b, *c, *d;

	a = create_kept(fake, dev1, 0, SZ_64K, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	b = create_kept(fake, dev1, SZ_64K, SZ_64K, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	KUNIT_EXPECT_EQ(test, fake->attached, 1);
	KUNIT_EXPECT_EQ(test, fake->maps, 1);

	c = create_kept(fake, dev2, 0, SZ_64K, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c);
	KUNIT_EXPECT_EQ(test, fake->attached, 2);
	KUNIT_EXPECT_EQ(test, fake->pinned, 2);

	/* What a receive path attaches is its own, and charged to nobody. */
	d = create(fake, dev1, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, d);
	KUNIT_EXPECT_EQ(test, fake->attached, 3);

	scoped_guard(mutex, &netgpu_lock)
		KUNIT_EXPECT_EQ(test, netgpu_pinned_bytes(current_user()), SZ_1M);

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
	struct netlink_ext_ack extack = {};

	fake->fail_attach = -EBUSY;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, SZ_1M)), -EBUSY);
	KUNIT_EXPECT_EQ(test, PTR_ERR(create_kept(fake, dev, 0, SZ_1M, 0, NULL)), -EBUSY);
	expect_nothing_left(test, fake);
	fake->fail_attach = 0;

	fake->fail_pin = -ENOSPC;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, SZ_1M)), -ENOSPC);
	expect_nothing_left(test, fake);
	fake->fail_pin = 0;

	/* No path, and the exporter had not declined. */
	fake->fail_map = -EINVAL;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, SZ_1M)), -EINVAL);
	KUNIT_EXPECT_EQ(test, -EXDEV,
			PTR_ERR(create_kept(fake, dev, 0, SZ_1M,
					    NETGPU_REGION_REQUIRE_P2P, &extack)));
	KUNIT_ASSERT_NOT_NULL(test, extack._msg);
	KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, "no peer-to-peer path"));

	/* A shortage, and a signal, are not about the path. */
	memset(&extack, 0, sizeof(extack));
	fake->fail_map = -ENOMEM;
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			PTR_ERR(create_kept(fake, dev, 0, SZ_1M,
					    NETGPU_REGION_REQUIRE_P2P, &extack)));
	KUNIT_EXPECT_NULL(test, extack._msg);
	fake->fail_map = -EINTR;
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS,
			PTR_ERR(create_kept(fake, dev, 0, SZ_1M, 0, &extack)));
	KUNIT_EXPECT_NULL(test, extack._msg);
	expect_nothing_left(test, fake);
}

/* Only who asked for a region is told, others have host memory as ever. */
static void test_full(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	static const int errors[] = { -ENOMEM, -ENOSPC };
	struct device *dev = fake_device(test, "full");
	struct netgpu_region *region;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		fake->fail_p2p = errors[i];
		KUNIT_EXPECT_EQ(test, errors[i],
				PTR_ERR(create_kept(fake, dev, 0, SZ_1M, 0, NULL)));
		region = create(fake, dev, 0, SZ_1M);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
		KUNIT_EXPECT_FALSE(test, region->attachment->attach->peer2peer);
		KUNIT_EXPECT_EQ(test, fake->attached, 1);
		revoke(fake);
		KUNIT_EXPECT_EQ(test, fake->mapped, 0);
		netgpu_region_put(region);

		/* Where there is no host memory, the first answer is the true one. */
		fake->fail_host = -EOPNOTSUPP;
		KUNIT_EXPECT_EQ(test, errors[i], PTR_ERR(create(fake, dev, 0, SZ_1M)));
		fake->fail_host = 0;
	}

	/* No path is another matter. */
	fake->fail_p2p = -EINVAL;
	KUNIT_EXPECT_EQ(test, PTR_ERR(create(fake, dev, 0, SZ_1M)), -EINVAL);
	expect_nothing_left(test, fake);
}

static void test_require_p2p(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_64K, &fake_ops);
	struct device *dev = fake_device(test, "p2p");
	struct netlink_ext_ack extack = {};
	struct netgpu_region *region;

	region = create_kept(fake, dev, 0, SZ_64K, NETGPU_REGION_REQUIRE_P2P, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_EQ(test, region->placement, NETGPU_PLACEMENT_DEVICE);
	/* The CPU cannot write into this one. */
	KUNIT_EXPECT_EQ(test, fake->dir, DMA_FROM_DEVICE);
	netgpu_region_put(region);

	/* One page of host memory is enough. */
	fake->base = SZ_1M;
	fake->entry = PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, -EXDEV,
			PTR_ERR(create_kept(fake, dev, 0, SZ_64K,
					    NETGPU_REGION_REQUIRE_P2P, &extack)));
	KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, "host memory"));
	expect_nothing_left(test, fake);

	region = create(fake, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_EQ(test, region->placement, NETGPU_PLACEMENT_HOST);
	netgpu_region_put(region);

	/* What is not known is not a device. */
	fake->base = FAKE_NOWHERE;
	KUNIT_EXPECT_EQ(test, -EXDEV,
			PTR_ERR(create_kept(fake, dev, 0, SZ_64K,
					    NETGPU_REGION_REQUIRE_P2P, &extack)));
	KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, "not known"));
	region = create_kept(fake, dev, 0, SZ_64K, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_EQ(test, region->placement, NETGPU_PLACEMENT_UNKNOWN);
	netgpu_region_put(region);
	expect_nothing_left(test, fake);
}

/* An exporter that declines is not asked to move the buffer. */
static void test_declined(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_64K, &fake_ops);
	struct device *dev = fake_device(test, "declined");
	struct netgpu_region *region;

	fake->decline = true;
	KUNIT_EXPECT_EQ(test, -EXDEV,
			PTR_ERR(create_kept(fake, dev, 0, SZ_64K,
					    NETGPU_REGION_REQUIRE_P2P, NULL)));
	KUNIT_EXPECT_EQ(test, fake->pins, 0);
	KUNIT_EXPECT_EQ(test, fake->maps, 0);
	expect_nothing_left(test, fake);

	/* Whoever does not insist gets what there is; who does, still nothing. */
	region = create_kept(fake, dev, 0, SZ_64K, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_EQ(test, fake->pins, 1);
	KUNIT_EXPECT_EQ(test, -EXDEV,
			PTR_ERR(create_kept(fake, dev, 0, SZ_64K,
					    NETGPU_REGION_REQUIRE_P2P, NULL)));
	netgpu_region_put(region);
	expect_nothing_left(test, fake);
}

static int check_overlap(struct netgpu_region *region)
{
	int err;

	dma_resv_lock(region->dmabuf->resv, NULL);
	err = netgpu_check_overlap(region, NULL);
	dma_resv_unlock(region->dmabuf->resv);
	return err;
}

static void test_overlap(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct netgpu_region *low, *high, *middle, *plain;
	struct device *dev1 = fake_device(test, "one");
	struct device *dev2 = fake_device(test, "two");
	struct fake_user users[4] = {};

	low = create_kept(fake, dev1, 0, SZ_512K, 0, NULL);
	high = create_kept(fake, dev2, SZ_512K, SZ_512K, 0, NULL);
	middle = create_kept(fake, dev2, SZ_256K, SZ_512K, 0, NULL);
	plain = create(fake, dev1, 0, SZ_1M);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, low);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, high);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, middle);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, plain);

	KUNIT_EXPECT_EQ(test, 0, check_overlap(middle));
	KUNIT_EXPECT_EQ(test, 0, bind(&users[0], low));
	KUNIT_EXPECT_EQ(test, -EBUSY, bind(&users[1], low));
	KUNIT_EXPECT_EQ(test, -EBUSY, bind(&users[1], middle));
	KUNIT_EXPECT_EQ(test, -EBUSY, check_overlap(middle));
	KUNIT_EXPECT_EQ(test, 0, bind(&users[2], high));
	netgpu_region_unbind(low, NETGPU_USE_RX);
	KUNIT_EXPECT_EQ(test, -EBUSY, bind(&users[1], middle));
	netgpu_region_unbind(high, NETGPU_USE_RX);
	KUNIT_EXPECT_EQ(test, 0, bind(&users[1], middle));
	/* Whoever never asked for a region is not asked either. */
	KUNIT_EXPECT_EQ(test, 0, bind(&users[3], plain));

	netgpu_region_unbind(middle, NETGPU_USE_RX);
	netgpu_region_unbind(plain, NETGPU_USE_RX);
	netgpu_region_put(low);
	netgpu_region_put(high);
	netgpu_region_put(middle);
	netgpu_region_put(plain);
	expect_nothing_left(test, fake);
}

static void test_limit(struct kunit *test)
{
	struct fake *a = fake_export(test, SZ_1M, &fake_ops);
	struct fake *b = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "limit");
	struct netgpu_region *first, *second, *plain;
	unsigned long max = netgpu_max_pinned_bytes;

	netgpu_max_pinned_bytes = SZ_2M - 1;

	first = create_kept(a, dev, 0, SZ_64K, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, first);
	/* Charged to nobody, and in the midst of others. */
	plain = create(a, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, plain);
	second = create_kept(a, dev, SZ_64K, SZ_64K, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, second);

	KUNIT_EXPECT_EQ(test, -EDQUOT, PTR_ERR(create_kept(b, dev, 0, SZ_64K, 0, NULL)));
	netgpu_region_put(first);
	KUNIT_EXPECT_EQ(test, -EDQUOT, PTR_ERR(create_kept(b, dev, 0, SZ_64K, 0, NULL)));
	KUNIT_EXPECT_EQ(test, b->attached, 0);
	netgpu_region_put(second);
	first = create_kept(b, dev, 0, SZ_64K, 0, NULL);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, first);
	if (!IS_ERR(first))
		netgpu_region_put(first);
	netgpu_region_put(plain);

	/* Lowered below what is in use: nothing breaks, nothing more is granted. */
	netgpu_max_pinned_bytes = SZ_1M;
	first = create_kept(a, dev, 0, SZ_64K, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, first);
	netgpu_max_pinned_bytes = 0;
	KUNIT_EXPECT_EQ(test, -EDQUOT, PTR_ERR(create_kept(b, dev, 0, SZ_64K, 0, NULL)));
	netgpu_region_put(first);

	netgpu_max_pinned_bytes = max;
	expect_nothing_left(test, a);
	expect_nothing_left(test, b);
}

/* Who sends without a region of /dev/netgpu: device memory up to the limit. */
static void test_limit_send(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "limit-send");
	const struct netgpu_region_params params = {
		.dev	= dev,
		.length	= SZ_64K,
		.flags	= NETGPU_REGION_TX,
		.phys	= fake_netdev,
	};
	unsigned long max = netgpu_max_pinned_bytes;
	struct netgpu_region *region;

	region = netgpu_region_create(fake->dmabuf, &params, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_TRUE(test, region->attachment->attach->peer2peer);
	KUNIT_EXPECT_EQ(test, fake->dir, DMA_TO_DEVICE);
	scoped_guard(mutex, &netgpu_lock)
		KUNIT_EXPECT_EQ(test, netgpu_pinned_bytes(current_user()), SZ_1M);
	netgpu_region_put(region);

	netgpu_max_pinned_bytes = SZ_1M - 1;
	region = netgpu_region_create(fake->dmabuf, &params, NULL);
	netgpu_max_pinned_bytes = max;
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_FALSE(test, region->attachment->attach->peer2peer);
	scoped_guard(mutex, &netgpu_lock)
		KUNIT_EXPECT_EQ(test, netgpu_pinned_bytes(current_user()), 0);
	netgpu_region_put(region);
	expect_nothing_left(test, fake);
}

static void fake_netdev_free(void *data)
{
	free_netdev(data);
}

static struct net_device *fake_netdev_alloc(struct kunit *test)
{
	struct net_device *netdev = alloc_netdev_dummy(0);

	KUNIT_ASSERT_NOT_NULL(test, netdev);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_netdev_free,
							   netdev));
	return netdev;
}

/* A device that does not say when it has read what it sends: as it was in Linux. */
static void test_no_drain(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "no-drain");
	const struct netgpu_region_params params = {
		.dev	= dev,
		.length	= SZ_64K,
		.flags	= NETGPU_REGION_TX,
		.phys	= fake_netdev_alloc(test),
	};
	struct netgpu_region *region;

	region = netgpu_region_create(fake->dmabuf, &params, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_EXPECT_NULL(test, region->attachment->attach->importer_ops);
	KUNIT_EXPECT_EQ(test, fake->dir, DMA_TO_DEVICE);
	netgpu_region_put(region);
	expect_nothing_left(test, fake);
}

/* One attachment is for all that it is mapped for, and for no more. */
static void test_directions(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "directions");
	struct netgpu_region *receive, *send, *both, *again;

	receive = create_for(fake, dev, 0, SZ_64K, NETGPU_REGION_RX, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, receive);
	KUNIT_EXPECT_EQ(test, fake->dir, DMA_FROM_DEVICE);
	send = create_for(fake, dev, 0, SZ_64K, NETGPU_REGION_TX, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, send);
	KUNIT_EXPECT_EQ(test, fake->dir, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, fake->maps, 2);
	netgpu_region_put(receive);
	netgpu_region_put(send);
	expect_nothing_left(test, fake);

	both = create_for(fake, dev, 0, SZ_64K,
			  NETGPU_REGION_RX | NETGPU_REGION_TX, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, both);
	KUNIT_EXPECT_EQ(test, fake->dir, DMA_BIDIRECTIONAL);
	again = create_for(fake, dev, SZ_64K, SZ_64K, NETGPU_REGION_TX, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, again);
	KUNIT_EXPECT_PTR_EQ(test, again->attachment, both->attachment);
	KUNIT_EXPECT_EQ(test, fake->maps, 3);
	netgpu_region_put(both);
	netgpu_region_put(again);
	expect_nothing_left(test, fake);
}

static void test_gate(struct kunit *test)
{
	long refused = atomic_long_read(&netgpu_refused_exporters);
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "gate");
	struct netlink_ext_ack extack = {};
	struct netgpu_region *region;
	struct module *module;

	module = kunit_kzalloc(test, sizeof(*module), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, module);
	strscpy(module->name, "fake_module");
	fake->dmabuf->owner = module;

	region = create_kept(fake, dev, 0, SZ_64K, 0, NULL);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, region);
	if (!IS_ERR(region))
		netgpu_region_put(region);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&netgpu_refused_exporters), refused);

	set_bit(TAINT_PROPRIETARY_MODULE, &module->taints);
	KUNIT_EXPECT_EQ(test, -EPERM,
			PTR_ERR(create_kept(fake, dev, 0, SZ_64K, 0, &extack)));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&netgpu_refused_exporters), refused + 1);
	KUNIT_EXPECT_NOT_NULL(test, extack._msg);
	if (extack._msg)
		KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, "fake_module"));

	/* Without a region it is as it ever was: nothing is gained, nothing lost. */
	region = create(fake, dev, 0, SZ_64K);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, region);
	if (!IS_ERR(region)) {
		KUNIT_EXPECT_FALSE(test, region->attachment->attach->peer2peer);
		KUNIT_EXPECT_NULL(test, region->attachment->attach->importer_ops);
		KUNIT_EXPECT_EQ(test, fake->pinned, 1);
		netgpu_region_put(region);
	}
	KUNIT_EXPECT_EQ(test, atomic_long_read(&netgpu_refused_exporters), refused + 1);

	fake->dmabuf->owner = NULL;
	expect_nothing_left(test, fake);
}

static void test_revoke_idle(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "idle");
	struct netgpu_region *region, *next;
	struct fake_user user = {};

	region = create_kept(fake, dev, 0, SZ_1M, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	revoke(fake);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	KUNIT_EXPECT_EQ(test, fake->pinned, 0);
	KUNIT_EXPECT_EQ(test, region->state, NETGPU_LIFE_ENDED);
	KUNIT_EXPECT_EQ(test, bind(&user, region), -ENODEV);

	/* The exporter may have it again, while the old region is still there. */
	next = create_kept(fake, dev, 0, SZ_1M, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, next);
	KUNIT_EXPECT_EQ(test, fake->attached, 2);
	KUNIT_EXPECT_EQ(test, 0, bind(&user, next));
	netgpu_region_unbind(next, NETGPU_USE_RX);

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

	bound = create_kept(fake, dev, 0, SZ_512K, 0, NULL);
	idle = create_kept(fake, dev, SZ_512K, SZ_512K, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, bound);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, idle);
	KUNIT_ASSERT_EQ(test, 0, bind(&user, bound));

	/* Until the user has stopped, nothing is unmapped: it wants this lock. */
	dma_resv_lock(fake->dmabuf->resv, NULL);
	dma_buf_invalidate_mappings(fake->dmabuf);
	dma_buf_invalidate_mappings(fake->dmabuf);
	KUNIT_EXPECT_EQ(test, idle->state, NETGPU_LIFE_ENDED);
	KUNIT_EXPECT_EQ(test, bound->state, NETGPU_LIFE_REVOKED);
	KUNIT_EXPECT_EQ(test, fake->mapped, 1);
	dma_resv_unlock(fake->dmabuf->resv);

	KUNIT_ASSERT_NE(test, 0, wait_for_completion_timeout(&user.done, 5 * HZ));
	flush_work(&bound->revoke_work);
	KUNIT_EXPECT_EQ(test, user.revoked, 1);
	KUNIT_EXPECT_TRUE(test, user.was_mapped);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	KUNIT_EXPECT_EQ(test, fake->pinned, 0);

	netgpu_region_unbind(bound, NETGPU_USE_RX);
	netgpu_region_put(bound);
	netgpu_region_put(idle);
	expect_nothing_left(test, fake);
}

/* What is received into and sent from ends when both have stopped. */
static void test_revoke_both(struct kunit *test)
{
	struct fake_user receiver = {}, sender = { .use = NETGPU_USE_TX };
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct device *dev = fake_device(test, "both");
	struct fake_user other = { .use = NETGPU_USE_TX };
	struct netgpu_region *region;

	region = create_for(fake, dev, 0, SZ_1M,
			    NETGPU_REGION_RX | NETGPU_REGION_TX, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_ASSERT_EQ(test, 0, bind(&sender, region));
	KUNIT_EXPECT_EQ(test, -EBUSY, bind(&other, region));
	KUNIT_ASSERT_EQ(test, 0, bind(&receiver, region));

	/* One of them may leave and come back. */
	netgpu_region_unbind(region, NETGPU_USE_RX);
	KUNIT_EXPECT_EQ(test, region->state, NETGPU_LIFE_BOUND);
	KUNIT_ASSERT_EQ(test, 0, bind(&receiver, region));

	revoke(fake);
	flush_work(&region->revoke_work);
	KUNIT_EXPECT_EQ(test, receiver.revoked, 1);
	KUNIT_EXPECT_EQ(test, sender.revoked, 1);
	KUNIT_EXPECT_TRUE(test, receiver.was_mapped);
	KUNIT_EXPECT_TRUE(test, sender.was_mapped);
	KUNIT_EXPECT_EQ(test, region->state, NETGPU_LIFE_ENDED);
	KUNIT_EXPECT_EQ(test, -ENODEV, bind(&other, region));
	netgpu_region_put(region);
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
	netgpu_region_unbind(region, NETGPU_USE_RX);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	netgpu_region_put(region);
	expect_nothing_left(test, fake);
}

static struct netgpu_region *create_on(struct kunit *test, struct fake *fake,
				       struct device *dev, u64 offset,
				       struct net_device *netdev,
				       struct net_device *phys)
{
	const struct netgpu_region_params params = {
		.dev	= dev,
		.offset	= offset,
		.length	= SZ_64K,
		.flags	= NETGPU_REGION_RX,
		.netdev	= netdev,
		.phys	= phys,
	};
	struct netgpu_region *region;

	region = netgpu_region_create(fake->dmabuf, &params, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	return region;
}

static void test_netdev_goes(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct net_device *netdev = fake_netdev_alloc(test);
	struct net_device *other = fake_netdev_alloc(test);
	struct net_device *phys = fake_netdev_alloc(test);
	struct device *dev = fake_device(test, "netdev");
	struct netgpu_region *region, *leased, *stays;
	struct fake_user user = {};

	region = create_on(test, fake, dev, 0, netdev, netdev);
	leased = create_on(test, fake, dev, SZ_64K, netdev, phys);
	stays = create_on(test, fake, dev, SZ_128K, other, other);

	/* With a file descriptor of its own, it can be bound again. */
	KUNIT_EXPECT_EQ(test, 0, bind(&user, region));
	netgpu_region_unbind(region, NETGPU_USE_RX);
	KUNIT_EXPECT_EQ(test, fake->mapped, 1);
	KUNIT_EXPECT_EQ(test, 0, bind(&user, region));
	netgpu_region_unbind(region, NETGPU_USE_RX);

	/* The driver stays as long as there is a mapping for it. */
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(phys), 2);
	netgpu_netdev_goes(phys);
	KUNIT_EXPECT_EQ(test, leased->state, NETGPU_LIFE_ENDED);
	KUNIT_EXPECT_EQ(test, region->state, NETGPU_LIFE_IDLE);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(phys), 1);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(netdev), 2);
	netgpu_netdev_goes(netdev);
	KUNIT_EXPECT_EQ(test, region->state, NETGPU_LIFE_ENDED);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(netdev), 1);
	KUNIT_EXPECT_EQ(test, stays->state, NETGPU_LIFE_IDLE);
	KUNIT_EXPECT_EQ(test, fake->mapped, 1);
	netgpu_netdev_goes(other);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);

	netgpu_region_put(region);
	netgpu_region_put(leased);
	netgpu_region_put(stays);
	expect_nothing_left(test, fake);
}

/* A receive path's region is its own to end, but the driver stays until then. */
static void test_netdev_stays(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_1M, &fake_ops);
	struct net_device *phys = fake_netdev_alloc(test);
	struct device *dev = fake_device(test, "stays");
	struct netgpu_region *region;
	struct fake_user user = {};

	region = create_on(test, fake, dev, 0, NULL, phys);
	KUNIT_ASSERT_EQ(test, 0, bind(&user, region));
	netgpu_netdev_goes(phys);
	KUNIT_EXPECT_EQ(test, region->state, NETGPU_LIFE_BOUND);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(phys), 2);
	netgpu_region_unbind(region, NETGPU_USE_RX);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	KUNIT_EXPECT_EQ(test, netdev_refcnt_read(phys), 1);
	netgpu_region_put(region);
	expect_nothing_left(test, fake);
}

/* What is in the memory of a device is given up, what is in host memory stays. */
static void test_sleep(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_64K, &fake_ops);
	struct fake *unknown = fake_export(test, SZ_64K, &fake_ops);
	struct fake *host = fake_export(test, SZ_64K, &fake_ops);
	struct device *dev = fake_device(test, "sleep");
	struct netgpu_region *idle, *bound, *stays;
	struct netlink_ext_ack extack = {};
	struct fake_user user = {};

	unknown->base = FAKE_NOWHERE;
	host->base = SZ_1M;
	fake->unmap_ms = 100;
	idle = create_kept(unknown, dev, 0, SZ_64K, 0, NULL);
	bound = create(fake, dev, 0, SZ_64K);
	stays = create(host, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, idle);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, bound);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, stays);
	KUNIT_ASSERT_EQ(test, 0, bind(&user, bound));

	KUNIT_EXPECT_EQ(test, 0, netgpu_sleep());
	/* It has waited for the user. */
	KUNIT_EXPECT_EQ(test, user.revoked, 1);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	KUNIT_EXPECT_EQ(test, unknown->mapped, 0);
	KUNIT_EXPECT_EQ(test, host->mapped, 1);
	KUNIT_EXPECT_EQ(test, stays->state, NETGPU_LIFE_IDLE);

	/* Nothing comes in between. */
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			PTR_ERR(create_kept(fake, dev, 0, SZ_64K, 0, &extack)));
	KUNIT_EXPECT_NOT_NULL(test, extack._msg);
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	netgpu_region_put(stays);
	stays = create(host, dev, 0, SZ_64K);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, stays);

	netgpu_stop_creating(false);
	netgpu_region_put(bound);
	bound = create(fake, dev, 0, SZ_64K);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, bound);

	if (!IS_ERR(bound))
		netgpu_region_put(bound);
	if (!IS_ERR(stays))
		netgpu_region_put(stays);
	netgpu_region_put(idle);
	expect_nothing_left(test, fake);
	expect_nothing_left(test, unknown);
	expect_nothing_left(test, host);
}

/**
 * struct fake_close - somebody else, who closes a region
 * @work: in which that happens.
 * @region: the region.
 */
struct fake_close {
	struct work_struct work;
	struct netgpu_region *region;
};

static void fake_close_work(struct work_struct *work)
{
	struct fake_close *close = container_of(work, struct fake_close, work);

	netgpu_region_put(close->region);
}

/* The system does not sleep before it is unmapped. */
static void test_sleep_closing(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_64K, &fake_ops);
	struct device *dev = fake_device(test, "closing");
	struct fake_close close = {};

	fake->unmap_ms = 100;
	close.region = create(fake, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, close.region);
	INIT_WORK_ONSTACK(&close.work, fake_close_work);
	queue_work(system_dfl_wq, &close.work);
	wait_for_completion(&fake->unmaps);

	KUNIT_EXPECT_EQ(test, 0, netgpu_sleep());
	KUNIT_EXPECT_EQ(test, fake->mapped, 0);
	netgpu_stop_creating(false);
	flush_work(&close.work);
	destroy_work_on_stack(&close.work);
	expect_nothing_left(test, fake);
}

static void test_copy(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_64K, &fake_vmap_ops);
	struct fake *blind = fake_export(test, SZ_64K, &fake_ops);
	struct device *dev = fake_device(test, "copy");
	static const char text[] = "stray bytes";
	struct fake_user user = {}, other = {};
	struct netgpu_region *region;

	fake->memory = kunit_kzalloc(test, SZ_64K, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->memory);

	region = create_kept(fake, dev, PAGE_SIZE, 2 * PAGE_SIZE, 0, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	/* Nobody has it. */
	KUNIT_EXPECT_EQ(test, -ENODEV, netgpu_region_copy(region, &user, 0, text, 4,
							  NETGPU_COPY_PAGE));
	KUNIT_ASSERT_EQ(test, 0, bind(&user, region));
	KUNIT_EXPECT_EQ(test, 0, netgpu_region_copy(region, &user, 100, text,
						    sizeof(text), NETGPU_COPY_PAGE));
	KUNIT_EXPECT_STREQ(test, fake->memory + PAGE_SIZE + 100, text);
	KUNIT_EXPECT_EQ(test, 0, netgpu_region_copy(region, &user, 2 * PAGE_SIZE - 4,
						    text, 4, NETGPU_COPY_HEADER));
	KUNIT_EXPECT_EQ(test, region->copied[NETGPU_COPY_PAGE], sizeof(text));
	KUNIT_EXPECT_EQ(test, region->copied[NETGPU_COPY_HEADER], 4);
	KUNIT_EXPECT_EQ(test, region->copied[NETGPU_COPY_OTHER_QUEUE], 0);
	KUNIT_EXPECT_EQ(test, fake->dmabuf->vmapping_counter, 1);
	KUNIT_EXPECT_EQ(test, fake->dir, DMA_BIDIRECTIONAL);

	/* Another one has it by now: the late receive of the first is refused. */
	netgpu_region_unbind(region, NETGPU_USE_RX);
	KUNIT_ASSERT_EQ(test, 0, bind(&other, region));
	memset(fake->memory, 0, SZ_64K);
	KUNIT_EXPECT_EQ(test, -ENODEV, netgpu_region_copy(region, &user, 0, text, 4,
							  NETGPU_COPY_PAGE));
	KUNIT_EXPECT_TRUE(test, mem_is_zero(fake->memory, SZ_64K));

	other.dying = true;
	revoke(fake);
	KUNIT_EXPECT_EQ(test, -ENODEV, netgpu_region_copy(region, &other, 0, text, 4,
							  NETGPU_COPY_PAGE));
	flush_work(&region->revoke_work);
	netgpu_region_unbind(region, NETGPU_USE_RX);
	KUNIT_EXPECT_EQ(test, fake->dmabuf->vmapping_counter, 0);
	netgpu_region_put(region);
	expect_nothing_left(test, fake);

	region = create(blind, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_ASSERT_EQ(test, 0, bind(&user, region));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, netgpu_region_copy(region, &user, 0, text, 4,
							      NETGPU_COPY_PAGE));
	KUNIT_EXPECT_EQ(test, region->copied[NETGPU_COPY_PAGE], 0);
	KUNIT_EXPECT_EQ(test, region->copy_refused, 4);
	netgpu_region_unbind(region, NETGPU_USE_RX);
	netgpu_region_put(region);
	expect_nothing_left(test, blind);
}

static const char *fence_name(struct dma_fence *fence)
{
	return "netgpu-test";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name	= fence_name,
	.get_timeline_name	= fence_name,
};

/*
 * A job of the GPU uses the buffer, and does not end: it may wait for what is to
 * be copied. In device memory that is no concern of the copy, in host memory it
 * waits, but not for ever.
 */
static void test_copy_hung(struct kunit *test)
{
	struct fake *fake = fake_export(test, SZ_64K, &fake_vmap_ops);
	struct device *dev = fake_device(test, "hung");
	struct netgpu_region *region;
	struct fake_user user = {};
	static DEFINE_SPINLOCK(lock);
	struct dma_fence *fence;
	ktime_t start;

	fake->memory = kunit_kzalloc(test, SZ_64K, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->memory);
	fence = kzalloc_obj(*fence);
	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &fence_ops, &lock, dma_fence_context_alloc(1), 1);

	dma_resv_lock(fake->dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, 0, dma_resv_reserve_fences(fake->dmabuf->resv, 1));
	dma_resv_add_fence(fake->dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(fake->dmabuf->resv);

	region = create(fake, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_ASSERT_EQ(test, 0, bind(&user, region));
	KUNIT_EXPECT_EQ(test, 0, netgpu_region_copy(region, &user, 0, "stray", 5,
						    NETGPU_COPY_PAGE));
	netgpu_region_unbind(region, NETGPU_USE_RX);
	netgpu_region_put(region);

	fake->base = SZ_1M;
	region = create(fake, dev, 0, SZ_64K);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, region);
	KUNIT_ASSERT_EQ(test, 0, bind(&user, region));
	start = ktime_get();
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT,
			netgpu_region_copy(region, &user, 0, "stray", 5, NETGPU_COPY_PAGE));
	KUNIT_EXPECT_LT(test, ktime_ms_delta(ktime_get(), start), 5000);
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, 0, netgpu_region_copy(region, &user, 0, "stray", 5,
						    NETGPU_COPY_PAGE));
	dma_fence_put(fence);
	netgpu_region_unbind(region, NETGPU_USE_RX);
	netgpu_region_put(region);
	expect_nothing_left(test, fake);
}

static struct kunit_case netgpu_test_cases[] = {
	KUNIT_CASE(test_check_range),
	KUNIT_CASE(test_bad_range),
	KUNIT_CASE(test_sgt_range),
	KUNIT_CASE(test_sgt_range_short),
	KUNIT_CASE(test_share),
	KUNIT_CASE(test_failures),
	KUNIT_CASE(test_full),
	KUNIT_CASE(test_require_p2p),
	KUNIT_CASE(test_declined),
	KUNIT_CASE(test_overlap),
	KUNIT_CASE(test_limit),
	KUNIT_CASE(test_limit_send),
	KUNIT_CASE(test_no_drain),
	KUNIT_CASE(test_directions),
	KUNIT_CASE(test_gate),
	KUNIT_CASE(test_revoke_idle),
	KUNIT_CASE(test_revoke_bound),
	KUNIT_CASE(test_revoke_both),
	KUNIT_CASE(test_revoke_dying),
	KUNIT_CASE(test_netdev_goes),
	KUNIT_CASE(test_netdev_stays),
	KUNIT_CASE(test_sleep),
	KUNIT_CASE(test_sleep_closing),
	KUNIT_CASE(test_copy),
	KUNIT_CASE(test_copy_hung),
	{}
};

static void fake_tx_timeout(struct net_device *netdev, unsigned int txqueue)
{
}

static const struct net_device_ops fake_netdev_ops = {
	.ndo_tx_timeout	= fake_tx_timeout,
};

static int netgpu_test_suite_init(struct kunit_suite *suite)
{
	fake_netdev = alloc_netdev_dummy(0);
	if (!fake_netdev)
		return -ENOMEM;
	fake_netdev->netdev_ops = &fake_netdev_ops;
	fake_netdev->netmem_tx_drain = true;
	return 0;
}

static void netgpu_test_suite_exit(struct kunit_suite *suite)
{
	if (fake_netdev)
		free_netdev(fake_netdev);
}

static struct kunit_suite netgpu_test_suite = {
	.name = "netgpu",
	.suite_init = netgpu_test_suite_init,
	.suite_exit = netgpu_test_suite_exit,
	.test_cases = netgpu_test_cases,
};

kunit_test_suite(netgpu_test_suite);

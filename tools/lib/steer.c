// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Which receive queue a connection comes in on.  The device hashes the addresses and ports of a packet, and the low bits of the hash
 * choose an entry of a table of queues, see Documentation/networking/scaling.rst.  The hash is Toeplitz's, as Microsoft's "RSS Hashing
 * Types" has it for TCP; "Verifying the RSS Hash Calculation" has the examples that it is tested with.
 *
 * Rules that direct a flow elsewhere (ethtool -N) are not looked at.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "endpoint.h"

#define TABLE_MOST	65536			/* entries */
#define INPUT_MOST	(2 * (16 + 2))		/* bytes that are hashed */
#define FOUR_FIELDS	(RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3)
/* ETH_RSS_HASH_TOP and RXH_XFRM_NO_CHANGE, which older headers do not have. */
#define TOEPLITZ	(1u << 0)
#define NO_TRANSFORM	0xff

static int ask(int fd, const char *name, void *command)
{
	struct ifreq ifr = { .ifr_data = command };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(fd, SIOCETHTOOL, &ifr) ? -errno : 0;
}

static bool hashes_ports(int fd, const char *name, uint32_t flow)
{
	struct ethtool_rxnfc fields = { .cmd = ETHTOOL_GRXFH, .flow_type = flow };

	return !ask(fd, name, &fields) && fields.data == FOUR_FIELDS;
}

/* Exchanges of both directions (RXH_XFRM_SYM_*), behind the function; reserved in older headers. */
static uint8_t transform(const struct ethtool_rxfh *r)
{
	return *((const uint8_t *)r + offsetof(struct ethtool_rxfh, hfunc) + 1);
}

static bool is_zero(const uint8_t *bytes, unsigned int n)
{
	while (n && !bytes[n - 1])
		n--;
	return !n;
}

/* Whether all of it is something that steer_queue() can calculate with. */
static bool take(struct rss *rss, const struct ethtool_rxfh *r)
{
	const unsigned int key = r->key_size < sizeof(rss->key) ? r->key_size : sizeof(rss->key);
	const uint8_t *from = (const uint8_t *)(r->rss_config + rss->entries);

	if (r->hfunc != TOEPLITZ || (transform(r) && transform(r) != NO_TRANSFORM))
		return false;
	/* Some drivers do not tell it, or have none to tell. */
	if (is_zero(from, key))
		return false;
	memcpy(rss->key, from, key);
	rss->key_bytes = key;
	memcpy(rss->table, r->rss_config, rss->entries * sizeof(*rss->table));
	return true;
}

static int read_table(int fd, const char *name, struct rss *rss)
{
	struct ethtool_rxfh sizes = { .cmd = ETHTOOL_GRSSH }, *r;
	int ret = ask(fd, name, &sizes);

	if (ret)
		return ret;
	/* Of others it is not known which bits choose. */
	if (!sizes.indir_size || sizes.indir_size > TABLE_MOST || sizes.indir_size & (sizes.indir_size - 1) ||
	    sizes.key_size > TABLE_MOST)
		return -EOPNOTSUPP;
	rss->entries = sizes.indir_size;
	rss->table = calloc(rss->entries, sizeof(*rss->table));
	r = calloc(1, sizeof(*r) + rss->entries * sizeof(*rss->table) + sizes.key_size);
	if (r && rss->table) {
		r->cmd = ETHTOOL_GRSSH;
		r->indir_size = sizes.indir_size;
		r->key_size = sizes.key_size;
		ret = ask(fd, name, r);
		if (!ret && !take(rss, r))
			ret = -EOPNOTSUPP;
	} else {
		ret = -ENOMEM;
	}
	free(r);
	return ret;
}

int steer_read(struct netgpu_domain *d)
{
	char name[IF_NAMESIZE];
	int fd, ret;

	steer_forget(d);
	if (!if_indextoname(d->ifindex, name))
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = read_table(fd, name, &d->rss);
	if (ret) {
		steer_forget(d);
	} else {
		d->rss.ipv4 = hashes_ports(fd, name, TCP_V4_FLOW);
		d->rss.ipv6 = hashes_ports(fd, name, TCP_V6_FLOW);
		d->rss.parts = rss_parts(&d->rss, d->rx_queue);
	}
	close(fd);
	return ret;
}

void steer_forget(struct netgpu_domain *d)
{
	free(d->rss.table);
	d->rss = (struct rss) { 0 };
}

/* Each bit of the input that is set adds the 32 bits of the key that begin where it is. */
uint32_t rss_hash(const uint8_t *key, const uint8_t *input, unsigned int bytes)
{
	uint32_t window = (uint32_t)key[0] << 24 | key[1] << 16 | key[2] << 8 | key[3], hash = 0;
	unsigned int i;
	int bit;

	for (i = 0; i < bytes; i++) {
		for (bit = 7; bit >= 0; bit--) {
			if (input[i] >> bit & 1)
				hash ^= window;
			window = window << 1 | (key[i + 4] >> bit & 1);
		}
	}
	return hash;
}

/* The bytes of the address as it is in a packet, and how many: of an IPv4 address in an IPv6 one 4. */
static unsigned int address_in(const struct sockaddr_storage *address, const uint8_t **bytes, const in_port_t **port)
{
	const struct sockaddr_in *four = (const void *)address;
	const struct sockaddr_in6 *six = (const void *)address;

	if (address->ss_family != AF_INET6) {
		*bytes = (const uint8_t *)&four->sin_addr;
		*port = &four->sin_port;
		return address->ss_family == AF_INET ? 4 : 0;
	}
	*port = &six->sin6_port;
	*bytes = six->sin6_addr.s6_addr;
	if (!IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		return 16;
	*bytes += 12;
	return 4;
}

int rss_queue(const struct rss *rss, const struct sockaddr_storage *remote, const struct sockaddr_storage *local)
{
	const in_port_t *from_port, *to_port;
	const uint8_t *from, *to;
	size_t n = address_in(remote, &from, &from_port);
	uint8_t input[INPUT_MOST];

	if (!rss->table || !n || address_in(local, &to, &to_port) != n || !(n == 4 ? rss->ipv4 : rss->ipv6) ||
	    rss->key_bytes < 2 * (n + sizeof(*to_port)) + 4)
		return -1;
	if (!memcmp(from, to, n))
		return -1;	/* of this machine, and by no queue of a device */
	memcpy(input, from, n);
	memcpy(input + n, to, n);
	memcpy(input + 2 * n, from_port, sizeof(*from_port));
	memcpy(input + 2 * n + sizeof(*from_port), to_port, sizeof(*to_port));
	return rss->table[rss_hash(rss->key, input, 2 * (n + sizeof(*to_port))) & (rss->entries - 1)];
}

bool rss_parts(const struct rss *rss, unsigned int queue)
{
	unsigned int i, there = 0;

	for (i = 0; rss->table && i < rss->entries; i++)
		there += rss->table[i] == queue;
	return there && there < rss->entries;
}

int steer_queue(const struct netgpu_domain *d, const struct sockaddr_storage *remote, const struct sockaddr_storage *local)
{
	return rss_queue(&d->rss, remote, local);
}

int steer_lane(const struct netgpu_domain *d, enum lane lane, const struct sockaddr_storage *remote,
	       const struct sockaddr_storage *local)
{
	int queue = d->rss.parts ? steer_queue(d, remote, local) : -1;

	return queue < 0 ? -1 : (lane == LANE_PAYLOAD) == ((unsigned int)queue == d->rx_queue);
}

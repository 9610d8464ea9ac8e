// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* What the provider has: one kind of endpoint, connected, with messages and RMA. */
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider.h"

#define CAPS	(FI_MSG | FI_RMA | FI_SEND | FI_RECV | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE)
#define WHERE	(FI_LOCAL_COMM | FI_REMOTE_COMM)
#define TX_CAPS	(FI_MSG | FI_RMA | FI_SEND | FI_READ | FI_WRITE)
#define RX_CAPS	(FI_MSG | FI_RMA | FI_RECV | FI_REMOTE_READ | FI_REMOTE_WRITE)
#define OP_FLAGS (FI_COMPLETION | FI_INJECT | FI_INJECT_COMPLETE | FI_TRANSMIT_COMPLETE | FI_DELIVERY_COMPLETE | \
		  FI_COMMIT_COMPLETE)
/* What is read leaves when its turn comes: a later write of the reader's may be there before. */
#define ORDER	(FI_ORDER_RAR | FI_ORDER_RAW | FI_ORDER_RAS | FI_ORDER_WAW | FI_ORDER_WAS | FI_ORDER_SAW | FI_ORDER_SAS | \
		 FI_ORDER_RMA_RAR | FI_ORDER_RMA_RAW | FI_ORDER_RMA_WAW)

static bool fits(uint64_t wanted, uint64_t had)
{
	return !(wanted & ~had);
}

static bool hints_fit(uint32_t version, const struct fi_info *h)
{
	if (!h)
		return true;
	if (!fits(h->caps, CAPS | WHERE | FI_HMEM))
		return false;
	if (h->addr_format != FI_FORMAT_UNSPEC && h->addr_format != FI_SOCKADDR &&
	    h->addr_format != FI_SOCKADDR_IN && h->addr_format != FI_SOCKADDR_IN6)
		return false;
	if (h->ep_attr) {
		if (h->ep_attr->type != FI_EP_UNSPEC && h->ep_attr->type != FI_EP_MSG)
			return false;
		if (h->ep_attr->protocol != FI_PROTO_UNSPEC || h->ep_attr->tx_ctx_cnt > 1 || h->ep_attr->rx_ctx_cnt > 1 ||
		    h->ep_attr->max_msg_size > 1ull << 40 || h->ep_attr->auth_key_size)
			return false;
	}
	if (h->tx_attr && (!fits(h->tx_attr->caps, TX_CAPS | WHERE | FI_HMEM) || !fits(h->tx_attr->op_flags, OP_FLAGS) ||
			   !fits(h->tx_attr->msg_order, ORDER) || h->tx_attr->inject_size > NETGPU_INJECT_MAX ||
			   h->tx_attr->iov_limit > 1 || h->tx_attr->rma_iov_limit > 1))
		return false;
	if (h->rx_attr && (!fits(h->rx_attr->caps, RX_CAPS | WHERE | FI_HMEM) || !fits(h->rx_attr->msg_order, ORDER) ||
			   !fits(h->rx_attr->op_flags, FI_COMPLETION) || h->rx_attr->iov_limit > 1))
		return false;
	if (h->domain_attr) {
		/* Keys are the provider's: who cannot do with that cannot do with this. */
		if (FI_VERSION_LT(version, FI_VERSION(1, 5)))
			return false;
		if (h->domain_attr->mr_mode != FI_MR_UNSPEC && !(h->domain_attr->mr_mode & FI_MR_PROV_KEY))
			return false;
		/* Nothing moves but in calls of the program. */
		if (h->domain_attr->data_progress == FI_PROGRESS_AUTO || h->domain_attr->control_progress == FI_PROGRESS_AUTO)
			return false;
		if (!fits(h->domain_attr->caps, WHERE))
			return false;
		if (h->domain_attr->name && strcmp(h->domain_attr->name, FABRIC_NAME))
			return false;
		if (h->domain_attr->mr_key_size && h->domain_attr->mr_key_size < sizeof(uint64_t))
			return false;
		if (h->domain_attr->cq_data_size > sizeof(uint64_t))
			return false;
	}
	if (h->fabric_attr && h->fabric_attr->name && strcmp(h->fabric_attr->name, FABRIC_NAME))
		return false;
	return true;
}

static struct fi_info *new_info(const struct fi_info *h)
{
	uint64_t hmem = h ? h->caps & FI_HMEM : 0;
	struct fi_info *info = fi_allocinfo();

	if (!info)
		return NULL;
	info->caps = (h && h->caps ? h->caps : CAPS) | WHERE;
	/* Both halves of what was asked for as a whole. */
	if (!(info->caps & (FI_SEND | FI_RECV)) && info->caps & FI_MSG)
		info->caps |= FI_SEND | FI_RECV;
	if (!(info->caps & (FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE)) && info->caps & FI_RMA)
		info->caps |= FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
	info->addr_format = FI_SOCKADDR_IN;
	*info->tx_attr = (struct fi_tx_attr) {
		.caps = (info->caps & TX_CAPS) | hmem,
		.op_flags = h && h->tx_attr ? h->tx_attr->op_flags : 0,
		.msg_order = ORDER,
		.inject_size = NETGPU_INJECT_MAX,
		.size = h && h->tx_attr && h->tx_attr->size ? h->tx_attr->size : SIZE,
		.iov_limit = 1,
		.rma_iov_limit = 1,
	};
	*info->rx_attr = (struct fi_rx_attr) {
		.caps = (info->caps & RX_CAPS) | hmem,
		.op_flags = h && h->rx_attr ? h->rx_attr->op_flags : 0,
		.msg_order = ORDER,
		.size = h && h->rx_attr && h->rx_attr->size ? h->rx_attr->size : SIZE,
		.iov_limit = 1,
	};
	*info->ep_attr = (struct fi_ep_attr) {
		.type = FI_EP_MSG,
		.protocol = FI_PROTO_UNSPEC,
		.protocol_version = 1,
		.max_msg_size = 1ull << 40,
		.max_order_raw_size = SIZE_MAX,
		.max_order_waw_size = SIZE_MAX,
		.tx_ctx_cnt = 1,
		.rx_ctx_cnt = 1,
	};
	*info->domain_attr = (struct fi_domain_attr) {
		.name = strdup(FABRIC_NAME),
		.threading = FI_THREAD_SAFE,
		.progress = FI_PROGRESS_MANUAL,
		.resource_mgmt = FI_RM_ENABLED,
		.av_type = FI_AV_UNSPEC,
		.mr_mode = FI_MR_PROV_KEY | (hmem ? FI_MR_HMEM | FI_MR_LOCAL : 0),
		.mr_key_size = sizeof(uint64_t),
		.cq_data_size = sizeof(uint64_t),
		.cq_cnt = 1024,
		.ep_cnt = 65536,
		.tx_ctx_cnt = 65536,
		.rx_ctx_cnt = 65536,
		.max_ep_tx_ctx = 1,
		.max_ep_rx_ctx = 1,
		.cntr_cnt = 65536,
		.mr_iov_limit = 1,
		.caps = WHERE,
		.max_err_data = NETGPU_EP_DATA_MAX,
		.mr_cnt = 65536,
	};
	info->fabric_attr->name = strdup(FABRIC_NAME);
	info->fabric_attr->prov_version = PROVIDER_VERSION;
	info->fabric_attr->api_version = API_VERSION;
	if (!info->domain_attr->name || !info->fabric_attr->name) {
		fi_freeinfo(info);
		return NULL;
	}
	return info;
}

static int copy_address(void **to, size_t *length, const void *from, size_t bytes)
{
	free(*to);
	*to = malloc(bytes);
	if (!*to)
		return -FI_ENOMEM;
	memcpy(*to, from, bytes);
	*length = bytes;
	return 0;
}

static int resolve(struct fi_info *info, const char *node, const char *service, uint64_t flags, const struct fi_info *h)
{
	struct addrinfo want = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = (flags & FI_SOURCE ? AI_PASSIVE : 0) | (flags & FI_NUMERICHOST ? AI_NUMERICHOST : 0),
	}, *found;
	bool source = flags & FI_SOURCE || !node;
	int ret;

	if (h && h->addr_format == FI_SOCKADDR_IN)
		want.ai_family = AF_INET;
	if (h && h->addr_format == FI_SOCKADDR_IN6)
		want.ai_family = AF_INET6;
	if (!node && service && !(flags & FI_SOURCE))
		want.ai_flags |= AI_PASSIVE;
	if (getaddrinfo(node, service, &want, &found))
		return -FI_ENODATA;
	if (source)
		ret = copy_address(&info->src_addr, &info->src_addrlen, found->ai_addr, found->ai_addrlen);
	else
		ret = copy_address(&info->dest_addr, &info->dest_addrlen, found->ai_addr, found->ai_addrlen);
	info->addr_format = found->ai_family == AF_INET6 ? FI_SOCKADDR_IN6 : FI_SOCKADDR_IN;
	freeaddrinfo(found);
	return ret;
}

/* From where a connection to @info's destination goes. */
static int find_source(struct fi_info *info)
{
	const struct sockaddr *to = info->dest_addr;
	struct sockaddr_storage own;
	socklen_t length = sizeof(own);
	int fd, ret = 0;

	fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	if (!connect(fd, to, info->dest_addrlen) && !getsockname(fd, (struct sockaddr *)&own, &length)) {
		/* any port */
		if (own.ss_family == AF_INET6)
			((struct sockaddr_in6 *)&own)->sin6_port = 0;
		else
			((struct sockaddr_in *)&own)->sin_port = 0;
		ret = copy_address(&info->src_addr, &info->src_addrlen, &own, length);
	}
	close(fd);
	return ret;
}

static bool usable(const struct ifaddrs *a, const struct fi_info *info)
{
	int family = info->addr_format == FI_SOCKADDR_IN6 ? AF_INET6 : AF_INET;

	if (!a->ifa_addr || a->ifa_addr->sa_family != family || !(a->ifa_flags & IFF_UP))
		return false;
	return family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr);
}

/* One for each address of this machine; the loopback's come last. */
static int each_source(struct fi_info *info)
{
	struct fi_info *last = info, *next;
	struct ifaddrs *all, *a;
	int loopback, ret = 0;
	size_t length = info->addr_format == FI_SOCKADDR_IN6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

	if (getifaddrs(&all))
		return 0;
	for (loopback = 0; loopback < 2; loopback++) {
		for (a = all; a && !ret; a = a->ifa_next) {
			if (!usable(a, info) || !!(a->ifa_flags & IFF_LOOPBACK) != loopback)
				continue;
			next = info->src_addr ? fi_dupinfo(info) : info;
			ret = next ? copy_address(&next->src_addr, &next->src_addrlen, a->ifa_addr, length) : -FI_ENOMEM;
			if (!next || next == info)
				continue;
			next->next = NULL;
			last->next = next;
			last = next;
		}
	}
	freeifaddrs(all);
	return ret;
}

static int getinfo(uint32_t version, const char *node, const char *service, uint64_t flags,
		   const struct fi_info *hints, struct fi_info **out)
{
	struct fi_info *info;
	int ret = 0;

	if (!hints_fit(version, hints))
		return -FI_ENODATA;
	info = new_info(hints);
	if (!info)
		return -FI_ENOMEM;
	if (hints && hints->addr_format == FI_SOCKADDR_IN6)
		info->addr_format = FI_SOCKADDR_IN6;
	if (hints && hints->src_addr)
		ret = copy_address(&info->src_addr, &info->src_addrlen, hints->src_addr, hints->src_addrlen);
	if (!ret && hints && hints->dest_addr)
		ret = copy_address(&info->dest_addr, &info->dest_addrlen, hints->dest_addr, hints->dest_addrlen);
	if (!ret && (node || service))
		ret = resolve(info, node, service, flags, hints);
	if (!ret && info->dest_addr && !info->src_addr)
		ret = find_source(info);
	else if (!ret && !info->src_addr)
		ret = each_source(info);
	if (!ret && info->src_addr)
		info->addr_format = ((struct sockaddr *)info->src_addr)->sa_family == AF_INET6 ? FI_SOCKADDR_IN6 : FI_SOCKADDR_IN;
	if (ret) {
		fi_freeinfo(info);
		return ret;
	}
	*out = info;
	return 0;
}

/* What a listener hands out with a request: who asks. */
struct fi_info *info_for_request(const struct fi_info *of, struct netgpu_ep *ep)
{
	struct fi_info *info = fi_dupinfo(of);
	struct sockaddr_storage address;
	int length;

	if (!info)
		return NULL;
	length = netgpu_ep_address(ep, true, (struct sockaddr *)&address, sizeof(address));
	if (length > 0 && copy_address(&info->dest_addr, &info->dest_addrlen, &address, length))
		goto failed;
	length = netgpu_ep_address(ep, false, (struct sockaddr *)&address, sizeof(address));
	if (length > 0 && copy_address(&info->src_addr, &info->src_addrlen, &address, length))
		goto failed;
	return info;
failed:
	fi_freeinfo(info);
	return NULL;
}

static void cleanup(void)
{
}

struct fi_provider provider = {
	.version = PROVIDER_VERSION,
	.fi_version = API_VERSION,
	.name = PROVIDER_NAME,
	.getinfo = getinfo,
	.fabric = fabric_open,
	.cleanup = cleanup,
};

__attribute__((visibility("default"))) struct fi_provider *fi_prov_ini(void);

struct fi_provider *fi_prov_ini(void)
{
	return &provider;
}

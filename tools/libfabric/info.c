// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* What the provider has: one kind of endpoint, connected, with messages and RMA. */
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
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
/* There are no atomics that could be out of order. */
#define ATOMIC_ORDER (FI_ORDER_ATOMIC_RAR | FI_ORDER_ATOMIC_RAW | FI_ORDER_ATOMIC_WAR | FI_ORDER_ATOMIC_WAW)
/* What is read leaves when its turn comes: a later write of the reader's may be there before. */
#define ORDER	(FI_ORDER_RAR | FI_ORDER_RAW | FI_ORDER_RAS | FI_ORDER_WAW | FI_ORDER_WAS | FI_ORDER_SAW | FI_ORDER_SAS | \
		 FI_ORDER_RMA_RAR | FI_ORDER_RMA_RAW | FI_ORDER_RMA_WAW | ATOMIC_ORDER)
#define MOST	(1u << 20)	/* of whatever there is */
#define FABRIC_NAME_SIZE 64

static bool fits(uint64_t wanted, uint64_t had)
{
	return !(wanted & ~had);
}

bool is_address(const void *address, size_t length)
{
	const struct sockaddr *a = address;

	if (!a || length < sizeof(struct sockaddr_in) || length > sizeof(struct sockaddr_storage))
		return false;
	return a->sa_family == AF_INET || (a->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6));
}

bool is_any(const void *address)
{
	const struct sockaddr_in6 *in6 = address;
	const struct sockaddr_in *in = address;

	if (in->sin_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) && !in6->sin6_port;
	return in->sin_addr.s_addr == htonl(INADDR_ANY) && !in->sin_port;
}

/* Who asks for it mostly registers device memory by its address, which is of no use here: who knows better says so. */
static uint64_t hmem_caps(void)
{
	int wanted = device_name() != NULL;

	fi_param_get_bool(&provider, "hmem", &wanted);
	return wanted ? FI_HMEM : 0;
}

const char *device_name(void)
{
	char *name = NULL;

	fi_param_get_str(&provider, "device", &name);
	return name && *name ? name : NULL;
}

/* "netgpu-" and the device, or "host". */
static void fabric_name(char name[FABRIC_NAME_SIZE])
{
	snprintf(name, FABRIC_NAME_SIZE, "netgpu-%s", device_name() ? device_name() : "host");
}

bool is_fabric_name(const char *name)
{
	char own[FABRIC_NAME_SIZE];

	fabric_name(own);
	return !strcmp(name, own);
}

static const char *domain_name(void)
{
	return device_name() ? device_name() : HOST_NAME;
}

bool is_domain_name(const char *name)
{
	return !strcmp(name, domain_name());
}

/* What is asked for, with both halves of what is as a whole. */
static uint64_t caps_for(const struct fi_info *h)
{
	uint64_t caps = h && h->caps ? h->caps : CAPS;

	if (caps & FI_MSG && !(caps & (FI_SEND | FI_RECV)))
		caps |= FI_SEND | FI_RECV;
	if (caps & FI_RMA && !(caps & (FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE)))
		caps |= FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
	/* Who asks for nothing gets what he can use. */
	if (h && !h->caps && h->domain_attr && !(h->domain_attr->mr_mode & FI_MR_PROV_KEY))
		caps &= ~(uint64_t)(FI_REMOTE_READ | FI_REMOTE_WRITE);
	return caps | WHERE;
}

static int mr_mode_for(uint64_t caps)
{
	return (caps & (FI_REMOTE_READ | FI_REMOTE_WRITE) ? FI_MR_PROV_KEY : 0) | (caps & FI_HMEM ? FI_MR_HMEM : 0);
}

static bool domain_fits(const struct fi_domain_attr *d, uint64_t caps)
{
	if (!fits(mr_mode_for(caps), d->mr_mode))
		return false;
	if (!fits(d->caps, WHERE) || (d->name && !is_domain_name(d->name)))
		return false;
	if ((d->mr_key_size && d->mr_key_size < sizeof(uint64_t)) || d->cq_data_size > sizeof(uint64_t) ||
	    d->mr_iov_limit > 1 || d->auth_key_size)
		return false;
	return d->max_ep_tx_ctx <= 1 && d->max_ep_rx_ctx <= 1 && !d->max_ep_stx_ctx && !d->max_ep_srx_ctx &&
	       d->cq_cnt <= MOST && d->ep_cnt <= MOST && d->cntr_cnt <= MOST && d->mr_cnt <= MOST &&
	       d->tx_ctx_cnt <= MOST && d->rx_ctx_cnt <= MOST;
}

static bool hints_fit(uint32_t version, const struct fi_info *h)
{
	uint64_t hmem;

	if (!h)
		return true;
	hmem = hmem_caps();
	if (!fits(h->caps, CAPS | WHERE | hmem))
		return false;
	if (h->handle && h->handle->fclass == FI_CLASS_PEP && !pep_of(h->handle))
		return false;
	if ((h->src_addr && !is_address(h->src_addr, h->src_addrlen)) ||
	    (h->dest_addr && !is_address(h->dest_addr, h->dest_addrlen)))
		return false;
	if (h->addr_format != FI_FORMAT_UNSPEC && h->addr_format != FI_SOCKADDR &&
	    h->addr_format != FI_SOCKADDR_IN && h->addr_format != FI_SOCKADDR_IN6)
		return false;
	if (h->ep_attr) {
		if (h->ep_attr->type != FI_EP_UNSPEC && h->ep_attr->type != FI_EP_MSG)
			return false;
		if (h->ep_attr->protocol != FI_PROTO_UNSPEC || h->ep_attr->tx_ctx_cnt > 1 || h->ep_attr->rx_ctx_cnt > 1 ||
		    h->ep_attr->max_msg_size > 1ull << 40 || h->ep_attr->auth_key_size ||
		    h->ep_attr->max_order_war_size)
			return false;
	}
	if (h->tx_attr && (!fits(h->tx_attr->caps, TX_CAPS | WHERE | hmem) || !fits(h->tx_attr->op_flags, OP_FLAGS) ||
			   !fits(h->tx_attr->msg_order, ORDER) || h->tx_attr->inject_size > NETGPU_INJECT_MAX ||
			   h->tx_attr->iov_limit > 1 || h->tx_attr->rma_iov_limit > 1 || h->tx_attr->size > MOST))
		return false;
	if (h->rx_attr && (!fits(h->rx_attr->caps, RX_CAPS | WHERE | hmem) || !fits(h->rx_attr->msg_order, ORDER) ||
			   !fits(h->rx_attr->op_flags, FI_COMPLETION) || h->rx_attr->iov_limit > 1 ||
			   h->rx_attr->size > MOST))
		return false;
	if (h->domain_attr) {
		/* Keys are the provider's: who cannot do with that cannot do with this. */
		if (FI_VERSION_LT(version, FI_VERSION(1, 5)))
			return false;
		if (!domain_fits(h->domain_attr, caps_for(h)))
			return false;
	}
	if (h->fabric_attr && h->fabric_attr->name && !is_fabric_name(h->fabric_attr->name))
		return false;
	return true;
}

/* For a device, or by the environment; else for who asks for automatic progress. */
static bool needs_thread(void)
{
	int wanted = 0;

	fi_param_get_bool(&provider, "thread", &wanted);
	return wanted || device_name();
}

static struct fi_info *new_info(const struct fi_info *h)
{
	bool automatic = needs_thread() || (h && h->domain_attr && (h->domain_attr->data_progress == FI_PROGRESS_AUTO ||
						  h->domain_attr->control_progress == FI_PROGRESS_AUTO));
	enum fi_progress progress = automatic ? FI_PROGRESS_AUTO : FI_PROGRESS_MANUAL;
	uint64_t hmem = h ? h->caps & FI_HMEM : 0;
	struct fi_info *info = fi_allocinfo();
	char name[FABRIC_NAME_SIZE];

	if (!info)
		return NULL;
	info->caps = caps_for(h);
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
		.name = strdup(domain_name()),
		.threading = FI_THREAD_SAFE,
		.control_progress = progress,
		.progress = progress,
		.resource_mgmt = FI_RM_ENABLED,
		.av_type = FI_AV_UNSPEC,
		.mr_mode = mr_mode_for(info->caps),
		.mr_key_size = sizeof(uint64_t),
		.cq_data_size = sizeof(uint64_t),
		.cq_cnt = MOST,
		.ep_cnt = MOST,
		.tx_ctx_cnt = MOST,
		.rx_ctx_cnt = MOST,
		.max_ep_tx_ctx = 1,
		.max_ep_rx_ctx = 1,
		.cntr_cnt = MOST,
		.mr_iov_limit = 1,
		.caps = WHERE,
		.max_err_data = NETGPU_EP_DATA_MAX,
		.mr_cnt = MOST,
	};
	fabric_name(name);
	info->fabric_attr->name = strdup(name);
	info->fabric_attr->prov_version = PROVIDER_VERSION;
	info->fabric_attr->api_version = API_VERSION;
	if (device_name())
		info->nic = nic_of(device_name());
	if (!info->domain_attr->name || !info->fabric_attr->name || (device_name() && !info->nic)) {
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
	int ret;

	if (h && h->addr_format == FI_SOCKADDR_IN)
		want.ai_family = AF_INET;
	if (h && h->addr_format == FI_SOCKADDR_IN6)
		want.ai_family = AF_INET6;
	if (getaddrinfo(node, service, &want, &found))
		return -FI_ENODATA;
	if (flags & FI_SOURCE)
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
	struct sockaddr_storage own = {};
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

/* The address of a passive endpoint is for the one that will take its place. */
static int take_handle(struct fi_info *info, fid_t handle)
{
	struct sockaddr_storage address;
	size_t length = sizeof(address);
	int ret;

	info->handle = handle;
	if (handle->fclass != FI_CLASS_PEP)
		return 0;
	ret = fi_getname(handle, &address, &length);
	return ret ? ret : copy_address(&info->src_addr, &info->src_addrlen, &address, length);
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
	if (hints && hints->src_addr && !(flags & FI_SOURCE))
		ret = copy_address(&info->src_addr, &info->src_addrlen, hints->src_addr, hints->src_addrlen);
	if (!ret && hints && hints->handle)
		ret = take_handle(info, hints->handle);
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
	fi_param_define(&provider, "hmem", FI_PARAM_BOOL,
			"Offer FI_HMEM: memory of devices, which is to be registered as dma-bufs (default: yes with a device, else no)");
	fi_param_define(&provider, "device", FI_PARAM_STRING,
			"Network device of which a queue receives into device memory, see netgpu-setup(1) (default: none, ordinary sockets)");
	fi_param_define(&provider, "thread", FI_PARAM_BOOL,
			"Have things go on in a thread, also for who does not ask for FI_PROGRESS_AUTO (default: with a device)");
	fi_param_define(&provider, "queue", FI_PARAM_INT, "That queue (default: 1)");
	fi_param_define(&provider, "landing", FI_PARAM_STRING,
			"Memory that payload arrives in before it is where it belongs, as for netgpu_memory_open(3); "
			"best of the GPU whose memory is registered (default: udmabuf)");
	fi_param_define(&provider, "landing_offset", FI_PARAM_SIZE_T, "First byte of it, a multiple of the page size (default: 0)");
	fi_param_define(&provider, "landing_size", FI_PARAM_SIZE_T, "Bytes of it (default: 64 MiB)");
	fi_param_define(&provider, "in_place", FI_PARAM_BOOL,
			"Have the device put payload where it belongs, as far as it can be known before (default: no)");
#ifdef WITH_AMDGPU
	fi_param_define(&provider, "sdma", FI_PARAM_STRING,
			"Render node of a GPU under amdgpu, a DMA engine of which moves payload to where it belongs (default: the CPU does)");
#endif
	return &provider;
}

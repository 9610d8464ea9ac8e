// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* What is to be expected of a network device and a GPU, by what sysfs says of them, and the kernel's configuration. */
#include <libnetgpu.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "command.h"
#include "topo.h"

/* ------------------------------------------------------------ the kernel */

/* What receiving into a GPU's memory needs. */
static const char * const options[] = {
	"INET", "PAGE_POOL", "IO_URING", "IO_URING_ZCRX", "DMA_SHARED_BUFFER", "PCI_P2PDMA", "NETGPU",
};

static void read_release(struct host *h)
{
	char path[256], *end;
	struct utsname name;
	FILE *f;

	if (!h->root[0] && !uname(&name)) {
		snprintf(h->release, sizeof(h->release), "%s", name.release);
		return;
	}
	snprintf(path, sizeof(path), "%s/proc/sys/kernel/osrelease", h->root);
	f = fopen(path, "re");
	if (!f || !fgets(h->release, sizeof(h->release), f))
		h->release[0] = 0;
	end = strchr(h->release, '\n');
	if (end)
		*end = 0;
	if (f)
		fclose(f);
}

/* Its options; the caller says how to close it. */
static FILE *open_config(struct host *h, int (**end)(FILE *))
{
	static const char * const places[] = { "/boot/config-%s", "/lib/modules/%s/config", "/lib/modules/%s/build/.config" };
	char name[200];
	unsigned int i;
	FILE *f;

	*end = pclose;
	if (!h->root[0] && !access("/proc/config.gz", R_OK)) {
		snprintf(h->config, sizeof(h->config), "/proc/config.gz");
		return popen("gzip -dc </proc/config.gz", "re");
	}
	*end = fclose;
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(name, sizeof(name), places[i], h->release);
		snprintf(h->config, sizeof(h->config), "%.100s%.150s", h->root, name);
		f = fopen(h->config, "re");
		if (f)
			return f;
	}
	h->config[0] = 0;
	return NULL;
}

static void read_options(struct host *h)
{
	bool set[ARRAY_SIZE(options)] = { false };
	int (*end)(FILE *);
	FILE *f = open_config(h, &end);
	char line[512];
	unsigned int i;

	while (f && fgets(line, sizeof(line), f))
		for (i = 0; i < ARRAY_SIZE(options); i++) {
			const size_t length = strlen(options[i]);

			if (!strncmp(line, "CONFIG_", 7) && !strncmp(line + 7, options[i], length) && line[7 + length] == '=')
				set[i] = true;
		}
	if (!f)
		return;
	end(f);
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (!set[i])
			h->missing[h->nr_missing++] = options[i];
}

static bool is_missing(const struct host *h, const char *option)
{
	unsigned int i;

	for (i = 0; i < h->nr_missing; i++)
		if (!strcmp(h->missing[i], option))
			return true;
	return false;
}

void host_read(struct host *h)
{
	char path[256];

	read_release(h);
	read_options(h);
	snprintf(path, sizeof(path), "%s/dev/netgpu", h->root);
	if (!access(path, F_OK))
		h->netgpu = YES;
	else if (!h->root[0])
		h->netgpu = NO;
	else
		h->netgpu = h->config[0] ? !is_missing(h, "NETGPU") : UNKNOWN;
}

/* -------------------------------------------------------------- a pair */

static void __attribute__((format(printf, 2, 3)))
because(struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 3, 4)))
help(struct verdict *v, bool command, const char *fmt, ...)
{
	va_list ap;

	v->is_command = command;
	va_start(ap, fmt);
	vsnprintf(v->help, sizeof(v->help), fmt, ap);
	va_end(ap);
}

/* The driver moves its memory to where who cannot reach it peer-to-peer can. */
static bool moves_to_host(const struct pci_device *gpu)
{
	static const char * const drivers[] = { "amdgpu", "radeon", "nouveau", "i915", "xe" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (!strcmp(gpu->driver, drivers[i]))
			return true;
	return false;
}

/* There is no way but over host memory, or none at all. */
static void no_way(const struct exporter *e, struct verdict *v)
{
	v->way = NETGPU_WAY_HOST;
	v->where = NETGPU_WHERE_HOST;
	v->ok = YES;
	if (moves_to_host(e->pci))
		return;
	v->ok = NO;
	v->where = NETGPU_WHERE_UNKNOWN;
	v->way = NETGPU_WAY_UNKNOWN;
}

/* The same for both directions.  False when nothing more is to be said. */
static bool expect_exporter(const struct topo *t, const struct exporter *e, struct verdict *v)
{
	const struct pci_device *gpu = e->pci;

	v->ok = NO;
	if (!gpu->driver[0]) {
		because(v, "no driver is bound to %s", gpu->address);
		help(v, false, "load the driver of %04x:%04x (lspci -k -s %s names it)", gpu->vendor, gpu->device, gpu->address);
		return false;
	}
	if (gpu->proprietary == YES) {
		because(v, "its driver, %s, is proprietary: it cannot be attached to", gpu->driver);
		help(v, false, "use a free driver, for GPUs of NVIDIA nouveau");
		return false;
	}
	if (!e->spec[0]) {
		because(v, "its driver, %s, has no render node", gpu->driver);
		return false;
	}
	if (t->host.netgpu == NO) {
		no_way(e, v);
		if (v->ok == YES)
			because(v, "this kernel is without netgpu: %s moves the buffer to host memory, and nothing tells", gpu->driver);
		else
			because(v, "this kernel is without netgpu: %s refuses to be attached to", gpu->driver);
		help(v, false, "boot a kernel with CONFIG_NETGPU=y");
		return false;
	}
	if (is_missing(&t->host, "DMA_SHARED_BUFFER") || is_missing(&t->host, "INET")) {
		because(v, "this kernel is without CONFIG_%s", is_missing(&t->host, "INET") ? "INET" : "DMA_SHARED_BUFFER");
		return false;
	}
	v->ok = YES;
	return true;
}

/* Where data would go. */
static void expect_way(const struct topo *t, const struct nic *nic, const struct exporter *e, struct verdict *v)
{
	const struct pci_path p = pci_path(&t->tree, e->pci, nic->pci);

	v->distance = p.distance;
	if (is_missing(&t->host, "PCI_P2PDMA")) {
		no_way(e, v);
		because(v, "this kernel is without CONFIG_PCI_P2PDMA");
		help(v, false, "boot a kernel with CONFIG_PCI_P2PDMA=y");
		return;
	}
	if (p.way == PCI_WAY_NONE) {
		no_way(e, v);
		if (p.redirects[0]) {
			because(v, "ACS of %s redirects to a host bridge that Linux does not know to connect devices", p.redirects);
			help(v, false, "boot with pci=disable_acs_redir=%s (the IOMMU then no longer keeps devices below apart)", p.redirects);
		} else {
			because(v, "they are not below a common PCI bridge, and the host bridge is none that Linux knows to connect them");
			help(v, false, "put both below one PCIe switch, or use a machine whose host bridge is known");
		}
		return;
	}
	v->where = NETGPU_WHERE_DEVICE;
	v->way = p.way == PCI_WAY_SWITCH ? NETGPU_WAY_SWITCH :
		 nic->pci->translated == YES ? NETGPU_WAY_IOMMU : NETGPU_WAY_HOST_BRIDGE;
	if (p.sure == NO && p.way == PCI_WAY_SWITCH) {
		v->ok = UNKNOWN;
		because(v, "only root can see whether ACS of the bridges redirects");
	} else if (p.redirects[0]) {
		because(v, "ACS of %s redirects to it", p.redirects);
		help(v, false, "boot with pci=disable_acs_redir=%s, for the shorter way (the IOMMU then no longer keeps devices below apart)",
		     p.redirects);
	}
}

/* What the network device lacks, to receive. */
static void expect_nic(const struct nic *nic, struct verdict *v)
{
	const char *iface = nic->pci->iface;

	if (nic->splits == NO) {
		v->ok = NO;
		because(v, "%s: its driver, %s, does not split header and data of packets", iface, nic->pci->driver);
		help(v, false, "use a network card that does (in Linux 7.3: bnxt, fbnic, gve, mlx5, and igb with netgpu)");
	} else if (nic->queue_api == NO) {
		v->ok = NO;
		because(v, "%s: its driver, %s, cannot give one queue other memory (no queue API)", iface, nic->pci->driver);
		help(v, false, "use a network card whose driver can (in Linux 7.3: bnxt, fbnic, gve, mlx5, and igb with netgpu)");
	} else if (nic->verifies == NO) {
		v->ok = NO;
		because(v, "%s: receive checksum offload is off, and the CPU cannot verify what it does not see", iface);
		help(v, true, "ethtool -K %s rx on", iface);
	} else if (nic->split_on == NO) {
		v->ok = NO;
		because(v, "%s: header/data split is off", iface);
		/* igb has no rules by port. */
		help(v, true, "netgpu setup %s --queue %ld %s", iface, nic->queue,
		     strcmp(nic->pci->driver, "igb") ? "--port 5201" : "--all-flows");
	}
}

void expect(const struct topo *t, struct pair *pair)
{
	struct verdict *r = &pair->receive, *s = &pair->send;

	r->distance = s->distance = -1;
	if (expect_exporter(t, pair->exporter, r))
		expect_way(t, pair->nic, pair->exporter, r);
	*s = *r;
	if (r->ok != NO && t->host.netgpu != NO)
		expect_nic(pair->nic, r);
}

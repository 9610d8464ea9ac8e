// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* netgpu topo: every network device and every GPU of the machine, the PCI tree between them, and what each can do with each. */
#include <argp.h>
#include <errno.h>
#include <libnetgpu.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "ethtool.h"
#include "topo.h"

#define ASK_SIZE	(1u << 20)	/* bytes of a GPU's memory */

enum { KEY_JSON = 0x100, KEY_SVG, KEY_FIX, KEY_ROOT, KEY_EXPECT, KEY_VFIO };

struct wanted {
	const char *svg, *root;
	bool json, fix, expect_only, vfio;
};

static const struct argp_option arguments[] = {
	{ "json", 'J', NULL, 0, "Print JSON", 0 },
	{ "svg", KEY_SVG, "FILE", 0, "Draw a picture into FILE", 0 },
	{ "fix", KEY_FIX, NULL, 0, "Print what would help, as commands, and do nothing", 0 },
	{ "expect", KEY_EXPECT, NULL, 0, "Do not ask the kernel: say what is to be expected", 0 },
	{ "vfio", KEY_VFIO, NULL, 0, "Ask about devices that vfio-pci drives, too: each is opened, which resets it", 0 },
	{ "root", KEY_ROOT, "DIRECTORY", 0, "Another machine, whose /sys and /proc/cpuinfo were copied to below DIRECTORY", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct wanted *w = state->input;

	switch (key) {
	case 'J': w->json = true; return 0;
	case KEY_SVG: w->svg = arg; return 0;
	case KEY_FIX: w->fix = true; return 0;
	case KEY_EXPECT: w->expect_only = true; return 0;
	case KEY_VFIO: w->vfio = true; return 0;
	case KEY_ROOT:
		if (strlen(arg) >= sizeof(((struct host *)0)->root))
			argp_error(state, "--root: the name is too long");
		w->root = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "no argument is needed: \"%s\"", arg);
		return EINVAL;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = arguments,
	.parser = parse_option,
	.doc = "Which network device and which GPU of this machine can talk to each other, how, and if not, why.\v"
	       "Nothing is changed. It needs no right, but sees more with some: only root can read ACS of bridges, and the kernel "
	       "is asked by who may open /dev/netgpu and the GPU.",
};

/* ------------------------------------------------------------ what is there */

static int receive_checksums(const char *iface)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GRXCSUM };
	struct ifreq ifr = { .ifr_data = (char *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return UNKNOWN;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%.15s", iface);
	ret = ioctl(fd, SIOCETHTOOL, &ifr) ? UNKNOWN : value.data != 0;
	close(fd);
	return ret;
}

/* Those of Linux 7.3 with netdev_queue_mgmt_ops; a kernel with netgpu is asked, where one may. */
static enum known has_queue_api(const struct topo *t, const struct pci_device *d)
{
	static const char * const drivers[] = { "bnxt_en", "fbnic", "gve", "mlx5_core" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (!strcmp(d->driver, drivers[i]))
			return YES;
	return !strcmp(d->driver, "igb") ? t->host.netgpu : NO;
}

static void look_at_nic(const struct topo *t, struct nic *n, struct ethtool *eth)
{
	struct rings rings;
	uint32_t queues = 0;

	n->splits = n->split_on = n->verifies = UNKNOWN;
	n->queue_api = has_queue_api(t, n->pci);
	if (t->host.root[0])
		return;
	n->ifindex = if_nametoindex(n->pci->iface);
	n->verifies = receive_checksums(n->pci->iface);
	if (!eth)
		return;
	if (!ethtool_get_queues(eth, n->ifindex, &queues) && queues) {
		n->queues = queues;
		n->queue = queues - 1;
	}
	if (!ethtool_get_rings(eth, n->ifindex, &rings)) {
		n->splits = rings.has_split;
		n->split_on = rings.has_split && rings.split == SPLIT_ON && (!rings.has_threshold || !rings.threshold);
	}
}

static void look_at_exporter(const struct topo *t, struct exporter *e)
{
	const struct pci_device *d = e->pci;
	char path[128];

	if (d->node[0]) {
		snprintf(e->name, sizeof(e->name), "%s", d->node);
		snprintf(e->spec, sizeof(e->spec), "/dev/dri/%s", d->node);
	} else if (!strcmp(d->driver, "vfio-pci")) {
		snprintf(e->name, sizeof(e->name), "vfio %s", d->address);
		snprintf(e->spec, sizeof(e->spec), "vfio:%s", d->address);
	} else {
		snprintf(e->name, sizeof(e->name), "%s", d->address);
	}
	e->small_bar = (d->vram && d->vram_visible && d->vram_visible < d->vram) || d->bar_possible > d->bar;
	snprintf(path, sizeof(path), "%s", d->node[0] ? e->spec : "/dev/vfio/vfio");
	e->permitted = !t->host.root[0] && !access(path, R_OK | W_OK);
}

static int look(struct topo *t)
{
	struct ethtool eth;
	bool asks = !t->host.root[0] && !ethtool_open(&eth);
	unsigned int i;

	t->nics = calloc(t->tree.count + 1, sizeof(*t->nics));
	t->exporters = calloc(t->tree.count + 1, sizeof(*t->exporters));
	for (i = 0; t->nics && t->exporters && i < t->tree.count; i++) {
		const struct pci_device *d = &t->tree.devices[i];

		if (pci_is_nic(d)) {
			t->nics[t->nr_nics].pci = d;
			look_at_nic(t, &t->nics[t->nr_nics++], asks ? &eth : NULL);
		} else if (pci_is_exporter(d)) {
			t->exporters[t->nr_exporters].pci = d;
			look_at_exporter(t, &t->exporters[t->nr_exporters++]);
		}
	}
	if (asks)
		ethtool_close(&eth);
	t->pairs = calloc(t->nr_nics * t->nr_exporters + 1, sizeof(*t->pairs));
	return t->nics && t->exporters && t->pairs ? 0 : -ENOMEM;
}

/* ---------------------------------------------------------- the kernel's word */

static void take(struct verdict *v, int ret, const struct netgpu_verdict *said)
{
	v->asked = true;
	v->ok = !ret;
	snprintf(v->why, sizeof(v->why), "%s", said->sentence);
	if (said->distance >= 0)
		v->distance = said->distance;
	if (ret)
		return;
	v->where = said->where;
	v->way = said->way;
	if (said->where == NETGPU_WHERE_DEVICE)
		v->help[0] = 0;
}

static void ask(struct pair *p, struct netgpu_memory *memory)
{
	struct netgpu_region_params params = { .ifindex = p->nic->ifindex, .flags = NETGPU_SEND };
	struct netgpu_verdict said;
	int ret;

	ret = netgpu_probe(memory, &params, &said);
	/* An older kernel, or one that may not be asked: what was expected stands. */
	if (ret == -ENOTTY || ret == -EPERM || ret == -EACCES)
		return;
	take(&p->send, ret, &said);
	params.flags = 0;
	params.queue = p->nic->queue;
	take(&p->receive, netgpu_probe(memory, &params, &said), &said);
	/* Where it would go is the same. */
	if (p->receive.ok == NO && p->send.ok == YES) {
		p->receive.where = p->send.where;
		p->receive.way = p->send.way;
		p->receive.distance = p->send.distance;
	}
}

static bool may_ask(const struct topo *t, const struct wanted *w, const struct exporter *e)
{
	if (w->expect_only || t->host.root[0] || t->host.netgpu != YES || access("/dev/netgpu", R_OK | W_OK))
		return false;
	if (!e->spec[0] || !e->permitted)
		return false;
	/* A GPU that sleeps would be woken. */
	return e->pci->node[0] ? !e->pci->asleep : w->vfio;
}

static void judge(struct topo *t, const struct wanted *w)
{
	struct netgpu_memory *memory;
	unsigned int e, n;

	for (e = 0; e < t->nr_exporters; e++) {
		memory = NULL;
		if (may_ask(t, w, &t->exporters[e]))
			netgpu_memory_open(t->exporters[e].spec, ASK_SIZE, &memory);
		for (n = 0; n < t->nr_nics; n++) {
			struct pair *p = &t->pairs[t->nr_pairs++];

			p->nic = &t->nics[n];
			p->exporter = &t->exporters[e];
			expect(t, p);
			if (memory)
				ask(p, memory);
		}
		netgpu_memory_close(memory);
	}
}

static int draw(const struct topo *t, const char *path)
{
	FILE *f = fopen(path, "we");
	bool good;

	if (!f) {
		complain("%s: %s", path, strerror(errno));
		return 1;
	}
	topo_print_svg(t, f);
	good = !ferror(f);
	good = !fclose(f) && good;
	if (!good)
		complain("%s: %s", path, strerror(errno));
	return !good;
}

int cmd_topo(int argc, char **argv)
{
	struct wanted w = { 0 };
	struct topo t = { 0 };
	char sys[sizeof(t.host.root) + 8];
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &w))
		return 1;
	snprintf(t.host.root, sizeof(t.host.root), "%s", w.root ? w.root : "");
	snprintf(sys, sizeof(sys), "%s/sys", t.host.root);
	if (pci_read(&t.tree, sys))
		return 1;
	host_read(&t.host);
	ret = look(&t);
	if (ret) {
		complain("out of memory");
	} else {
		judge(&t, &w);
		if (w.svg)
			ret = draw(&t, w.svg);
		if (w.json)
			topo_print_json(&t, stdout);
		else if (w.fix)
			topo_print_fix(&t, stdout);
		else if (!w.svg)
			topo_print(&t, stdout);
	}
	free(t.pairs);
	free(t.nics);
	free(t.exporters);
	pci_free(&t.tree);
	return ret != 0;
}

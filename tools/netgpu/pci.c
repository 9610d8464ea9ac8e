// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "pci.h"

#define PATH		512
#define CONFIG_SIZE	4096	/* of PCI Express */
#define RESOURCE_MEM	0x200	/* in the kernel: IORESOURCE_MEM */
#define EXTENDED	0x100	/* where the extended capabilities begin */
#define CAP_ACS		0x000d
#define ACS_CTRL	6
#define ACS_REDIRECTS	(0x04 | 0x08 | 0x20)	/* request, completion, egress control */

/* ----------------------------------------------------------------- files */

static FILE *open_of(const struct pci_tree *t, const struct pci_device *d, const char *name)
{
	char path[PATH];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", t->sys, d->address, name);
	return fopen(path, "re");
}

/* The first word of a file of the device; false when there is none. */
static bool word_of(const struct pci_tree *t, const struct pci_device *d, const char *name, char *word, size_t size)
{
	FILE *f = open_of(t, d, name);
	char *end;
	bool good;

	if (!f)
		return false;
	good = fgets(word, size, f);
	fclose(f);
	end = good ? strpbrk(word, " \n") : NULL;
	if (end)
		*end = 0;
	return good;
}

static uint64_t number_of(const struct pci_tree *t, const struct pci_device *d, const char *name)
{
	char word[32];

	return word_of(t, d, name, word, sizeof(word)) ? strtoull(word, NULL, 0) : 0;
}

/* What the link's text ends with. */
static bool link_of(const char *path, char *name, size_t size)
{
	char text[PATH], *last;
	ssize_t n = readlink(path, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = 0;
	last = strrchr(text, '/');
	snprintf(name, size, "%.*s", (int)size - 1, last ? last + 1 : text);
	return true;
}

/* The first entry of a directory of the device's whose name begins so. */
static bool entry_of(const struct pci_tree *t, const struct pci_device *d, const char *directory, const char *begin,
		     char *name, size_t size)
{
	const struct dirent *e;
	char path[PATH];
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", t->sys, d->address, directory);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		found = e->d_name[0] != '.' && !strncmp(e->d_name, begin, strlen(begin));
		if (found)
			snprintf(name, size, "%.*s", (int)size - 1, e->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* -------------------------------------------------------------- a device */

static void read_bars(const struct pci_tree *t, struct pci_device *d)
{
	unsigned long long start, end, flags;
	FILE *f = open_of(t, d, "resource");
	char name[32];
	uint64_t sizes;
	int i, largest = -1;

	if (!f)
		return;
	for (i = 0; i < 6 && fscanf(f, "%llx %llx %llx", &start, &end, &flags) == 3; i++) {
		if (!(flags & RESOURCE_MEM) || end <= start || end - start + 1 <= d->bar)
			continue;
		d->bar = end - start + 1;
		largest = i;
	}
	fclose(f);
	if (largest < 0)
		return;
	/* ABI/testing/sysfs-bus-pci: bit n: 2^n MiB */
	snprintf(name, sizeof(name), "resource%d_resize", largest);
	if (!word_of(t, d, name, name, sizeof(name)))
		return;
	sizes = strtoull(name, NULL, 16);
	if (sizes)
		d->bar_possible = 1ull << (20 + 63 - __builtin_clzll(sizes));
}

/* Only root may read more than the first 64 bytes. */
static void read_acs(const struct pci_tree *t, struct pci_device *d)
{
	unsigned char config[CONFIG_SIZE];
	FILE *f = open_of(t, d, "config");
	unsigned int at = EXTENDED, hops;
	uint32_t header;
	size_t n;

	d->acs_redirects = UNKNOWN;
	if (!f)
		return;
	n = fread(config, 1, sizeof(config), f);
	fclose(f);
	if (n <= 64)
		return;
	d->acs_redirects = NO;
	for (hops = 0; at >= EXTENDED && at + 8 <= n && hops < CONFIG_SIZE / 8; hops++) {
		memcpy(&header, config + at, sizeof(header));
		if ((header & 0xffff) == CAP_ACS) {
			if (config[at + ACS_CTRL] & ACS_REDIRECTS)
				d->acs_redirects = YES;
			return;
		}
		at = header >> 20 & ~3u;
	}
}

static void read_driver(const struct pci_tree *t, struct pci_device *d)
{
	char path[PATH], taint[16];
	FILE *f;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/driver", t->sys, d->address);
	if (!link_of(path, d->driver, sizeof(d->driver)))
		return;
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/driver/module/taint", t->sys, d->address);
	f = fopen(path, "re");
	d->proprietary = f && fgets(taint, sizeof(taint), f) && strchr(taint, 'P') ? YES : NO;
	if (f)
		fclose(f);
}

static void read_iommu(const struct pci_tree *t, struct pci_device *d)
{
	char path[PATH], type[32];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/iommu_group", t->sys, d->address);
	if (access(path, F_OK)) {
		d->translated = NO;
		return;
	}
	d->translated = word_of(t, d, "iommu_group/type", type, sizeof(type)) ? strcmp(type, "identity") != 0 : UNKNOWN;
}

static void read_purpose(const struct pci_tree *t, struct pci_device *d)
{
	char path[PATH], word[32];

	if (entry_of(t, d, "net", "", d->iface, sizeof(d->iface))) {
		snprintf(path, sizeof(path), "net/%.31s/speed", d->iface);
		if (word_of(t, d, path, word, sizeof(word)))
			d->speed = strtol(word, NULL, 10);
	}
	entry_of(t, d, "drm", "renderD", d->node, sizeof(d->node));
	d->vram = number_of(t, d, "mem_info_vram_total");
	d->vram_visible = number_of(t, d, "mem_info_vis_vram_total");
	d->asleep = word_of(t, d, "power/runtime_status", word, sizeof(word)) && !strcmp(word, "suspended");
}

static void read_device(const struct pci_tree *t, struct pci_device *d)
{
	d->class = number_of(t, d, "class");
	d->vendor = number_of(t, d, "vendor");
	d->device = number_of(t, d, "device");
	read_bars(t, d);
	read_driver(t, d);
	read_iommu(t, d);
	if (d->class >> 8 == PCI_CLASS_BRIDGE)
		read_acs(t, d);
	else
		read_purpose(t, d);
}

/* -------------------------------------------------------------- the tree */

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct pci_device *)a)->address, ((const struct pci_device *)b)->address);
}

static struct pci_device *find(const struct pci_tree *t, const char *address)
{
	struct pci_device key;

	snprintf(key.address, sizeof(key.address), "%.15s", address);
	return bsearch(&key, t->devices, t->count, sizeof(*t->devices), by_address);
}

/* ".../pci0000:00/0000:00:10.0/0000:01:00.0": what is above the last. */
static void place(struct pci_tree *t, struct pci_device *d)
{
	char path[PATH], text[PATH], *last, *root;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", t->sys, d->address);
	n = readlink(path, text, sizeof(text) - 1);
	if (n < 0)
		return;
	text[n] = 0;
	root = strstr(text, "/pci");
	last = strrchr(text, '/');
	if (!root || !last || root >= last)
		return;
	*last = 0;
	snprintf(d->root, sizeof(d->root), "%.*s", (int)strcspn(root + 1, "/"), root + 1);
	last = strrchr(text, '/');
	d->parent = find(t, last + 1);
}

static void show(struct pci_device *d)
{
	for (; d; d = d->parent)
		d->shown = true;
}

int pci_read(struct pci_tree *t, const char *sys)
{
	struct pci_device *more;
	const struct dirent *e;
	char path[PATH];
	unsigned int i;
	DIR *dir;

	memset(t, 0, sizeof(*t));
	snprintf(t->sys, sizeof(t->sys), "%s", sys);
	snprintf(path, sizeof(path), "%s/bus/pci/devices", sys);
	dir = opendir(path);
	if (!dir) {
		complain("%s: %s: there is no PCI here, or no sysfs", path, strerror(errno));
		return -ENOENT;
	}
	while ((e = readdir(dir))) {
		if (!isxdigit((unsigned char)e->d_name[0]) || strlen(e->d_name) >= PCI_ADDRESS)
			continue;
		more = realloc(t->devices, (t->count + 1) * sizeof(*more));
		if (!more) {
			closedir(dir);
			pci_free(t);
			complain("out of memory");
			return -ENOMEM;
		}
		t->devices = more;
		memset(&more[t->count], 0, sizeof(*more));
		snprintf(more[t->count++].address, PCI_ADDRESS, "%.15s", e->d_name);
	}
	closedir(dir);
	if (t->count)
		qsort(t->devices, t->count, sizeof(*t->devices), by_address);
	for (i = 0; i < t->count; i++) {
		read_device(t, &t->devices[i]);
		place(t, &t->devices[i]);
	}
	for (i = 0; i < t->count; i++)
		if (pci_is_nic(&t->devices[i]) || pci_is_exporter(&t->devices[i]))
			show(&t->devices[i]);
	return 0;
}

void pci_free(struct pci_tree *t)
{
	free(t->devices);
	t->devices = NULL;
	t->count = 0;
}

bool pci_is_nic(const struct pci_device *d)
{
	return pci_base(d) == PCI_BASE_NETWORK && d->iface[0];
}

bool pci_is_exporter(const struct pci_device *d)
{
	const bool gpu = pci_base(d) == PCI_BASE_DISPLAY || pci_base(d) == PCI_BASE_ACCELERATOR;

	return gpu || (!strcmp(d->driver, "vfio-pci") && d->bar >= 1 << 20);
}

/* ------------------------------------------------------------- the way */

static int cpu_is_trusted(const struct pci_tree *t)
{
	char path[PATH], line[256];
	unsigned int family = 0;
	bool amd = false;
	FILE *f;

	/* beside sysfs, be it another machine's */
	snprintf(path, sizeof(path), "%.*s/proc/cpuinfo", (int)(strlen(t->sys) - strlen("/sys")), t->sys);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && line[0] != '\n') {
		amd |= !strncmp(line, "vendor_id", 9) && strstr(line, "AuthenticAMD");
		if (!strncmp(line, "cpu family", 10) && strchr(line, ':'))
			family = strtoul(strchr(line, ':') + 1, NULL, 10);
	}
	if (f)
		fclose(f);
	return amd && family >= 0x17;
}

/* As in drivers/pci/p2pdma.c of Linux 7.3. */
static const struct trusted {
	uint16_t vendor;
	uint16_t device;	/* 0: any */
	bool same;		/* when both are below it */
} trusted[] = {
	{ 0x8086, 0x3c00, true }, { 0x8086, 0x3c01, true },	/* Xeon E5, Core i7 */
	{ 0x8086, 0x2f00, true }, { 0x8086, 0x2f01, true },	/* Xeon E7 v3, E5 v3 */
	{ 0x8086, 0x2030, false }, { 0x8086, 0x2031, false }, { 0x8086, 0x2032, false },	/* Skylake-E */
	{ 0x8086, 0x2033, false }, { 0x8086, 0x2020, false }, { 0x8086, 0x09a2, false },
	{ 0x8086, 0x0b25, false }, { 0x8086, 0x0cfe, false },	/* Sapphire Rapids: DSA, IAX */
	{ 0x8086, 0x11fb, false }, { 0x8086, 0x1212, false }, { 0x8086, 0x1216, false },
	{ 0x8086, 0x4940, false }, { 0x8086, 0x4942, false }, { 0x8086, 0x4944, false },	/* QAT */
	{ 0x8086, 0x4946, false }, { 0x8086, 0x4948, false },
	{ 0x1ae0, 0, false },					/* Google's */
	{ 0x10de, 0x2f95, false }, { 0x10de, 0x2f96, false },	/* Nvidia's CPUs */
	{ 0x10de, 0x2f97, false }, { 0x10de, 0x2f98, false },
};

/* The device that stands for the host bridge: 00.0, or else a root port. */
static const struct pci_device *root_device(const struct pci_tree *t, const char *root)
{
	unsigned int i;

	for (i = 0; i < t->count; i++) {
		const struct pci_device *d = &t->devices[i];

		if (d->parent || strcmp(d->root, root))
			continue;
		return !strcmp(d->address + strlen(d->address) - 4, "00.0") || d->class >> 8 == PCI_CLASS_BRIDGE ? d : NULL;
	}
	return NULL;
}

bool pci_root_trusted(const struct pci_tree *t, const char *root, bool same)
{
	const struct pci_device *d = root_device(t, root);
	unsigned int i;

	if (cpu_is_trusted(t))
		return true;
	for (i = 0; d && i < ARRAY_SIZE(trusted); i++)
		if (d->vendor == trusted[i].vendor && (!trusted[i].device || d->device == trusted[i].device))
			return same || !trusted[i].same;
	return false;
}

static void look_at_acs(struct pci_path *p, const struct pci_device *bridge)
{
	const size_t used = strlen(p->redirects);

	if (bridge->class >> 8 != PCI_CLASS_BRIDGE)
		return;
	if (bridge->acs_redirects == YES && used + PCI_ADDRESS < sizeof(p->redirects))
		snprintf(p->redirects + used, sizeof(p->redirects) - used, "%s%s", used ? ";" : "", bridge->address);
	if (bridge->acs_redirects == UNKNOWN)
		p->sure = NO;
}

struct pci_path pci_path(const struct pci_tree *t, const struct pci_device *a, const struct pci_device *b)
{
	struct pci_path p = { .way = PCI_WAY_HOST_BRIDGE, .sure = YES, .same_root = !strcmp(a->root, b->root) };
	const struct pci_device *up, *down;
	int from_a = 0, from_b = 0;

	for (up = a; up; up = up->parent, from_a++) {
		look_at_acs(&p, up);
		for (down = b, from_b = 0; down && down != up; down = down->parent)
			from_b++;
		if (!down)
			continue;
		/* the lowest bridge that both are below */
		for (down = b; down != up; down = down->parent)
			look_at_acs(&p, down);
		p.way = p.redirects[0] ? PCI_WAY_HOST_BRIDGE : PCI_WAY_SWITCH;
		break;
	}
	p.distance = from_a + from_b;
	if (!up) {
		p.redirects[0] = 0;	/* it goes through the host bridge anyway */
		p.sure = YES;
	}
	if (p.way == PCI_WAY_HOST_BRIDGE &&
	    (!pci_root_trusted(t, a->root, p.same_root) || (!p.same_root && !pci_root_trusted(t, b->root, false))))
		p.way = PCI_WAY_NONE;
	return p;
}

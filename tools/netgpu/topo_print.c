// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* What netgpu topo prints: a tree and sentences, or JSON. */
#include <cjson/cJSON.h>
#include <langinfo.h>
#include <libnetgpu.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "topo.h"

static const char * const wheres[] = { "unknown", "host", "device" };
static const char * const ways[] = { "unknown", "host", "switch", "host-bridge", "iommu" };
static const char * const in_words[] = {
	"on a way that is not known", "to host memory", "through PCI bridges that both are below", "through the host bridge",
	"through the host bridge and the IOMMU",
};

/* ------------------------------------------------------------------ words */

static void print_size(char *text, size_t size, uint64_t bytes)
{
	if (bytes >= 1ull << 30 && !(bytes & ((1ull << 30) - 1)))
		snprintf(text, size, "%llu GiB", (unsigned long long)(bytes >> 30));
	else
		snprintf(text, size, "%llu MiB", (unsigned long long)(bytes >> 20));
}

static void describe_nic(const struct pci_device *d, char *text, size_t size)
{
	char speed[32] = "";

	if (d->speed > 0)
		snprintf(speed, sizeof(speed), ", %g Gbit/s", d->speed / 1000.);
	snprintf(text, size, "NIC %s (%s%s)", d->iface, d->driver[0] ? d->driver : "no driver", speed);
}

static void describe_exporter(const struct pci_device *d, char *text, size_t size)
{
	const bool gpu = pci_base(d) == PCI_BASE_DISPLAY || pci_base(d) == PCI_BASE_ACCELERATOR;
	char memory[96], bar[32], vram[32], larger[32];
	int n;

	print_size(bar, sizeof(bar), d->bar);
	print_size(vram, sizeof(vram), d->vram);
	if (d->vram && d->vram_visible && d->vram_visible < d->vram) {
		print_size(bar, sizeof(bar), d->vram_visible);
		snprintf(memory, sizeof(memory), "%s of VRAM, of which others reach %s", vram, bar);
	} else if (d->vram) {
		snprintf(memory, sizeof(memory), "%s of VRAM", vram);
	} else {
		snprintf(memory, sizeof(memory), "BAR of %s", bar);
	}
	n = snprintf(text, size, "%s %s (%s, %s)", gpu ? "GPU" : "device", d->node[0] ? d->node : d->address,
		     d->driver[0] ? d->driver : "no driver", memory);
	if (d->bar_possible > d->bar && n > 0 && (size_t)n < size) {
		print_size(larger, sizeof(larger), d->bar_possible);
		n += snprintf(text + n, size - n, ", its BAR could be %s", larger);
	}
	if (d->asleep && n > 0 && (size_t)n < size)
		snprintf(text + n, size - n, ", asleep");
}

void topo_describe(const struct topo *t, const struct pci_device *d, char *text, size_t size)
{
	(void)t;
	if (pci_is_nic(d))
		describe_nic(d, text, size);
	else if (pci_is_exporter(d))
		describe_exporter(d, text, size);
	else
		snprintf(text, size, "bridge%s", d->acs_redirects == YES ? ", whose ACS redirects to the host bridge" : "");
}

const char *verdict_in_words(const struct verdict *v, char *text, size_t size)
{
	const char *way = in_words[v->way < ARRAY_SIZE(in_words) ? v->way : 0];
	char far[32] = "";

	if (v->distance >= 0 && v->where == NETGPU_WHERE_DEVICE)
		snprintf(far, sizeof(far), ", distance %d", v->distance);
	if (v->ok == NO)
		snprintf(text, size, "no: %s", v->why[0] ? v->why : "the kernel does not say why");
	else if (v->where == NETGPU_WHERE_DEVICE && v->ok == UNKNOWN)
		snprintf(text, size, "perhaps peer-to-peer %s%s: %s", way, far, v->why);
	else if (v->where == NETGPU_WHERE_DEVICE)
		snprintf(text, size, "peer-to-peer %s%s%s%s", way, far, v->why[0] ? "; " : "", v->why);
	else if (v->where == NETGPU_WHERE_HOST)
		snprintf(text, size, "in host memory%s%s", v->why[0] ? ": " : "", v->why);
	else
		snprintf(text, size, "%s", v->why[0] ? v->why : "not known");
	return text;
}

/* ------------------------------------------------------------------- tree */

/* As lspci -tv has them. */
struct lines {
	const char *branch, *last, *down, *none;
};

static const struct lines *lines(void)
{
	static const struct lines drawn = { "├─ ", "└─ ", "│  ", "   " }, ascii = { "|- ", "`- ", "|  ", "   " };

	setlocale(LC_CTYPE, "");
	return strcmp(nl_langinfo(CODESET), "UTF-8") ? &ascii : &drawn;
}

static bool is_child(const struct pci_device *d, const struct pci_device *parent, const char *root)
{
	return d->shown && d->parent == parent && !strcmp(d->root, root);
}

static void print_below(const struct topo *t, const struct pci_device *parent, const char *root, const char *indent,
			const struct lines *l, FILE *f)
{
	const struct pci_device *end = t->tree.devices + t->tree.count, *d, *next;
	char text[256], more[128], safe[600];

	for (d = t->tree.devices; d < end; d = next) {
		for (next = d + 1; next < end && !is_child(next, parent, root); )
			next++;
		if (!is_child(d, parent, root))
			continue;
		topo_describe(t, d, text, sizeof(text));
		fprintf(f, "%s%s%s %s\n", indent, next < end ? l->branch : l->last, d->address, printable(safe, sizeof(safe), text));
		snprintf(more, sizeof(more), "%s%s", indent, next < end ? l->down : l->none);
		print_below(t, d, root, more, l, f);
	}
}

static void print_tree(const struct topo *t, FILE *f)
{
	const struct lines *l = lines();
	const char *before = "";
	unsigned int i;

	for (i = 0; i < t->tree.count; i++) {
		const struct pci_device *d = &t->tree.devices[i];

		if (!d->shown || !strcmp(d->root, before))
			continue;
		before = d->root;
		fprintf(f, "%s, a host bridge that Linux %s\n", d->root, pci_root_trusted(&t->tree, d->root, true) ?
			"lets devices reach each other through" : "does not know to connect devices");
		print_below(t, NULL, d->root, "", l, f);
	}
}

static void print_verdict(const char *what, const struct verdict *v, FILE *f)
{
	char text[512], safe[1024];
	struct verdict then = *v;

	fprintf(f, "  %-8s %s%s\n", what, printable(safe, sizeof(safe), verdict_in_words(v, text, sizeof(text))),
		v->asked ? "" : " (expected)");
	if (v->help[0])
		fprintf(f, "           -> %s\n", v->help);
	if (v->ok == NO && v->where != NETGPU_WHERE_UNKNOWN && v->help[0] && v->is_command) {
		then.ok = YES;
		then.why[0] = 0;
		fprintf(f, "           then %s\n", verdict_in_words(&then, text, sizeof(text)));
	}
}

void topo_print(const struct topo *t, FILE *f)
{
	const struct host *h = &t->host;
	char safe[300];
	unsigned int i;

	fprintf(f, "Linux %s, %s netgpu", h->release[0] ? printable(safe, sizeof(safe), h->release) : "of an unknown release",
		h->netgpu == YES ? "with" : h->netgpu == NO ? "without" : "perhaps with");
	for (i = 0; i < h->nr_missing; i++)
		fprintf(f, "%sCONFIG_%s", i ? ", " : "; missing: ", h->missing[i]);
	if (!h->config[0])
		fputs("; its options are not to be found", f);
	fputs("\n", f);
	if (t->nr_nics || t->nr_exporters)
		fputc('\n', f);
	print_tree(t, f);
	if (!t->nr_nics)
		fputs("\nThere is no network device on PCI here.\n", f);
	if (!t->nr_exporters)
		fputs("\nThere is no GPU, and no device that vfio-pci drives.\n", f);
	for (i = 0; i < t->nr_pairs; i++) {
		const struct pair *p = &t->pairs[i];

		fprintf(f, "\n%s and %s\n", p->nic->pci->iface, p->exporter->name);
		print_verdict("receive", &p->receive, f);
		print_verdict("send", &p->send, f);
	}
}

/* --------------------------------------------------------------------- fix */

struct said {
	const char *lines[64];
	unsigned int count;
};

static bool said_before(struct said *said, const char *line)
{
	unsigned int i;

	for (i = 0; i < said->count; i++)
		if (!strcmp(said->lines[i], line))
			return true;
	if (said->count < ARRAY_SIZE(said->lines))
		said->lines[said->count++] = line;
	return false;
}

static void print_help(const struct verdict *v, struct said *said, FILE *f)
{
	if (v->help[0] && !said_before(said, v->help))
		fprintf(f, "%s%s\n", v->is_command ? "" : "# ", v->help);
}

void topo_print_fix(const struct topo *t, FILE *f)
{
	struct said said = { .count = 0 };
	unsigned int i;

	for (i = 0; i < t->nr_exporters; i++) {
		const struct exporter *e = &t->exporters[i];

		if (e->small_bar)
			fprintf(f, "# %s: others reach only a part of its memory: switch on \"Resizable BAR\" and \"Above 4G decoding\" in the firmware\n",
				e->name);
		if (e->spec[0] && !e->permitted && !t->host.root[0] && e->pci->node[0])
			fprintf(f, "usermod -a -G render \"$USER\" # who may open %s; from the next login on\n", e->spec);
	}
	for (i = 0; i < t->nr_pairs; i++) {
		print_help(&t->pairs[i].receive, &said, f);
		print_help(&t->pairs[i].send, &said, f);
	}
	if (!said.count)
		fputs("# nothing that is known here\n", f);
}

/* -------------------------------------------------------------------- JSON */

static void add_known(cJSON *o, const char *name, enum known k)
{
	if (k == UNKNOWN)
		cJSON_AddNullToObject(o, name);
	else
		cJSON_AddBoolToObject(o, name, k == YES);
}

static void add_verdict(cJSON *pair, const char *name, const struct verdict *v)
{
	cJSON *o = cJSON_AddObjectToObject(pair, name);

	add_known(o, "ok", v->ok);
	cJSON_AddBoolToObject(o, "asked", v->asked);
	cJSON_AddStringToObject(o, "placement", wheres[v->where < ARRAY_SIZE(wheres) ? v->where : 0]);
	cJSON_AddStringToObject(o, "path", ways[v->way < ARRAY_SIZE(ways) ? v->way : 0]);
	if (v->distance >= 0)
		cJSON_AddNumberToObject(o, "distance", v->distance);
	else
		cJSON_AddNullToObject(o, "distance");
	cJSON_AddStringToObject(o, "sentence", v->why);
	cJSON_AddStringToObject(o, "help", v->help);
	cJSON_AddBoolToObject(o, "help_is_command", v->is_command);
}

static void add_host(cJSON *o, const struct host *h)
{
	cJSON *missing;
	unsigned int i;

	cJSON_AddStringToObject(o, "release", h->release);
	add_known(o, "netgpu", h->netgpu);
	cJSON_AddStringToObject(o, "config", h->config);
	missing = cJSON_AddArrayToObject(o, "missing");
	for (i = 0; i < h->nr_missing; i++)
		cJSON_AddItemToArray(missing, cJSON_CreateString(h->missing[i]));
}

static void add_device(cJSON *o, const struct pci_device *d)
{
	char text[16];

	cJSON_AddStringToObject(o, "pci", d->address);
	cJSON_AddStringToObject(o, "root", d->root);
	if (d->parent)
		cJSON_AddStringToObject(o, "below", d->parent->address);
	else
		cJSON_AddNullToObject(o, "below");
	snprintf(text, sizeof(text), "%04x:%04x", d->vendor, d->device);
	cJSON_AddStringToObject(o, "id", text);
	cJSON_AddStringToObject(o, "driver", d->driver);
}

static void add_nic(cJSON *o, const struct nic *n)
{
	add_device(o, n->pci);
	cJSON_AddStringToObject(o, "iface", n->pci->iface);
	cJSON_AddNumberToObject(o, "mbit_per_second", n->pci->speed > 0 ? n->pci->speed : 0);
	cJSON_AddNumberToObject(o, "queues", n->queues);
	add_known(o, "splits", n->splits);
	add_known(o, "split_on", n->split_on);
	add_known(o, "queue_api", n->queue_api);
	add_known(o, "rx_checksums", n->verifies);
}

static void add_exporter(cJSON *o, const struct exporter *e)
{
	add_device(o, e->pci);
	cJSON_AddStringToObject(o, "name", e->name);
	cJSON_AddStringToObject(o, "memory", e->spec);
	cJSON_AddNumberToObject(o, "bar_bytes", e->pci->bar);
	cJSON_AddNumberToObject(o, "bar_possible_bytes", e->pci->bar_possible);
	cJSON_AddNumberToObject(o, "vram_bytes", e->pci->vram);
	cJSON_AddNumberToObject(o, "vram_visible_bytes", e->pci->vram_visible);
	cJSON_AddBoolToObject(o, "asleep", e->pci->asleep);
	add_known(o, "proprietary", e->pci->proprietary);
	cJSON_AddBoolToObject(o, "permitted", e->permitted);
}

static cJSON *element(cJSON *array)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToArray(array, o);
	return o;
}

void topo_print_json(const struct topo *t, FILE *f)
{
	cJSON *o = cJSON_CreateObject(), *a, *e;
	unsigned int i;
	char *text;

	add_host(cJSON_AddObjectToObject(o, "kernel"), &t->host);
	a = cJSON_AddArrayToObject(o, "bridges");
	for (i = 0; i < t->tree.count; i++) {
		const struct pci_device *d = &t->tree.devices[i];

		if (!d->shown || pci_is_nic(d) || pci_is_exporter(d))
			continue;
		e = element(a);
		add_device(e, d);
		add_known(e, "acs_redirects", d->acs_redirects);
		cJSON_AddBoolToObject(e, "host_bridge_known", pci_root_trusted(&t->tree, d->root, true));
	}
	a = cJSON_AddArrayToObject(o, "nics");
	for (i = 0; i < t->nr_nics; i++)
		add_nic(element(a), &t->nics[i]);
	a = cJSON_AddArrayToObject(o, "gpus");
	for (i = 0; i < t->nr_exporters; i++)
		add_exporter(element(a), &t->exporters[i]);
	a = cJSON_AddArrayToObject(o, "pairs");
	for (i = 0; i < t->nr_pairs; i++) {
		e = element(a);
		cJSON_AddStringToObject(e, "nic", t->pairs[i].nic->pci->iface);
		cJSON_AddStringToObject(e, "gpu", t->pairs[i].exporter->name);
		add_verdict(e, "receive", &t->pairs[i].receive);
		add_verdict(e, "send", &t->pairs[i].send);
	}
	text = cJSON_Print(o);
	fprintf(f, "%s\n", text ? text : "{}");
	free(text);
	cJSON_Delete(o);
}

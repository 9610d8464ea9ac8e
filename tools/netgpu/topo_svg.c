// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The tree as a picture: bridges from left to right, and on the right a line from each network device to each GPU. */
#include <libnetgpu.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "topo.h"

#define ROW	46	/* all in pixels */
#define STEP	56
#define BOX	30
#define WIDTH	430
#define MARGIN	24
#define HEAD	70
#define ARC	46
#define LANE	30	/* from one line to the next */
#define SAID	44	/* what is said of each */

struct place {
	int x, y;	/* of the box's left edge, and of its middle */
};

struct picture {
	const struct topo *t;
	struct place *places;	/* of each device */
	int rows, right;
	FILE *f;
};

static const char *colour(const struct verdict *v)
{
	if (v->ok == NO)
		return v->is_command && v->where == NETGPU_WHERE_DEVICE ? "#b58900" : "#b3261e";
	if (v->where != NETGPU_WHERE_DEVICE)
		return "#b3261e";
	return v->ok == YES ? "#1b7f3b" : "#b58900";
}

static void put_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", f);
		else if (*text == '&')
			fputs("&amp;", f);
		else if (*text == '"')
			fputs("&quot;", f);
		else
			fputc((unsigned char)*text < ' ' || (unsigned char)*text > '~' ? '?' : *text, f);
	}
}

static const struct place *place_of(const struct picture *p, const struct pci_device *d)
{
	return &p->places[d - p->t->tree.devices];
}

static void line_to(const struct picture *p, int x, int from, int to, int end)
{
	fprintf(p->f, "<path d=\"M%d %d V%d H%d\" class=\"wire\"/>\n", x, from, to, end);
}

static void box(const struct picture *p, const struct pci_device *d)
{
	const struct place *at = place_of(p, d);
	const char *class = pci_is_nic(d) ? "nic" : pci_is_exporter(d) ? "gpu" : "bridge";
	char text[256];

	topo_describe(p->t, d, text, sizeof(text));
	fprintf(p->f, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\" class=\"%s\"/>\n", at->x, at->y - BOX / 2,
		p->right - at->x, BOX, class);
	fprintf(p->f, "<text x=\"%d\" y=\"%d\"><tspan class=\"address\">%s</tspan> ", at->x + 10, at->y + 5, d->address);
	put_text(p->f, text);
	fputs("</text>\n", p->f);
}

/* The rows below a bridge, or a root. */
static void draw_below(struct picture *p, const struct pci_device *parent, const char *root, int depth, int from)
{
	const struct pci_tree *tree = &p->t->tree;
	const int x = MARGIN + depth * STEP;
	unsigned int i;

	for (i = 0; i < tree->count; i++) {
		const struct pci_device *d = &tree->devices[i];

		if (!d->shown || d->parent != parent || strcmp(d->root, root))
			continue;
		p->places[i] = (struct place) { .x = x, .y = HEAD + p->rows++ * ROW };
		line_to(p, x - STEP / 2, from, p->places[i].y, x);
		box(p, d);
		draw_below(p, d, root, depth + 1, p->places[i].y + BOX / 2);
	}
}

static int depth_of(const struct pci_device *d)
{
	int depth = 1;

	for (; d->parent; d = d->parent)
		depth++;
	return depth;
}

/* A line from who sends to where it lands, with its number; below the tree what there is to say of it. */
static void draw_pair(const struct picture *p, const struct pair *pair, int number)
{
	const struct place *from = place_of(p, pair->nic->pci), *to = place_of(p, pair->exporter->pci);
	const int out = p->right + ARC + LANE * number, middle = (from->y + to->y) / 2;
	const int below = HEAD + p->rows * ROW + SAID * number;
	const char *ink = colour(&pair->receive);
	char text[1024];

	fprintf(p->f, "<path d=\"M%d %d H%d V%d H%d\" class=\"pair\" stroke=\"%s\"/>\n", p->right, from->y + 4, out, to->y - 4,
		p->right + 9, ink);
	fprintf(p->f, "<path d=\"M%d %d l9 -5 v10 z\" fill=\"%s\"/>\n", p->right + 1, to->y - 4, ink);
	fprintf(p->f, "<circle cx=\"%d\" cy=\"%d\" r=\"10\" fill=\"%s\"/><text x=\"%d\" y=\"%d\" class=\"number\">%d</text>\n",
		out, middle, ink, out, middle + 5, number + 1);
	fprintf(p->f, "<circle cx=\"%d\" cy=\"%d\" r=\"10\" fill=\"%s\"/><text x=\"%d\" y=\"%d\" class=\"number\">%d</text>\n",
		MARGIN + 10, below - 5, ink, MARGIN + 10, below, number + 1);
	fprintf(p->f, "<text x=\"%d\" y=\"%d\">", MARGIN + 28, below);
	put_text(p->f, pair->nic->pci->iface);
	fputs(" into ", p->f);
	put_text(p->f, pair->exporter->name);
	fputs(": ", p->f);
	put_text(p->f, verdict_in_words(&pair->receive, text, sizeof(text)));
	fprintf(p->f, "</text>\n<text x=\"%d\" y=\"%d\" class=\"help\">", MARGIN + 28, below + 17);
	put_text(p->f, pair->receive.help);
	fputs("</text>\n", p->f);
}

static const char style[] =
	"<style>text{font:13px sans-serif;fill:#1d1d1f} .head{font-size:18px;font-weight:bold} .address{font-family:monospace;fill:#666}"
	" .wire{fill:none;stroke:#999;stroke-width:1.5} rect{stroke-width:1.5} .bridge{fill:#f4f4f5;stroke:#bbb}"
	" .nic{fill:#e3f0fd;stroke:#3b82c4} .gpu{fill:#e9f6ec;stroke:#3c9a5b} .pair{fill:none;stroke-width:2.5}"
	" .number{fill:#fff;text-anchor:middle;font-weight:bold} .help{fill:#666;font-style:italic}</style>\n";

void topo_print_svg(const struct topo *t, FILE *f)
{
	struct picture p = { .t = t, .f = f, .places = calloc(t->tree.count + 1, sizeof(struct place)) };
	int deepest = 1, shown = 0, width, height;
	const char *before = "";
	unsigned int i;

	for (i = 0; i < t->tree.count; i++) {
		const struct pci_device *d = &t->tree.devices[i];

		if (!d->shown)
			continue;
		shown += 1 + (strcmp(d->root, before) != 0);
		before = d->root;
		deepest = depth_of(d) > deepest ? depth_of(d) : deepest;
	}
	p.right = MARGIN + deepest * STEP + WIDTH;
	width = p.right + ARC + LANE * (int)t->nr_pairs + MARGIN;
	if (width < 1000)
		width = 1000;
	height = HEAD + shown * ROW + SAID * (int)t->nr_pairs + MARGIN;
	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n", width, height, width, height);
	fputs(style, f);
	fprintf(f, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", width, height);
	fprintf(f, "<text x=\"%d\" y=\"32\" class=\"head\">netgpu topo: what receives where, Linux ", MARGIN);
	put_text(f, t->host.release);
	fputs("</text>\n", f);
	before = "";
	for (i = 0; p.places && i < t->tree.count; i++) {
		const struct pci_device *d = &t->tree.devices[i];
		int y;

		if (!d->shown || !strcmp(d->root, before))
			continue;
		before = d->root;
		y = HEAD + p.rows++ * ROW;
		fprintf(f, "<text x=\"%d\" y=\"%d\">%s: host bridge%s</text>\n", MARGIN, y + 5, d->root,
			pci_root_trusted(&t->tree, d->root, true) ? "" : ", which Linux does not know to connect devices");
		draw_below(&p, NULL, d->root, 1, y + BOX / 2);
	}
	for (i = 0; p.places && i < t->nr_pairs; i++)
		draw_pair(&p, &t->pairs[i], i);
	fputs("</svg>\n", f);
	free(p.places);
}

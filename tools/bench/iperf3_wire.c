// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "iperf3_wire.h"

/* Input grows with what has come, not with what was announced. */
static int collect(struct wire *w, const char **data, size_t *len)
{
	size_t n = w->need - w->have;

	if (n > *len)
		n = *len;
	if (w->have + n > w->cap) {
		size_t cap = w->cap ? w->cap : 1024;
		char *in;

		while (cap < w->have + n)
			cap *= 2;
		in = realloc(w->in, cap);
		if (!in)
			return -ENOMEM;
		w->in = in;
		w->cap = cap;
	}
	memcpy(w->in + w->have, *data, n);
	w->have += n;
	*data += n;
	*len -= n;
	return w->have == w->need;
}

int wire_take(struct wire *w, enum wire_item item, size_t json_max,
	      const char **data, size_t *len)
{
	uint32_t length;
	int ret;

	if (w->whole) {
		w->whole = w->body = false;
		w->have = 0;
	}
	if (!w->body)
		w->need = item == WIRE_COOKIE ? COOKIE_SIZE :
			  item == WIRE_JSON ? sizeof(length) :
			  item == WIRE_ERROR ? 2 * sizeof(length) : 1;
	ret = collect(w, data, len);
	if (ret <= 0)
		return ret;
	if (item == WIRE_JSON && !w->body) {
		memcpy(&length, w->in, sizeof(length));
		length = ntohl(length);
		if (!length || length > json_max)
			return -EMSGSIZE;
		w->body = true;
		w->have = 0;
		w->need = length;
		ret = collect(w, data, len);
		if (ret <= 0)
			return ret;
	}
	w->whole = true;
	return 1;
}

void wire_free(struct wire *w)
{
	free(w->in);
}

/* 1 and *@value, 0 when absent, -1 when it is not such a number. */
static int get_number(const cJSON *json, const char *name, double min,
		      double max, double *value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

	if (!item || cJSON_IsNull(item))
		return 0;
	if (cJSON_IsBool(item)) {
		*value = cJSON_IsTrue(item);
		return 1;
	}
	if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble) ||
	    item->valuedouble < min || item->valuedouble > max)
		return -1;
	*value = item->valuedouble;
	return 1;
}

static bool get_flag(const cJSON *json, const char *name)
{
	double v = 0;

	return get_number(json, name, -1e18, 1e18, &v) == 1 && v;
}

static const char *get_string(const cJSON *json, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

/* A field of the parameters with its limits and what to say beyond them. */
struct limit {
	const char *name;
	double min, max;
	enum iperf_error error;
};

static const struct limit limits[] = {
	{ "time",	0, 86400,	IE_DURATION },
	{ "omit",	0, 600,		IE_OMIT },
	{ "parallel",	1, MAX_STREAMS,	IE_STREAMS },
	{ "window",	0, 512 << 20,	IE_BUFSIZE },
	{ "MSS",	0, 32767,	IE_MSS },
	{ "len",	0, 1 << 20,	IE_RECVPARAMS },
	{ "TOS",	0, 255,		IE_RECVPARAMS },
	{ "num",	0, 0x1p63,	IE_RECVPARAMS },
	{ "blockcount",	0, 0x1p63,	IE_RECVPARAMS },
	{ "bandwidth",	0, 0x1p63,	IE_RECVPARAMS },
	{ "fqrate",	0, 0x1p63,	IE_RECVPARAMS },
	{ "get_server_output", 0, 1,	IE_RECVPARAMS },
};

static bool refuse(struct refusal *refusal, enum iperf_error error, int err,
		   const char *why)
{
	*refusal = (struct refusal) { error, err, why };
	return false;
}

bool parameters_parse(struct parameters *p, const struct cJSON *json,
		      struct refusal *why)
{
	double v[ARRAY_SIZE(limits)] = { [2] = 1 };
	const char *text;
	size_t i;

	if (get_flag(json, "udp"))
		return refuse(why, IE_INITTEST, EPROTONOSUPPORT,
			      "the client asked for UDP; there is only TCP");
	if (get_flag(json, "sctp"))
		return refuse(why, IE_NOSCTP, EPROTONOSUPPORT,
			      "the client asked for SCTP; there is only TCP");
	if (!get_flag(json, "tcp"))
		return refuse(why, IE_RECVPARAMS, EPROTO,
			      "the client named no protocol");
	p->reverse = get_flag(json, "reverse");
	p->bidir = get_flag(json, "bidirectional");
	if (cJSON_GetObjectItemCaseSensitive(json, "authtoken"))
		return refuse(why, IE_AUTHTEST, EOPNOTSUPP,
			      "the client wants to log in; this server has no users");
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct limit *l = &limits[i];

		if (get_number(json, l->name, l->min, l->max, &v[i]) < 0)
			return refuse(why, l->error, EINVAL,
				      "the client sent parameters out of range");
	}
	p->seconds = v[0];
	p->omit = v[1];
	p->parallel = v[2];
	p->window = v[3];
	p->mss = v[4];
	p->length = v[5];
	p->tos = v[6];
	p->bytes = v[7];
	p->blocks = v[8];
	p->bandwidth = v[9];
	p->fq_rate = v[10];
	p->server_output = v[11];
	text = get_string(json, "congestion");
	if (text)
		snprintf(p->congestion, sizeof(p->congestion), "%s", text);
	text = get_string(json, "client_version");
	if (text)
		snprintf(p->version, sizeof(p->version), "%s", text);
	text = get_string(json, "title");
	if (text)
		p->title = strdup(text);
	text = get_string(json, "extra_data");
	if (text)
		p->extra = strdup(text);
	return true;
}

void parameters_free(struct parameters *p)
{
	free(p->title);
	free(p->extra);
}

bool results_parse(struct results *r, const struct cJSON *json)
{
	const cJSON *streams, *item;
	const char *text;
	double v;

	memset(r, 0, sizeof(*r));
	streams = cJSON_GetObjectItemCaseSensitive(json, "streams");
	if (!cJSON_IsArray(streams))
		return false;
	if (get_number(json, "cpu_util_total", 0, 1e9, &v) == 1)
		r->cpu_total = v;
	if (get_number(json, "cpu_util_user", 0, 1e9, &v) == 1)
		r->cpu_user = v;
	if (get_number(json, "cpu_util_system", 0, 1e9, &v) == 1)
		r->cpu_system = v;
	text = get_string(json, "congestion_used");
	if (text)
		snprintf(r->congestion, sizeof(r->congestion), "%s", text);

	cJSON_ArrayForEach(item, streams) {
		struct stream_results *st = &r->streams[r->nr_streams];

		if (r->nr_streams == 2 * MAX_STREAMS)
			break;
		if (get_number(item, "id", 1, 2 * MAX_STREAMS + 2, &v) != 1)
			continue;
		r->nr_streams++;
		st->id = v;
		st->retransmits = st->seconds = -1;
		st->has_bytes = get_number(item, "bytes", 0, 0x1p63, &v) == 1;
		if (st->has_bytes)
			st->bytes = v;
		if (get_number(item, "retransmits", 0, 0x1p53, &v) == 1)
			st->retransmits = v;
		if (get_number(item, "end_time", 0, 1e9, &v) == 1)
			st->seconds = v;
	}
	return true;
}

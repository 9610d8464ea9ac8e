/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * What a network device was like before "netgpu setup", until reset has put it
 * back: /run/netgpu/NAMESPACE-IFINDEX.json.  A device keeps its index when it
 * is renamed; another one that comes to it has another address.
 */
#ifndef NETGPU_STATE_H
#define NETGPU_STATE_H

#include <stddef.h>

struct cJSON;

/* Which device, and who holds the lock on all states. */
struct state_key {
	const char *dev;
	unsigned int ifindex;
	char address[64];	/* permanent */
	char path[96];
	int lock;		/* -1: not held */
};

/* 0 or -errno, having complained. Waits for others that set up a device. */
int state_lock(struct state_key *key, const char *dev, unsigned int ifindex);
void state_unlock(struct state_key *key);

/* With the lock held. NULL when nothing is known, or of an earlier device. */
struct cJSON *state_load(const struct state_key *key);
/* An empty one; NULL when there is no memory. */
struct cJSON *state_new(const struct state_key *key);
/* Replaces what is there at once. 0 or -errno, having complained. */
int state_store(const struct state_key *key, const struct cJSON *state);
void state_forget(const struct state_key *key);

#endif

// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "state.h"

#define STATE_DIR	"/run/netgpu"
#define STATE_MAX	(1 << 20)	/* bytes */

static void permanent_address(struct state_key *key)
{
	struct {
		struct ethtool_perm_addr head;
		unsigned char bytes[20];
	} perm = { .head = { .cmd = ETHTOOL_GPERMADDR, .size = sizeof(perm.bytes) } };
	struct ifreq ifr = { .ifr_data = (char *)&perm };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned int i;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", key->dev);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &ifr))
		perm.head.size = 0;
	for (i = 0; i < perm.head.size && i < sizeof(perm.bytes); i++)
		sprintf(key->address + 3 * (size_t)i, "%s%02x", i ? ":" : "",
			perm.head.data[i]);
	if (fd >= 0)
		close(fd);
}

int state_lock(struct state_key *key, const char *dev, unsigned int ifindex)
{
	struct stat ns;
	int ret;

	memset(key, 0, sizeof(*key));
	key->dev = dev;
	key->ifindex = ifindex;
	permanent_address(key);
	if (stat("/proc/self/ns/net", &ns))
		ns.st_ino = 0;
	snprintf(key->path, sizeof(key->path), STATE_DIR "/%llu-%u.json",
		 (unsigned long long)ns.st_ino, ifindex);

	mkdir(STATE_DIR, 0755);
	/* Nobody else may open it, or anyone could keep others waiting. */
	key->lock = open(STATE_DIR "/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			 0600);
	ret = key->lock < 0 ? -errno : 0;
	/* ENOSYS: a kernel so small that it has no file locks. */
	if (!ret && flock(key->lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		complain("%s: waiting for another netgpu setup or reset", dev);
		while ((ret = flock(key->lock, LOCK_EX) ? -errno : 0) == -EINTR)
			;
	}
	if (ret) {
		complain("%s: what is there now cannot be kept: " STATE_DIR "/lock: %s",
			 dev, strerror(-ret));
		state_unlock(key);
	}
	return ret;
}

void state_unlock(struct state_key *key)
{
	if (key->lock >= 0)
		close(key->lock);
	key->lock = -1;
}

/* As state_load(), whatever device it is about. */
static cJSON *read_state(const char *path)
{
	cJSON *state = NULL;
	struct stat st;
	char *text;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size <= STATE_MAX &&
	    (text = malloc(st.st_size + 1))) {
		n = read(fd, text, st.st_size);
		if (n > 0)
			state = cJSON_ParseWithLength(text, n);
		free(text);
	}
	close(fd);
	return state;
}

cJSON *state_load(const struct state_key *key)
{
	cJSON *state = read_state(key->path);
	const char *address;

	if (!state)
		return NULL;
	address = cJSON_GetStringValue(cJSON_GetObjectItem(state, "address"));
	if (address && !strcmp(address, key->address))
		return state;
	complain("%s: %s is about an earlier device; it is ignored", key->dev,
		 key->path);
	cJSON_Delete(state);
	return NULL;
}

cJSON *state_new(const struct state_key *key)
{
	cJSON *state = cJSON_CreateObject();

	cJSON_AddStringToObject(state, "interface", key->dev);
	cJSON_AddStringToObject(state, "address", key->address);
	return state;
}

static int write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	bool good;

	if (!f)
		return -errno;
	good = fprintf(f, "%s\n", text) > 0;
	good = !fclose(f) && good;
	return good ? 0 : -errno;
}

int state_store(const struct state_key *key, const cJSON *state)
{
	char temporary[sizeof(key->path) + 4], *text = cJSON_Print(state);
	int ret;

	snprintf(temporary, sizeof(temporary), "%s.new", key->path);
	ret = text ? write_file(temporary, text) : -ENOMEM;
	if (!ret && rename(temporary, key->path))
		ret = -errno;
	cJSON_free(text);
	if (ret) {
		unlink(temporary);
		complain("%s: what is there now cannot be kept: %s: %s",
			 key->dev, key->path, strerror(-ret));
	}
	return ret;
}

void state_forget(const struct state_key *key)
{
	unlink(key->path);
}

// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * What fi_info says of the network device, from sysfs (Documentation/ABI/testing/sysfs-class-net): programs look for the one
 * that is next to their GPU, or processor.
 *
 * Each part is allocated by itself, as libfabric has it: it copies such objects with our functions in them.
 */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider.h"

static int nic_close(struct fid *fid)
{
	struct fid_nic *nic = (struct fid_nic *)fid;

	if (nic->device_attr) {
		free(nic->device_attr->name);
		free(nic->device_attr->device_id);
		free(nic->device_attr->device_version);
		free(nic->device_attr->vendor_id);
		free(nic->device_attr->driver);
		free(nic->device_attr->firmware);
	}
	free(nic->device_attr);
	free(nic->bus_attr);
	if (nic->link_attr) {
		free(nic->link_attr->address);
		free(nic->link_attr->network_type);
	}
	free(nic->link_attr);
	free(nic);
	return 0;
}

/* False without memory. */
static bool copy(char **to, const char *from)
{
	if (!from)
		return true;
	*to = strdup(from);
	return *to;
}

static int nic_control(struct fid *fid, int command, void *arg);

static int nic_tostr(const struct fid *fid, char *text, size_t room)
{
	static const char *const states[] = { [FI_LINK_UNKNOWN] = "unknown", [FI_LINK_DOWN] = "down", [FI_LINK_UP] = "up" };
	const struct fid_nic *nic = (const struct fid_nic *)fid;
	const struct fi_pci_attr *pci = &nic->bus_attr->attr.pci;
	const struct fi_link_attr *link = nic->link_attr;
	size_t had = strnlen(text, room);

	snprintf(text + had, room - had,
		 "fi_nic:\n        fi_device_attr:\n            name: %s\n            driver: %s\n"
		 "        fi_bus_attr:\n            bus: %s %04x:%02x:%02x.%x\n"
		 "        fi_link_attr:\n            address: %s\n            mtu: %zu\n            speed: %zu\n            state: %s\n",
		 nic->device_attr->name, nic->device_attr->driver ?: "none",
		 nic->bus_attr->bus_type == FI_BUS_PCI ? "PCI" : "none", pci->domain_id, pci->bus_id, pci->device_id, pci->function_id,
		 link->address ?: "none", link->mtu, link->speed, states[link->state]);
	return 0;
}

static struct fi_ops nic_ops = {
	.size = sizeof(struct fi_ops),
	.close = nic_close,
	.control = nic_control,
	.tostr = nic_tostr,
};

static struct fid_nic *nic_alloc(void)
{
	struct fid_nic *nic = calloc(1, sizeof(*nic));

	if (!nic)
		return NULL;
	nic->fid.fclass = FI_CLASS_NIC;
	nic->fid.ops = &nic_ops;
	nic->device_attr = calloc(1, sizeof(*nic->device_attr));
	nic->bus_attr = calloc(1, sizeof(*nic->bus_attr));
	nic->link_attr = calloc(1, sizeof(*nic->link_attr));
	if (nic->device_attr && nic->bus_attr && nic->link_attr)
		return nic;
	nic_close(&nic->fid);
	return NULL;
}

static int nic_control(struct fid *fid, int command, void *arg)
{
	const struct fid_nic *from = (const struct fid_nic *)fid;
	const struct fi_device_attr *device = from->device_attr;
	struct fid_nic *to;

	if (command != FI_DUP)
		return -FI_ENOSYS;
	to = nic_alloc();
	if (!to)
		return -FI_ENOMEM;
	*to->bus_attr = *from->bus_attr;
	to->link_attr->mtu = from->link_attr->mtu;
	to->link_attr->speed = from->link_attr->speed;
	to->link_attr->state = from->link_attr->state;
	if (!copy(&to->device_attr->name, device->name) || !copy(&to->device_attr->device_id, device->device_id) ||
	    !copy(&to->device_attr->device_version, device->device_version) ||
	    !copy(&to->device_attr->vendor_id, device->vendor_id) || !copy(&to->device_attr->driver, device->driver) ||
	    !copy(&to->device_attr->firmware, device->firmware) || !copy(&to->link_attr->address, from->link_attr->address) ||
	    !copy(&to->link_attr->network_type, from->link_attr->network_type)) {
		nic_close(&to->fid);
		return -FI_ENOMEM;
	}
	*(struct fid_nic **)arg = to;
	return 0;
}

/* The line in a file below the device's directory; NULL when there is none, or no memory. */
static char *attribute(const char *device, const char *file)
{
	char path[PATH_MAX], line[256];
	char *text = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", device, file);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	if (fgets(line, sizeof(line), f))
		text = strndup(line, strcspn(line, "\n"));
	fclose(f);
	return text;
}

static size_t number(const char *device, const char *file)
{
	char *text = attribute(device, file);
	long long n = text ? strtoll(text, NULL, 0) : 0;

	free(text);
	return n > 0 ? n : 0;
}

/* Where a link of it leads to, without the way; NULL when there is none, or no memory. */
static char *target(const char *device, const char *name)
{
	char path[PATH_MAX], to[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", device, name);
	n = readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return NULL;
	to[n] = 0;
	return strdup(basename(to));
}

struct fid_nic *nic_of(const char *device)
{
	struct fid_nic *nic = nic_alloc();
	unsigned int domain, bus, slot, function;
	char *address, *state, *subsystem;

	if (!nic)
		return NULL;
	if (!copy(&nic->device_attr->name, device) || !copy(&nic->link_attr->network_type, "Ethernet")) {
		nic_close(&nic->fid);
		return NULL;
	}
	nic->device_attr->device_id = attribute(device, "device/device");
	nic->device_attr->vendor_id = attribute(device, "device/vendor");
	nic->device_attr->device_version = attribute(device, "device/revision");
	nic->device_attr->driver = target(device, "device/driver");
	subsystem = target(device, "device/subsystem");
	address = target(device, "device");
	if (subsystem && !strcmp(subsystem, "pci") && address &&
	    sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function) == 4) {
		nic->bus_attr->bus_type = FI_BUS_PCI;
		nic->bus_attr->attr.pci = (struct fi_pci_attr) {
			.domain_id = domain, .bus_id = bus, .device_id = slot, .function_id = function,
		};
	}
	free(address);
	free(subsystem);
	nic->link_attr->address = attribute(device, "address");
	nic->link_attr->mtu = number(device, "mtu");
	nic->link_attr->speed = number(device, "speed") * 1000000;	/* Mbit/s there, bit/s here */
	state = attribute(device, "operstate");
	if (state && !strcmp(state, "up"))
		nic->link_attr->state = FI_LINK_UP;
	else if (state && !strcmp(state, "down"))
		nic->link_attr->state = FI_LINK_DOWN;
	free(state);
	return nic;
}

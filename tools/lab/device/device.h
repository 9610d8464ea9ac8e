/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * An emulated GPU as PCI sees it: BARs, configuration space, a ROM, interrupts, and faults on demand.
 *
 * A generation embeds struct device, fills in what is its own, and calls device_init(). All of it runs in one thread:
 * messages of the client, and between them the engines (engine.h).
 *
 * The files here call only those before them in this order, and what is above them by the functions that it has filled in:
 * vfio_user, pci, expansion_rom; device; registers; memory; engine; control; server.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pci.h"
#include "vfio_user.h"

#define container_of(pointer, type, member)	((type *)((char *)(pointer) - offsetof(type, member)))
#define ARRAY_SIZE(array)			(sizeof(array) / sizeof(*(array)))

struct device;
struct engine;
struct registers;

/* A BAR. Those with an odd number in between belong to the 64-bit one before them, and stay empty. */
struct bar {
	uint64_t size;		/* bytes, a power of two; 0: there is none */
	uint32_t flags;		/* PCI_BASE_ADDRESS_MEM_* */
	int fd;			/* memory, which the client maps from its start; -1: registers, where each access is a call */
	uint8_t *memory;	/* where that is mapped here */
	/* Both return 0 or an errno value; they may be NULL for memory. The access is inside of the BAR. */
	int (*read)(struct device *device, uint64_t offset, void *data, size_t count);
	int (*write)(struct device *device, uint64_t offset, const void *data, size_t count);
};

/* What a generation does. All but reset may be NULL where it has nothing of the kind. */
struct device_ops {
	const char *name;		/* of the program, before what it says */
	struct pci_ids ids;
	/* to the state that the card's BIOS leaves behind */
	void (*reset)(struct device *device);
	/* configuration space is about to be written to */
	void (*config_write)(struct device *device, uint64_t offset, const void *data, size_t count);
	/* interrupts were lost on demand, and are not any more: signal what waits */
	void (*interrupts_pass)(struct device *device);
	/* memory.h: where an address is, and what happens when it is nowhere */
	void *(*translate)(struct device *device, uint64_t space, uint64_t address, size_t *length, bool write, uint32_t *cause);
	void (*fault)(struct device *device, uint64_t space, uint64_t address, bool write, uint32_t cause);
	/* what is due besides the engines' work; ms until it is to be asked again at the latest, -1: not for the time alone */
	int (*later)(struct device *device);
	/* figures of its own, as JSON: each ", " and a key with its value */
	void (*figures)(struct device *device, int fd);
};

/* Faults on demand (control.h) */
struct faults {
	bool vanished;			/* off the bus: reads are all ones, writes lost, engines stand still */
	bool interrupts_dropped;	/* all of them */
	unsigned int interrupts_lose;	/* the next so many */
	unsigned int reset_takes;	/* ms that registers do not answer after the driver's reset */
	uint64_t absent_until;		/* ms, CLOCK_MONOTONIC */
	int bar;			/* whose register reads are all ones; -1: none's */
	bool all;			/* each of its registers, or the 32-bit one at: */
	uint64_t offset;
	uint64_t times;			/* how often yet */
};

struct device_count {
	uint64_t register_reads, register_writes, failed_reads, unknown_registers;
	uint64_t interrupts, interrupts_lost, resets;
	uint64_t faults, unreachable_bytes, unknown_packets, bytes_copied, bytes_filled;
};

struct device {
	/* Set by the generation. */
	const struct device_ops *ops;
	struct bar bar[PCI_STD_NUM_BARS];
	const uint8_t *rom;
	uint32_t rom_size;		/* bytes, a power of two; 0: there is none */
	bool intx;			/* it has INTA, besides MSI */
	struct registers *registers;	/* registers.h; NULL: it has registers of its own manner */
	struct engine *engine;		/* engine.h */
	unsigned int engines;

	struct vfio_user user;
	struct pci pci;
	struct pci at_power_on;
	bool intx_level;		/* what the device wants; the client hears of it when nothing is in between */
	struct faults faults;
	struct device_count count;
};

/**
 * device_init - configuration space and what the client sees, out of what the generation has set
 * @device: as the generation has set it, the rest zero.
 *
 * Capabilities that only this generation has are added to @device->pci after it (pci.h).
 */
void device_init(struct device *device);

/* device_bar_memory - let a BAR show the first size bytes of a file; false with errno */
bool device_bar_memory(struct device *device, unsigned int index, int fd, uint64_t size, uint32_t flags);

/* device_power_on - as it was at first: reset, and configuration space, too, which the driver's own reset leaves */
void device_power_on(struct device *device);

/* device_reset - all of it, as by the bus; counted */
void device_reset(struct device *device);

/* device_absent - after a reset by the driver: its registers may not answer for a while, on demand */
void device_absent(struct device *device);

/**
 * device_guest_memory - memory of the guest, or of another device, by its address on the bus
 * @device: the device, which has to be bus master (that is not looked at: drivers set it).
 * @address: where.
 * @length: bytes wanted; becomes how many of them are there in one piece.
 * @write: is it to be written to?
 *
 * Return: where it is mapped until the next message is served, or NULL.
 */
void *device_guest_memory(struct device *device, uint64_t address, size_t *length, bool write);

/* device_message - signal MSI; false when it is lost, which is counted, on demand or as the driver has not enabled it */
bool device_message(struct device *device);

/* device_has_messages - has the driver enabled MSI? */
bool device_has_messages(const struct device *device);

/* device_intx - the level of INTA */
void device_intx(struct device *device, bool asserted);

/* device_gone - is it off the bus, on demand? */
static inline bool device_gone(const struct device *device)
{
	return device->faults.vanished;
}

#endif

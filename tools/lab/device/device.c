// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "device.h"

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_absent(struct faults *faults)
{
	if (faults->absent_until && now_ms() >= faults->absent_until)
		faults->absent_until = 0;
	return faults->absent_until;
}

void device_absent(struct device *device)
{
	struct faults *faults = &device->faults;

	faults->absent_until = faults->reset_takes ? now_ms() + faults->reset_takes : 0;
}

/* read_fails - is this read of registers to fail, on demand? */
static bool read_fails(struct device *device, unsigned int index, uint64_t offset, size_t count)
{
	struct faults *faults = &device->faults;

	if (!faults->times || faults->bar != (int)index)
		return false;
	if (!faults->all && (offset >= faults->offset + 4 || faults->offset >= offset + count))
		return false;
	if (faults->times != UINT64_MAX)
		faults->times--;
	device->count.failed_reads++;
	return true;
}

static int bar_read(struct device *device, unsigned int index, uint64_t offset, void *data, size_t count)
{
	const struct bar *bar = &device->bar[index];
	int err;

	if (bar->memory && !bar->read) {
		memcpy(data, bar->memory + offset, count);
		return 0;
	}
	if (!bar->read)
		return EINVAL;
	if (bar->fd >= 0)
		return bar->read(device, offset, data, count);

	device->count.register_reads++;
	if (is_absent(&device->faults)) {
		memset(data, 0xff, count);
		return 0;
	}
	err = bar->read(device, offset, data, count);
	if (!err && read_fails(device, index, offset, count))
		memset(data, 0xff, count);
	return err;
}

static int bar_write(struct device *device, unsigned int index, uint64_t offset, const void *data, size_t count)
{
	const struct bar *bar = &device->bar[index];

	if (bar->memory && !bar->write) {
		memcpy(bar->memory + offset, data, count);
		return 0;
	}
	if (!bar->write)
		return EINVAL;
	if (bar->fd < 0) {
		device->count.register_writes++;
		if (is_absent(&device->faults))
			return 0;
	}
	return bar->write(device, offset, data, count);
}

static int read_region(void *opaque, unsigned int region, uint64_t offset, void *data, size_t count)
{
	struct device *device = opaque;

	if (device_gone(device)) {
		memset(data, 0xff, count);
		return 0;
	}
	switch (region) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		pci_read(&device->pci, offset, data, count);
		return 0;
	case VFIO_PCI_ROM_REGION_INDEX:
		memcpy(data, device->rom + offset, count);
		return 0;
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX:
		return bar_read(device, region, offset, data, count);
	default:
		return EINVAL;
	}
}

/* lost - is this interrupt to be lost, on demand? */
static bool lost(struct faults *faults)
{
	if (faults->vanished || faults->interrupts_dropped)
		return true;
	if (!faults->interrupts_lose)
		return false;
	faults->interrupts_lose--;
	return true;
}

/* intx_update - tell the client of INTA, unless the guest has it disabled */
static void intx_update(struct device *device)
{
	bool asserted;

	if (!device->intx)
		return;
	asserted = pci_intx(&device->pci, device->intx_level) && device->intx_level;
	if (asserted == device->user.intx_asserted)
		return;
	if (asserted && lost(&device->faults)) {
		device->count.interrupts_lost++;
		return;
	}
	vfio_user_intx(&device->user, asserted);
	device->count.interrupts += asserted;
}

static int write_region(void *opaque, unsigned int region, uint64_t offset, const void *data, size_t count)
{
	struct device *device = opaque;

	if (device_gone(device))
		return 0;
	switch (region) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		if (device->ops->config_write)
			device->ops->config_write(device, offset, data, count);
		pci_write(&device->pci, offset, data, count);
		intx_update(device);
		return 0;
	case VFIO_PCI_ROM_REGION_INDEX:
		return 0;
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX:
		return bar_write(device, region, offset, data, count);
	default:
		return EINVAL;
	}
}

void device_reset(struct device *device)
{
	device->ops->reset(device);
	device->count.resets++;
}

void device_power_on(struct device *device)
{
	device_reset(device);
	device->pci = device->at_power_on;
	device->faults.absent_until = 0;
	device_intx(device, false);
}

static void reset(void *opaque)
{
	struct device *device = opaque;

	if (!device_gone(device))
		device_reset(device);
}

void device_init(struct device *device)
{
	const uint32_t both = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	struct vfio_user *user = &device->user;
	unsigned int i;

	device->faults.bar = -1;
	user->device = device;
	user->read = read_region;
	user->write = write_region;
	user->reset = reset;
	user->irqs[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	user->irqs[VFIO_PCI_ERR_IRQ_INDEX] = 1;
	user->irqs[VFIO_PCI_REQ_IRQ_INDEX] = 1;

	pci_init(&device->pci, &device->ops->ids);
	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		const struct bar *bar = &device->bar[i];

		if (!bar->size)
			continue;
		pci_add_bar(&device->pci, i, bar->size, bar->flags);
		user->region[i] = (struct vfio_user_region){
			.size = bar->size, .flags = both | (bar->fd < 0 ? 0 : VFIO_REGION_INFO_FLAG_MMAP), .fd = bar->fd,
		};
	}
	if (device->rom_size) {
		pci_add_rom(&device->pci, device->rom_size);
		user->region[VFIO_PCI_ROM_REGION_INDEX] =
			(struct vfio_user_region){ device->rom_size, VFIO_REGION_INFO_FLAG_READ, -1 };
	}
	user->region[VFIO_PCI_CONFIG_REGION_INDEX] = (struct vfio_user_region){ sizeof(device->pci.config), both, -1 };
	pci_add_endpoint(&device->pci);
	if (device->intx) {
		pci_add_intx(&device->pci);
		user->irqs[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	}
	device->ops->reset(device);
}

bool device_bar_memory(struct device *device, unsigned int index, int fd, uint64_t size, uint32_t flags)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return false;
	device->bar[index] = (struct bar){ .size = size, .flags = flags, .fd = fd, .memory = memory };
	return true;
}

void *device_guest_memory(struct device *device, uint64_t address, size_t *length, bool write)
{
	return vfio_user_memory(&device->user, address, length, write);
}

bool device_message(struct device *device)
{
	if (lost(&device->faults) || !vfio_user_interrupt(&device->user, VFIO_PCI_MSI_IRQ_INDEX, 0)) {
		device->count.interrupts_lost++;
		return false;
	}
	device->count.interrupts++;
	return true;
}

bool device_has_messages(const struct device *device)
{
	return vfio_user_listens(&device->user, VFIO_PCI_MSI_IRQ_INDEX, 0);
}

void device_intx(struct device *device, bool asserted)
{
	device->intx_level = asserted;
	intx_update(device);
}

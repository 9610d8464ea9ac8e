# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""The machine that QEMU emulates: a NIC that splits headers and a device with memory, and what the lab needs around them.

Topologies, words joined by "," (the first is the default):
  switch     the NIC and VRAM below one PCIe switch: peer-to-peer by bus address
  rootports  each below a root port of its own: the way leads through the host bridge
  novram     no VRAM
  nonic      no NIC
  nic2       a second NIC below the same switch (or a root port of its own)
  radeon     an emulated GPU (radeon/), which amdgpu drives, beside the others in the same way
  geforce    an emulated GPU (geforce/), which nouveau drives, in its place
  tesla      an emulated GPU (tesla/), which nouveau drives, too, whose BAR shows what an MMU says
  dg1        an emulated GPU (dg1/), which i915 drives, in its place
  sleepy     the power of the GPU's port can be turned off, says ACPI: amdgpu lets it sleep then, with runpm=-1
  epyc       a CPU whose host bridge Linux trusts with peer-to-peer
  iommu      an emulated Intel IOMMU
  sleep      virtio devices that keep what they know when the machine sleeps
"""

import json
from pathlib import Path

import acpi
from say import Failure

# What the kernel is told with each GPU. amdgpu drives Southern Islands when it wants to; power management is no part of the
# emulated one (block 5: smu), and a job may take long on a busy machine. nouveau goes without engines and display.
GPUS = {"radeon": "firmware_class.path=/netgpu/build/lab/radeon/firmware amdgpu.si_support=1 amdgpu.ip_block_mask=0x1f amdgpu.dpm=0 amdgpu.runpm=0 amdgpu.lockup_timeout={lockup}",
        "geforce": "nouveau.noaccel=1 nouveau.modeset=2 nouveau.runpm=0",
        "tesla": "nouveau.noaccel=1 nouveau.modeset=2 nouveau.runpm=0",
        "dg1": "firmware_class.path=/netgpu/build/lab/dg1/firmware"}
WORDS = {"switch", "rootports", "novram", "nonic", "nic2", "sleepy", "epyc", "iommu", "sleep", *GPUS}
ROOT_PORT = 0x10        # slot of the root port above the switch
# tcg: two CPUs. icount: one CPU, whose clock counts instructions: a nanosecond each.
ACCELS = {"tcg": ["-accel", "tcg,thread=multi", "-smp", "2"],
          "icount": ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=on", "-smp", "1"]}
REMOTES = 4             # commands of the guest that may run on the sender's side at once


def gpu(topology):
    """The word for a GPU in a topology, or None."""
    found = set(topology.split(",")) & set(GPUS)
    if len(found) > 1:
        raise Failure(f"one GPU at a time: {' or '.join(sorted(found))}.")
    return found.pop() if found else None


def command(topology, memory, files, kernel, initramfs, append, accel):
    """QEMU's command line. files: paths of system, ram, vram, console, out, exit, qmp, gpu, acpi, remote (a prefix); tty or None."""
    words = set(filter(None, topology.split(",")))
    if words - WORDS:
        raise Failure(f"no such topology: {', '.join(sorted(words - WORDS))}; there are {', '.join(sorted(WORDS))}.")

    q = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
         "-machine", "q35,memory-backend=ram,hpet=off,vmport=off" + (",kernel-irqchip=split" if "iommu" in words else ""),
         *ACCELS.get(accel, ["-accel", accel, "-smp", "2"]),
         # KASAN takes the CPU for one with four levels of page tables while the kernel is finding out that it has five
         "-cpu", "EPYC" if "epyc" in words else "max,la57=off",
         "-m", f"{memory}M",
         "-object", f"memory-backend-file,id=ram,size={memory}M,share=on,mem-path={files['ram']}",
         "-kernel", str(kernel), "-initrd", str(initramfs), "-append", append,
         "-qmp", f"unix:{files['qmp']},server=on,wait=off",
         # Plugging by the ports themselves, as PCIe has it: the guest has no driver for ACPI's way.
         "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
         "-chardev", f"file,id=console,path={files['console']}", "-serial", "chardev:console",
         "-fsdev", f"local,id=root,path={files['system']},security_model=none,readonly=on,multidevs=remap",
         "-fsdev", f"local,id=netgpu,path={files['top']},security_model=none,readonly=on,multidevs=remap"]
    for i, device in enumerate(("virtio-rng-pci", "virtio-9p-pci,fsdev=root,mount_tag=root",
                                "virtio-9p-pci,fsdev=netgpu,mount_tag=netgpu",
                                f"virtio-serial-pci,id=ports,max_ports={REMOTES + 4}")):
        if "sleep" in words:    # as PCI Express devices they can say that D3 resets nothing
            q += ["-device", f"pcie-root-port,id=v{i},chassis={100 + i}"]
            device += f",bus=v{i},x-pcie-pm-no-soft-reset=on"
        q += ["-device", device]
    if "iommu" in words:
        q += ["-device", "intel-iommu,intremap=on,caching-mode=on"]
    if files.get("tty"):
        q += ["-chardev", "stdio,id=tty,signal=off,mux=off", "-device", "virtconsole,bus=ports.0,chardev=tty"]
    for name in ("out", "exit"):
        q += ["-chardev", f"file,id={name},path={files[name]}",
              "-device", f"virtserialport,bus=ports.0,chardev={name},name=lab.{name}"]
    for i in range(REMOTES):
        q += ["-chardev", f"socket,id=remote{i},path={files['remote']}{i},server=on,wait=off",
              "-device", f"virtserialport,bus=ports.0,chardev=remote{i},name=lab.remote{i}"]

    # What may reach what.
    nics = 0 if "nonic" in words else 2 if "nic2" in words else 1
    slots = [{"driver": "igb", "id": f"nic{i}", "netdev": f"n{i}", "mac": f"52:54:00:6e:67:{i + 2:02x}"} for i in range(nics)]
    if "novram" not in words:
        q += ["-object", f"memory-backend-file,id=vram,size={files['vram_size']}M,share=on,mem-path={files['vram']}"]
        slots.append({"driver": "ivshmem-plain", "id": "vram", "memdev": "vram"})
    if gpu(topology):
        # A read waits for the writes before it, of which one whose BAR is no memory has many.
        slots.append({"driver": "vfio-user-pci", "id": gpu(topology), "socket": {"path": str(files["gpu"]), "type": "unix"},
                      "x-msg-timeout": 60000})
    for i in range(nics):
        q += ["-netdev", f"tap,id=n{i},ifname=tap{i},script=no,downscript=no"]
    if "rootports" not in words:
        q += ["-device", f"pcie-root-port,id=rp0,chassis=1,addr={ROOT_PORT:#x}", "-device", "x3130-upstream,id=up,bus=rp0"]
    if "sleepy" in words:
        Path(files["acpi"]).write_bytes(acpi.power_of_port([ROOT_PORT, 0, len(slots) - 1]))
        q += ["-acpitable", f"sig=SSDT,rev=2,data={files['acpi']}"]
    for i, device in enumerate(slots):
        if "rootports" in words:
            q += ["-device", f"pcie-root-port,id=d{i},chassis={i + 1}"]
        else:
            q += ["-device", f"xio3130-downstream,id=d{i},bus=up,chassis={i + 2},slot={i}"]
        q += ["-device", json.dumps(device | {"bus": f"d{i}"})]
    return q, nics

# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Boot a machine, run one command in it, and end with the command's status.

  vm.py [--name NAME] [--kernel VARIANT] [--topology WORDS] [--memory MIB] [--vram MIB [--sparse]] [--timeout SECONDS]
        [--gpu MIB/MIB] [--system DIR] [--append WORDS] [--out FILE] [--console FILE] (--shell | COMMAND...)

Runs in the lab's user space, in a network namespace of its own (tools/lab/in -n). Everything is ended and removed
with it. Its status is the command's; 124 when the time is over, 125 when the machine did not come that far.
"""

import argparse
import collections
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import initramfs
import machine
from agent import Agent
from paths import BUILD, LINUX, OWN, PROGRAMS, TOP
from say import Failure, run, say

MTU = 4148              # 4096 bytes of TCP payload, with timestamps, over IPv4
# How many times longer than usual things may take with a kernel, at most. Others are no slower, but the machine may be busy.
SLOWER = collections.defaultdict(lambda: 2, debug=4)
NETS = ("10.77.0", "fd77::"), ("10.78.0", "fd78::")


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"ip {' '.join(words)}: {done.stderr.strip()}")


def network(nics):
    """The sender's side, in this network namespace: a tap per NIC."""
    if not nics:
        return
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise Failure("this user may not open /dev/net/tun: let root run `chmod 666 /dev/net/tun` (Debian's default), or run as root.")
    ip("link", "set", "lo", "up")
    for i in range(nics):
        v4, v6 = NETS[i]
        ip("tuntap", "add", f"tap{i}", "mode", "tap")
        ip("addr", "add", f"{v4}.1/24", "dev", f"tap{i}")
        ip("addr", "add", f"{v6}1/64", "dev", f"tap{i}", "nodad")
        ip("link", "set", f"tap{i}", "mtu", str(MTU), "up")


def shared_file(stack, size, used=None):
    """A file of SIZE MiB for the machine's memory that has no name: it goes with the last process that has it open.

    USED: how many MiB of it may ever be written to, all if not given.
    """
    used = size if used is None else used
    for directory in ("/dev/shm", BUILD / "run"):
        try:
            info = os.statvfs(directory)
            if info.f_bavail * info.f_frsize < (used + 512) << 20:
                continue
            file = stack.enter_context(tempfile.TemporaryFile(dir=directory))
        except OSError:
            continue
        file.truncate(size << 20)
        return file
    raise Failure(f"neither /dev/shm nor {BUILD} has {used + 512} MiB free for the machine's memory: free some.")


class Vm:
    def __init__(self, options, stack):
        self.options = options
        self.stack = stack
        self.directory = BUILD / "run" / options.name
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lab")))
        self.out = Path(options.out or self.directory / "out")
        self.console = Path(options.console or self.directory / "console")
        self.ram = shared_file(stack, options.memory)
        self.vram = shared_file(stack, options.vram, 0 if options.sparse else None)
        self.gpu = None
        if machine.gpu(options.topology):
            self.gpu = [int(n) for n in options.gpu.split("/")]
            self.gpu_vram = shared_file(stack, self.gpu[0])

    def environment(self, nics):
        """What both sides know; remote and local as seen from the guest."""
        values = {
            "REMOTE_TYPE": "lab", "LAB_KERNEL": self.options.kernel, "LAB_MTU": MTU,
            "LAB_NETS": " ".join(f"{v4}.2,{v6}2" for v4, v6 in NETS[:nics]),
            "LAB_TOPOLOGY": self.options.topology, "LAB_VRAM_MIB": self.options.vram, "LAB_GPU": self.options.gpu if self.gpu else "",
            "LAB_SLOWER": SLOWER[self.options.kernel], "GATE_MODULES": f"/netgpu/build/gate/{self.options.kernel}",
        }
        if nics:
            values |= {"NETIF": "eth0", "LOCAL_V4": "10.77.0.2", "LOCAL_V6": "fd77::2",
                       "REMOTE_V4": "10.77.0.1", "REMOTE_V6": "fd77::1"}
        if nics > 1:
            values |= {"NETIF2": "eth1", "LOCAL2_V4": "10.78.0.2", "LOCAL2_V6": "fd78::2",
                       "REMOTE2_V4": "10.78.0.1", "REMOTE2_V6": "fd78::1"}
        return {name: str(value) for name, value in values.items()}

    def start(self):
        options = self.options
        kernel = LINUX / options.kernel / "obj/arch/x86/boot/bzImage"
        if options.system:
            kernel = next(Path(options.system).glob("boot/vmlinuz-*"), kernel)
        if not kernel.is_file():
            raise Failure(f"the kernel {options.kernel} is not built: run make kernel.")
        self.vram.seek(0)
        files = {"ram": f"/proc/self/fd/{self.ram.fileno()}", "vram": f"/proc/self/fd/{self.vram.fileno()}", "vram_size": options.vram,
                 "console": self.console, "out": self.out, "exit": self.directory / "exit", "top": TOP, "system": options.system or "/",
                 "qmp": self.sockets / "qmp", "acpi": self.directory / "ssdt.aml", "remote": self.sockets / "remote", "tty": options.shell}
        append = f"console=ttyS0 quiet loglevel=7 panic=-1 oops=panic lab.run={options.name} {options.append}"
        if self.gpu:
            name = machine.gpu(options.topology)
            append += f" {machine.GPUS[name].format(lockup=5000 * SLOWER[options.kernel])}"
            files["gpu"] = self.start_gpu(name)
        command, nics = machine.command(options.topology, options.memory, files, kernel, initramfs.make(), append, options.accel)
        network(nics)

        guest = self.environment(nics)
        path = f"{PROGRAMS}:{BUILD}/tools:{BUILD}/tools/measure:{OWN}:{TOP}/tools/lab"
        inside = path.replace(str(TOP), "/netgpu")
        lines = [f"{name}={shlex.quote(value)}" for name, value in guest.items()]
        if options.system:      # what is installed there, and the way to the other side
            lines += ["LAB_SYSTEM=1", "PATH=/run/lab:/usr/sbin:/usr/bin:/sbin:/bin"]
        else:
            lines += [f"PATH={inside}:/usr/sbin:/usr/bin:/sbin:/bin"]
        if options.shell:
            size = shutil.get_terminal_size()
            lines += [f"LAB_SHELL='rows {size.lines} cols {size.columns}'", f"LAB_TERM={os.environ.get('TERM', 'dumb')}"]
        (self.directory / "env").write_text("\n".join(lines) + "\n")
        (self.directory / "command").write_text(" ".join(options.command) + "\n")
        for file in (self.console, self.out, self.directory / "exit"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")

        self.qemu = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command],
                                     stdin=None if options.shell else subprocess.DEVNULL,
                                     pass_fds=(self.ram.fileno(), self.vram.fileno()))
        self.stack.callback(self.end)
        deadline = time.monotonic() + 20
        while not (self.sockets / f"remote{machine.REMOTES - 1}").exists():
            if self.qemu.poll() is not None or time.monotonic() > deadline:
                raise Failure("QEMU did not start: its own words are above.")
            time.sleep(0.02)
        here = f"/proc/{os.getpid()}/fd"
        sender = dict(os.environ) | guest | {
            "PATH": f"{path}:/usr/sbin:/usr/bin:/sbin:/bin", "LAB_RUN": str(self.directory), "LAB_SENDER": str(self.sockets),
            "LAB_QMP": str(self.sockets / "qmp"),
            "LAB_RAM": f"{here}/{self.ram.fileno()}", "LAB_VRAM": f"{here}/{self.vram.fileno()}"}
        if self.gpu:
            sender |= {"LAB_GPU_VRAM": f"{here}/{self.gpu_vram.fileno()}", "LAB_GPU_CONTROL": str(self.sockets / "gpu-control")}
        self.agent = Agent(self.sockets / "remote", machine.REMOTES, sender, TOP)
        self.stack.callback(self.agent.close)

    def start_gpu(self, name):
        """The emulated GPU, a process of its own; return the socket that QEMU connects to."""
        path = self.sockets / "gpu"
        size, bar = self.gpu
        with open(self.directory / "gpu.log", "wb") as log:
            gpu = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", OWN / name / name, "--socket", path,
                                    "--control", self.sockets / "gpu-control", "--vram", f"/proc/self/fd/{self.gpu_vram.fileno()}",
                                    "--vram-size", str(size), "--bar-size", str(bar), "--summary", self.directory / "gpu.json"],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(self.gpu_vram.fileno(),))

        def end():
            gpu.terminate()
            if gpu.wait():
                raise Failure(f"the emulated GPU ended with status {gpu.returncode}:\n{(self.directory / 'gpu.log').read_text(errors='replace')[:4000]}")
        self.stack.callback(end)
        deadline = time.monotonic() + 10
        while not path.exists():
            if gpu.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"the emulated GPU did not start: {(self.directory / 'gpu.log').read_text().strip()}")
            time.sleep(0.02)
        return path

    def end(self):
        if self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait()

    def wait(self):
        """Wait for the guest to power off; return the command's exit status."""
        try:
            self.qemu.wait(self.options.timeout or None)
        except subprocess.TimeoutExpired:
            self.end()
            with open(self.out, "a", encoding="utf-8") as out:
                out.write(f"\n# the time of {self.options.timeout} s is over\n")
            return 124
        status = (self.directory / "exit").read_text().strip()
        return int(status) if status.isdigit() else 125


def parser():
    p = argparse.ArgumentParser(prog="vm.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--name", default=f"vm{os.getpid()}")
    p.add_argument("--kernel", default="netgpu")
    p.add_argument("--topology", default="switch")
    p.add_argument("--memory", type=int, default=1024)
    p.add_argument("--vram", type=int, default=256)
    p.add_argument("--sparse", action="store_true", help="nothing will be written to VRAM, so that it may be larger than this machine's memory")
    p.add_argument("--gpu", default="512/256", help="MiB of the emulated GPU's VRAM, and of the BAR that shows it")
    p.add_argument("--timeout", type=int, default=0)
    p.add_argument("--system", help="a Debian system that is installed there (tools/lab/system), with its kernel, in place of the lab's")
    p.add_argument("--append", default="")
    p.add_argument("--accel", default=os.environ.get("LAB_ACCEL", "tcg"))
    p.add_argument("--out")
    p.add_argument("--console")
    p.add_argument("--shell", action="store_true")
    p.add_argument("command", nargs=argparse.REMAINDER)
    return p


def boot(options):
    def stop(number, _):
        raise KeyboardInterrupt(number)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
    with contextlib.ExitStack() as stack:
        vm = Vm(options, stack)
        vm.start()
        return vm.wait()


def main(arguments):
    options = parser().parse_args(arguments)
    if options.command[:1] == ["--"]:
        options.command = options.command[1:]
    if not options.command and not options.shell:
        raise Failure("what shall run in the machine? Give a command, or --shell.")
    print_it = not options.out and not options.shell
    status = boot(options)
    directory = BUILD / "run" / options.name
    if print_it:
        sys.stdout.write((directory / "out").read_text(errors="replace"))
    if status == 125 and not options.shell:
        say(f"netgpu: the machine ended before the command did; the end of its console:\n"
            + "".join((Path(options.console or directory / "console")).read_text(errors="replace").splitlines(True)[-15:]))
    return status


if __name__ == "__main__":
    run(main)

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""What receiving costs the CPU of a real machine, by the ways there are: the rows of make bench, counted by perf.

Each row is measured twice, the second time after all others. trunc and recv are a stock iperf3 server, the others netgpu bench.
perf counts all that one or two CPUs execute, in the kernel and in programs: the interrupts of the network device and the
receiver are put there, and this program, perf and ssh elsewhere. A halted CPU executes nothing. What an idle one does all the
same, such as its tick, is counted before each row, while the receiver waits, and taken off. perf's own exclude_idle is no
help: x86 ignores it, and Arm refuses it.
Prints a table and writes build/bench-hardware.json. What it changes it puts back, however it ends.
tools/bench/hardware.rst says how to prepare both machines, and what the figures mean.
"""

import argparse
import contextlib
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build"
MIB = 1 << 20
RUNS = 2
EVENTS = ("instructions:u", "instructions:k", "cycles:u", "cycles:k", "duration_time")      # the last in ns
IDLE_SECONDS = 2        # that a CPU is watched for before each row
IDLE_SHARE = 0.2        # of all that was counted; with more, nothing is told about receiving
ELSEWHERE = 0.01        # of the interrupts may come on other CPUs, as while they are being moved
LINK_SECONDS = 30       # a switch may not forward at once


class Failure(Exception):
    """One sentence: what failed, and what to do."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason was given"


def deaf(*_):
    """Nothing is to cut short what puts things back."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def stop(*_):
    deaf()
    raise KeyboardInterrupt


def cpu_list(text):
    """The CPUs of a list as the kernel writes it: 0-3,8."""
    ends = [part.partition("-") for part in text.strip().split(",") if part]
    return {cpu for first, _, last in ends for cpu in range(int(first), int(last or first) + 1)}


def options(arguments):
    env = os.environ
    p = argparse.ArgumentParser(description="Count what receiving costs the CPU of this machine, with perf.",
                                epilog="REMOTE_TYPE=ssh and REMOTE_ARGS=USER@HOST in the environment say how the sender is reached, "
                                "as for the kernel's selftests (or netns, and its name). REMOTE_V4: wait until it answers.")
    p.add_argument("part", nargs="?", default="", help="only rows whose names contain this")
    p.add_argument("--netif", default=env.get("NETIF"), help="network device (NETIF)")
    p.add_argument("--queue", type=int, required=True, help="its receive queue, counted from 0")
    p.add_argument("--gpu", default="host", metavar="MEMORY", help="as for netgpu bench: /dev/dri/renderDN, vfio:ADDRESS, udmabuf, ...")
    p.add_argument("--region-size", default="128M", metavar="BYTES", help="of that memory (128M)")
    p.add_argument("--address", default=env.get("LOCAL_V4") or env.get("LOCAL_V6"), help="of this machine, to send to (LOCAL_V4, LOCAL_V6)")
    p.add_argument("--port", type=int, default=5201)
    p.add_argument("--flows", default="1", metavar="N[,N...]", help="numbers of connections, each with rows of its own (1)")
    p.add_argument("--seconds", type=int, default=10, help="of each run (10)")
    p.add_argument("--cpus", metavar="N[,N]", help="for interrupts, and for the receiver if another (one that is near the device)")
    p.add_argument("--keep-irqs", action="store_true", help="the interrupts are on these CPUs already")
    p.add_argument("--json", type=Path, default=BUILD / "bench-hardware.json", metavar="FILE", help="where the figures go")
    opt = p.parse_args(arguments)
    opt.remote, opt.remote_args = env.get("REMOTE_TYPE"), env.get("REMOTE_ARGS", "")
    for name in ("flows", "cpus"):
        if getattr(opt, name) and not re.fullmatch(r"\d+(,\d+)*", getattr(opt, name)):
            p.error(f"--{name}: numbers with commas between them")
    if not 1 <= opt.seconds <= 600:
        p.error("--seconds: 1 to 600")
    opt.flows = [int(n) for n in opt.flows.split(",")]
    if not all(1 <= n <= 128 for n in opt.flows):
        p.error("--flows: iperf3 makes 1 to 128 connections")
    return opt


def program(*words, limit=120):
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 124, "", f"{words[0]} has not ended after {limit} s")


def on_sender(opt, *words):
    """The command line that runs a command there."""
    if opt.remote == "ssh":
        return ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", opt.remote_args, shlex.join(words)]
    if opt.remote == "netns":
        return ["ip", "netns", "exec", opt.remote_args, *words]
    return ["remote", shlex.join(words)]        # the lab's command


# What keeps this from working is said before anything is changed.

def check(opt):
    if not opt.netif or not Path("/sys/class/net", opt.netif).is_dir():
        raise Failure(f"there is no network device {opt.netif} here: ip link lists them." if opt.netif else
                      "which network device? NETIF in the environment, or --netif.")
    if not opt.address:
        raise Failure(f"which address has {opt.netif}? LOCAL_V4 or LOCAL_V6 in the environment, or --address.")
    if opt.remote not in ("ssh", "netns", "lab") or (opt.remote != "lab" and not opt.remote_args):
        raise Failure("how is the sender reached? REMOTE_TYPE=ssh and REMOTE_ARGS=USER@HOST in the environment.")
    packages = {"perf": "linux-perf", "iperf3": "iperf3", "ethtool": "ethtool", "taskset": "util-linux", "netgpu": None}
    for name, package in packages.items():
        if not shutil.which(name):
            raise Failure(f"{name} is missing: " + (f"install it (Debian: {package})." if package else "make -C tools builds it, in build/tools."))
    if os.geteuid():
        raise Failure("this needs root: to count on a whole CPU, to put interrupts there, and for netgpu setup.")
    if opt.gpu != "host" and not Path("/dev/netgpu").exists():
        raise Failure(f"the kernel {os.uname().release} has no /dev/netgpu, so it receives into host memory only: "
                      "boot one with netgpu, or leave out --gpu.")
    state = Path(f"/run/netgpu/{os.stat('/proc/self/ns/net').st_ino}-{text_of('/sys/class/net', opt.netif, 'ifindex')}.json")
    if state.exists():
        raise Failure(f"{opt.netif} is set up already ({state}), and would not be afterwards: netgpu reset {opt.netif} first.")
    check_cpus(opt)
    count(opt, 30, "true")
    check_iperf3(opt)
    if listens(opt.port):
        raise Failure(f"something listens on port {opt.port} already: end it, or give another --port.")


def text_of(*path):
    return Path(*map(str, path)).read_text().strip()


def check_cpus(opt):
    """Find the CPUs, and see that packets are not handed on to others."""
    here = os.sched_getaffinity(0)
    if opt.cpus:
        opt.cpus = [int(cpu) for cpu in opt.cpus.split(",")]
        if len(opt.cpus) > 2 or not set(opt.cpus) <= here:
            raise Failure(f"--cpus: one or two of {','.join(map(str, sorted(here)))}.")
    elif opt.keep_irqs:
        raise Failure("--keep-irqs: where are they? --cpus says it.")
    else:
        near = Path("/sys/class/net", opt.netif, "device/local_cpulist")
        opt.cpus = [max(here & cpu_list(near.read_text()) if near.exists() else here, default=max(here))]
    device = Path("/sys/class/net", opt.netif)
    if any(re.search("[1-9a-f]", path.read_text()) for path in device.glob("queues/rx-*/rps_cpus")):
        raise Failure(f"RPS hands the packets of {opt.netif} to other CPUs: write 0 to {device}/queues/rx-*/rps_cpus.")
    threaded = device / "threaded"
    if threaded.exists() and threaded.read_text().strip() not in ("", "0"):
        raise Failure(f"NAPI of {opt.netif} runs in threads, which run where they like: echo 0 >{threaded}")
    if not opt.keep_irqs and not interrupts(opt.netif):
        raise Failure(f"{opt.netif} has no message-signalled interrupts that could be moved: see where they come yourself, and give "
                      "--keep-irqs --cpus N.")


def check_iperf3(opt):
    helps = {}
    for where, words in {"this machine": ["iperf3", "--help"], "the sender": on_sender(opt, "iperf3", "--help")}.items():
        done = program(*words)
        helps[where] = done.stdout + done.stderr
        if "--client" in helps[where]:
            continue
        if opt.remote == "ssh" and done.returncode == 255:
            raise Failure(f"the sender cannot be reached by ssh {opt.remote_args}: {last_line(done.stderr)}: it must let you in without a question.")
        raise Failure(f"iperf3 does not run on {where} ({last_line(helps[where])}): install it there (Debian: iperf3).")
    opt.old = [where for where, text in helps.items() if "--skip-rx-copy" not in text]


# What is counted.

def count(opt, limit, *command):
    """Run a command under perf; return ({event: how often}, the command's end)."""
    with tempfile.NamedTemporaryFile("r") as file:
        done = program("timeout", "-k", "5", str(limit), "perf", "stat", "-x", ";", "-o", file.name,
                       "-C", ",".join(map(str, sorted(set(opt.cpus)))), "-e", ",".join(EVENTS), "--", *command, limit=limit + 10)
        text = file.read()
    if "perf_event_paranoid" in done.stderr:
        raise Failure("perf may not count on whole CPUs here (the sysctl kernel.perf_event_paranoid; in a container, CAP_PERFMON is missing): "
                      "run it as the machine's root.")
    found = counts(text)
    missing = [event for event in EVENTS if event not in found]
    if missing:
        if re.search("not supported|<not", text + done.stderr):
            raise Failure(f"the CPU counts no {missing[0]}: a virtual machine has to be given the counters (PMU) of its host's CPU.")
        raise Failure(f"perf has not counted {missing[0]}: {last_line(done.stderr)}.")
    return found, done


def counts(text):
    """{event: how often}, of what perf stat -x ; writes. CPUs of two kinds have a line for each kind."""
    found = {}
    for line in text.splitlines():
        fields = line.split(";")
        match = re.search(r"(instructions|cycles)[:/]([uk])|duration_time", fields[2]) if len(fields) > 4 else None
        if not match or not fields[0].isdigit():
            continue
        if float(fields[4]) < 99:
            raise Failure(f"perf had a counter for {fields[2]} for {fields[4]} % of the time only: end what else counts (perf, nmi_watchdog).")
        event = ":".join(match.groups()) if match[1] else match[0]
        found[event] = found.get(event, 0) + int(fields[0])
    return found


def rx_bytes(netif):
    """What has come by the device. /sys may be that of another network namespace."""
    return int(re.search(rf"^ *{re.escape(netif)}: *(\d+)", Path("/proc/net/dev").read_text(), re.M)[1])


def interrupts(netif):
    """{number: {CPU: how often}} of the device's interrupts."""
    device = Path("/sys/class/net", netif, "device").resolve()
    # Not of a bridge above: the first directory that has some.
    numbers = next(filter(None, ({path.name for path in d.glob("msi_irqs/*")} for d in (device, *device.parents))), set())
    found = {}
    with open("/proc/interrupts", encoding="ascii", errors="replace") as lines:
        cpus = [int(word[3:]) for word in next(lines).split()]
        for line in lines:
            number, _, rest = line.partition(":")
            if number.strip() in numbers:
                found[number.strip()] = dict(zip(cpus, map(int, rest.split()[:len(cpus)])))
    return found


def came_elsewhere(opt, before, after):
    """The share of the interrupts in between that came on other CPUs."""
    new = {}
    for number, by_cpu in after.items():
        for cpu, n in by_cpu.items():
            new[cpu] = new.get(cpu, 0) + n - before.get(number, {}).get(cpu, 0)
    return sum(n for cpu, n in new.items() if cpu not in opt.cpus) / max(1, sum(new.values()))


class Machine:
    """What is changed of this machine, to be put back."""

    def __init__(self, opt):
        self.opt = opt
        self.before = {}        # what files said
        self.is_set_up = False
        self.splits = None

    def write(self, path, text):
        self.before.setdefault(path, path.read_text().strip())
        path.write_text(text)

    def split(self, wanted):
        """Header split as a row wants it, and all flows on the queue, whatever the row."""
        netif = self.opt.netif
        if wanted is self.splits:
            return
        if wanted or not self.is_set_up:
            self.is_set_up = True       # before it is, as it may be cut short
            done = program("netgpu", "setup", netif, "--queue", str(self.opt.queue), "--all-flows", "-Q")
            if done.returncode:
                self.is_set_up = self.splits is not None        # one that fails undoes what it did itself
                raise Failure(last_line(done.stderr).replace("netgpu: ", "", 1))
        if not wanted:
            done = program("ethtool", "-G", netif, "tcp-data-split", "off")
            if done.returncode:
                say(f"{netif} does not do without header split ({last_line(done.stderr)}): trunc and recv are measured with it")
        self.splits = wanted
        self.wait_for_link()

    def wait_for_link(self):
        """A driver may restart the device for this, and the link with it."""
        peer = os.environ.get("REMOTE_V4") or os.environ.get("REMOTE_V6")
        until = time.monotonic() + LINK_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if text_of("/sys/class/net", self.opt.netif, "carrier") == "1" and not (peer and program("ping", "-c", "1", "-W", "1", peer).returncode):
                    return
            time.sleep(0.2)
        raise Failure(f"after {LINK_SECONDS} s the link of {self.opt.netif} has not come back{f', or {peer} does not answer' if peer else ''}.")

    def place(self):
        """Each time: a driver that restarts its device may ask for its interrupts anew."""
        for number in interrupts(self.opt.netif) if not self.opt.keep_irqs else ():
            try:
                self.write(Path("/proc/irq", number, "smp_affinity_list"), str(self.opt.cpus[0]))
            except OSError as error:
                raise Failure(f"interrupt {number} of {self.opt.netif} cannot be moved to CPU {self.opt.cpus[0]} ({error.strerror}): see where "
                              "they come yourself, and give --keep-irqs --cpus N.") from error
        # The idle loop's first state may be one that executes instructions until work comes.
        for cpu in self.opt.cpus:
            for state in Path(f"/sys/devices/system/cpu/cpu{cpu}/cpuidle").glob("state*"):
                if text_of(state, "name") == "POLL":
                    self.write(state / "disable", "1")

    def put_back(self):
        netif = self.opt.netif
        # What a receiver had of the queue may be free a moment later only.
        until = time.monotonic() + 10
        while self.is_set_up:
            done = program("netgpu", "reset", netif, "-Q")
            self.is_set_up = done.returncode != 0 and "nothing to put back" not in done.stderr
            if self.is_set_up and time.monotonic() > until:
                say(f"{netif} is not as it was ({last_line(done.stderr)}): netgpu reset {netif}")
                break
            time.sleep(0.2)
        for path, text in self.before.items():
            try:
                path.write_text(text)
            except FileNotFoundError:
                pass            # an interrupt that the device has no more
            except OSError as error:
                say(f"{path} was {text}, and does not take that back: {error.strerror}")


# The rows.

def name_of(memory):
    """What make bench calls the row."""
    driver = Path("/sys/class/drm", Path(memory).name, "device/driver")
    if memory.startswith("/dev/dri/") and driver.exists():
        return f"netgpu-{driver.resolve().name}"
    kind = memory.split(":")[0]
    return {"vfio": "netgpu-vram", "udmabuf": "netgpu-udmabuf", "dmabuf-fd": "netgpu-dmabuf"}.get(kind, "netgpu-gpu")


def rows_of(opt):
    """(name, the receiver's command, what iperf3 -c is told besides, with header split)"""
    iperf3 = ["iperf3", "-s", "-1"]
    netgpu = ["netgpu", "bench", "--server", "--iface", opt.netif, "--queue", str(opt.queue), "--region-size", opt.region_size, "--gpu"]
    rows = [("trunc", iperf3, ["--skip-rx-copy"], False), ("recv", iperf3, [], False),
            ("netgpu-host" if Path("/dev/netgpu").exists() else "zcrx-host", [*netgpu, "host"], [], True)]
    if opt.old:
        say(f"iperf3 of {' and '.join(opt.old)} has no --skip-rx-copy (3.19 and later do), so trunc is left out")
        del rows[0]
    if opt.gpu != "host":
        rows.append((name_of(opt.gpu), [*netgpu, opt.gpu], [], True))
    rows = [row for row in rows if opt.part in row[0]]
    if not rows:
        raise Failure(f"no row has {opt.part} in its name.")
    return rows


def listens(port):
    pattern = re.compile(f":{port:04X} [0-9A-F]+:0000 0A ")
    return any(pattern.search(path.read_text()) for path in map(Path, ("/proc/net/tcp", "/proc/net/tcp6")) if path.exists())


@contextlib.contextmanager
def receiver(opt, command, limit):
    """The receiver, on its CPU, when it listens; gives the function that waits for its report. It ends by itself, too."""
    with tempfile.TemporaryDirectory() as directory:
        said, log = Path(directory, "said"), Path(directory, "log")
        words = ["timeout", "-k", "5", str(limit), "taskset", "-c", str(opt.cpus[-1]), *command, "--port", str(opt.port), "-i", "0",
                 "--json", "--logfile", log]

        def ended():
            return last_line(said.read_text(errors="replace") or (log.read_text(errors="replace") if log.exists() else ""))

        def report():
            """A server that goes on after a test has its queue given back when nobody counts any more."""
            until = time.monotonic() + 15
            while time.monotonic() < until:
                with contextlib.suppress(OSError, ValueError):
                    return json.JSONDecoder().raw_decode(log.read_text().lstrip())[0]
                time.sleep(0.1)
            raise Failure(f"the receiver has made no report: {ended()}.")

        with open(said, "w", encoding="utf-8") as file:
            # close_fds: --gpu dmabuf-fd:N is inherited
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, close_fds=False)  # pylint: disable=consider-using-with
        try:
            until = time.monotonic() + 30
            while not listens(opt.port):
                if process.poll() is not None or time.monotonic() > until:
                    raise Failure(f"the receiver does not start: {ended().replace('netgpu: ', '', 1)}")
                time.sleep(0.1)
            yield report
        finally:
            process.terminate()
            process.wait()


def measure(opt, machine, row, flows):
    """One run: its figures."""
    name, command, more, splits = row
    machine.split(splits)
    machine.place()
    with receiver(opt, command, opt.seconds + 180) as report:
        time.sleep(0.5)         # what it does to start
        idle, _ = count(opt, 30, "sleep", str(IDLE_SECONDS))
        came, irqs = rx_bytes(opt.netif), interrupts(opt.netif)
        # timeout there too: the sender is to end, though this machine be gone
        client = on_sender(opt, "timeout", str(opt.seconds + 60), "iperf3", "-c", opt.address, "-p", str(opt.port), "-t", str(opt.seconds),
                           "-P", str(flows), "--connect-timeout", "10000", "--json", *more)
        counted, done = count(opt, opt.seconds + 90, *client)
        came, elsewhere = rx_bytes(opt.netif) - came, came_elsewhere(opt, irqs, interrupts(opt.netif))
        with contextlib.suppress(ValueError):
            said = json.loads(done.stdout)
            if said.get("error"):
                raise Failure(f"{name}: the sender's iperf3: {said['error']}.")
        if done.returncode:
            raise Failure(f"{name}: the sender has failed: {last_line(done.stderr or done.stdout)}.")
        found = report()
    if found.get("error"):
        raise Failure(f"{name}: the receiver: {found['error']}.")
    received = found["end"]["sum_received"]["bytes"]
    mib = received / MIB
    if not received or came < received * 0.9:
        raise Failure(f"{name}: {received} bytes were received, and {came} came by {opt.netif}: is {opt.address} its address, and the route "
                      "from the sender to it?")
    if elsewhere > ELSEWHERE:
        raise Failure(f"{name}: {elsewhere:.0%} of the interrupts of {opt.netif} came on other CPUs than {opt.cpus}: stop what moves them "
                      "(irqbalance), or give the right --cpus.")

    def net(events, of_mib, bound=IDLE_SHARE):
        """How often per MiB, without what happens in this time anyway."""
        raw, of_idle = (sum(c[e] for e in EVENTS if e.startswith(events)) for c in (counted, idle))
        share = of_idle / idle["duration_time"] * counted["duration_time"] / max(1, raw)
        if share > bound:
            raise Failure(f"{name}: CPU {','.join(map(str, opt.cpus))}, with nothing received, has {of_idle / idle['duration_time'] * 1e3:.0f} million "
                          f"{events} a second, {share:.0%} of those counted: something else runs there, or it does not halt (idle=poll).")
        return raw * (1 - share) / 1000 / of_mib, share

    kinsn, share = net("instructions", mib)
    ours = found.get("netgpu", {})
    return {"kinsn": kinsn, "user": max(0, net("instructions:u", mib, math.inf)[0]), "kcycles": net("cycles", mib)[0], "idle": share,
            "gbit": found["end"]["sum_received"]["bits_per_second"] / 1e9, "bytes": received, "memory": ours.get("memory"),
            "placement": ours.get("placement"), "copied": ours.get("bytes_copied_by_cpu"),
            "completions": ours["completions"] / mib if ours else None, "extents": ours["extents"] / mib if ours else None}


def row_of(name, mtu, flows, runs):
    """A row as make bench writes it, and what there is besides."""
    def mean(key, digits=1):
        return None if runs[0][key] is None else round(sum(run[key] for run in runs) / len(runs), digits)
    insns = [round(run["kinsn"], 1) for run in runs]
    return {"name": name, "mtu": mtu, "flows": flows, "runs": insns, "completions_per_mib": mean("completions"),
            "extents_per_mib": mean("extents"), "kinsn_per_mib": mean("kinsn"), "repeats": max(insns) <= 1.05 * min(insns),
            "kcycles_per_mib": mean("kcycles"), "kinsn_user_per_mib": mean("user"), "gbit_per_second": mean("gbit", 2),
            "idle_share": mean("idle", 4), "bytes": [run["bytes"] for run in runs], "memory": runs[0]["memory"],
            "placement": runs[0]["placement"], "bytes_copied_by_cpu": mean("copied", 0)}


def machine_of(opt):
    """What one wants to know of a machine when figures of two are compared."""
    device = Path("/sys/class/net", opt.netif)
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), os.uname().machine)
    driver = device / "device/driver"
    governor = Path(f"/sys/devices/system/cpu/cpu{opt.cpus[0]}/cpufreq/scaling_governor")
    return {"cpu": cpu, "cpus": opt.cpus, "governor": text_of(governor) if governor.exists() else None, "queue": opt.queue,
            "netif": opt.netif, "driver": driver.resolve().name if driver.exists() else None,
            "coalescing": " ".join(re.findall(r"rx-(?:usecs|frames): \d+|Adaptive RX: \w+", program("ethtool", "-c", opt.netif).stdout))}


def table(result):
    def cell(value):
        return "" if value is None else f"{value:.0f}"
    machine = result["machine"]
    print(f"\n  Linux {result['kernel']}, {machine['cpu']}, CPU {','.join(map(str, machine['cpus']))}; {machine['driver']}; thousands per MiB received\n")
    print(f"  {'method':16} {'MTU':>5} {'flows':>6} {'kinsn/MiB':>10} {'of programs':>11} {'kcycles/MiB':>12}   {'runs':16} {'completions':>12} "
          f"{'extents':>8} {'Gbit/s':>7} {'idle, %':>8}")
    for r in result["rows"]:
        copied = (r["bytes_copied_by_cpu"] or 0) / (sum(r["bytes"]) / len(r["bytes"]))
        print(f"  {r['name']:16} {r['mtu']:5} {r['flows']:6} {r['kinsn_per_mib']:10.0f} {r['kinsn_user_per_mib']:11.0f} "
              f"{r['kcycles_per_mib']:12.0f}   {' '.join(f'{n:.0f}' for n in r['runs']):16} {cell(r['completions_per_mib']):>12} "
              f"{cell(r['extents_per_mib']):>8} {r['gbit_per_second']:7.2f} {r['idle_share'] * 100:8.1f}"
              f"{'' if r['repeats'] else '  (the runs differ)'}{f'  ({copied:.0%} copied by the CPU)' if copied > 0.01 else ''}")
    print(flush=True)


def main(arguments):
    os.environ["LC_ALL"] = "C"
    os.environ["PATH"] += f":{BUILD}/tools:/usr/sbin:/sbin"     # where the command is before it is installed
    opt = options(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    check(opt)
    rows = rows_of(opt)
    os.sched_setaffinity(0, os.sched_getaffinity(0) - set(opt.cpus) or os.sched_getaffinity(0))
    todo = [(row, flows) for row in rows for flows in opt.flows]
    say(f"{len(todo)} rows, each {RUNS} times, {opt.seconds} s: about {len(todo) * RUNS * (opt.seconds + IDLE_SECONDS + 4) // 60 + 1} min")
    mtu = int(text_of("/sys/class/net", opt.netif, "mtu"))
    runs = {}
    machine = Machine(opt)
    try:
        for row, flows in todo * RUNS:
            figures = measure(opt, machine, row, flows)
            runs.setdefault((row[0], flows), []).append(figures)
            say(f"done {row[0]},{mtu},{flows}: {figures['kinsn']:.0f} thousand instructions per MiB, {figures['gbit']:.2f} Gbit/s")
    finally:
        deaf()
        machine.put_back()
    result = {"rows": [row_of(name, mtu, flows, found) for (name, flows), found in runs.items()], "kernel": os.uname().release,
              "machine": machine_of(opt)}
    opt.json.parent.mkdir(parents=True, exist_ok=True)
    opt.json.write_text(json.dumps(result, indent=2) + "\n")
    table(result)
    say(f"figures in {opt.json}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Failure as failure:
        say(str(failure))
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)

# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Run the tests whose names contain PART, each in a machine of its own: check.py [--kernels|--modules|--sources|--packages] MODE [PART]

Those of the kernel are in selftests/, those of the tools and of the lab in tools/tests/.
MODE is check; check-long, those that take minutes and whose core is in another one; check-drivers, those of other GPUs than
AMD's; check-debug, all that have a machine, on the kernel debug; check-deb, those of what is installed from the packages
(deb); or soak, some of them for long.
A test says in its first lines what it needs:
  # lab: kernel=netgpu|upstream     # lab: topology=WORDS (machine.py)   # lab: timeout=SECONDS
  # lab: kernel=debug               only with check-debug
  # lab: also=upstream              check-long runs it, on that kernel
  # lab: drivers=NAMES              needs those of configs/drivers: only with check-drivers and check-debug
  # lab: more=SECONDS               check-long and check-debug run it with MORE=1, and it takes so long
  # lab: long=NAMES                 only with check-long and check-debug; its core is in these tests
  # lab: memory=MIB                 # lab: machine=none (runs here, without one; may need several kernels: kernel=A,B)
  # lab: vram=MIB                   # lab: gpu=MIB/MIB (VRAM, and the BAR that shows it)
  # lab: skips=REGEX                what it may skip: reasons; all else that is skipped has failed (machine=none: all may be)
  # lab: console=REGEX              a warning on the console that the test provokes
  # lab: debug=REASON               why check-debug skips it
  # lab: soak=KERNEL NAME=VALUE...  soak runs it, on this kernel and with these variables
  # lab: modules=gate|queue_fault   it loads modules (modules.py)
  # lab: system=installed           only with check-deb: it runs there, in the Debian system below build/deb/system
  # lab: source=NAME                it runs what comes with the source of a Debian package only (debian-source)
  # lab: packages=NAME,...          programs that no other test needs, of these packages
With --kernels: print which kernels the tests need; with --modules: for which of them they need modules; with --sources: which sources;
with --packages: which packages.
When RESUME is set, what has passed with the same kernel, programs and scripts is not run again.
"""

import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

import inputs
import ktap
import patched
from paths import BUILD, LINUX, OWN, PROGRAMS, TOP, jobs
from say import Failure, one_at_a_time, run, say
from vm import SLOWER

WRONG = re.compile(r"WARNING:|BUG:|\bOops|refcount_t:|cut here|possible circular locking|possible recursive locking|"
                   r"KASAN:|UBSAN:|KFENCE:|unreferenced object|general protection fault|Kernel panic|INFO: task|INFO: rcu|"
                   r"RTNL: assertion|unregister_netdevice: waiting|page_pool.*stalled|DMA-API: .*(device driver|leak)|protection fault|"
                   r"suspected memory leaks|suspicious RCU|sleeping function called|list_\w+ corruption|ref_tracker: .*(leaked|has \d)|"
                   # a detector that has given up finds nothing more
                   r"ODEBUG: |DMA-API: .*(out of memory|disabl)|leak detector disabled|Cannot allocate a kmemleak|"
                   r"turning off the locking|lockdep is turned off")
# The sender's side is this machine's kernel, with what it has.
OF_SENDER = "no netem$"
# Faults of Linux 7.3 itself. pciehp takes its reset_lock and pci_rescan_remove_lock in both orders when a device is unplugged;
# lockdep looks no further after it, so tests unplug last. udmabuf and the device of i915's mock tests do not say how long the
# segments of their mappings may be. i915's mock test of eviction locks more objects than lockdep counts. The timer of the
# scheduler's deadline server may have been started again while it waits for the run queue's lock, and is put forward then.
# None of them reaches over the beginning of another report, which would be lost in it.
LINES = r"(?:(?!-+\[|.*(?:BUG|WARNING|INFO): ).*\n)"
KNOWN = re.compile(r"WARNING: possible circular locking dependency detected\n(?:"
                   r"(?:.*\n){3}.*&ctrl->reset_lock.* at: pciehp_unconfigure_device|"
                   rf"{LINES}{{,200}}?.*--> &ctrl->reset_lock\S* --> pci_rescan_remove_lock)|"
                   r"-+\[ cut here \]-+\nDMA-API: (?:misc udmabuf| mock): mapping sg segment longer than device claims to support.*\nWARNING: .*|"
                   rf"-+\[ cut here \]-+\nWARNING: kernel/time/hrtimer\.c:\d+ at hrtimer_forward\+.*\n{LINES}{{,40}}? dl_task_timer\+.*|"
                   r"-+\[ cut here \]-+\nDEBUG_LOCKS_WARN_ON\(hlock->references < references\)\n(?:WARNING: .*\n)?" rf"{LINES}{{,60}}?.* igt_evict_vm\+.*")
PLACES = ("selftests", "tools/tests")
LONGEST = 6 * 3600      # seconds of a test in soak


class Test:
    def __init__(self, path, mode):
        self.path = path
        self.name = path.stem
        self.mode = mode
        self.results = BUILD / mode
        self.is_test = False        # or a file that tests read
        self.variables = []
        self.inputs = ""
        self.settings = {"topology": "switch", "timeout": "120", "memory": "1024", "vram": "256", "gpu": "512/256", "machine": "vm", "append": ""}
        with open(path, encoding="utf-8") as lines:
            for _, line in zip(range(30), lines):
                match = re.match(r"# lab: (\w+)=(.*)$", line)
                if match:
                    self.is_test = True
                    self.settings[match[1]] = match[2].strip()
        if "more" in self.settings and mode in ("check-long", "check-debug"):
            self.settings["timeout"] = self.settings["more"]
            self.variables = ["MORE=1"]
        if self.settings["machine"] != "none":
            self.adapt()

    def adapt(self):
        """Kernel, time and memory, as the mode wants them."""
        s = self.settings
        s.setdefault("kernel", "netgpu")
        if self.mode == "check-debug":
            s["kernel"] = "debug"
        if self.mode == "check-long" and "also" in s:
            s["kernel"] = s["also"]
        if self.mode == "soak" and "soak" in s:
            s["kernel"], *self.variables = s["soak"].split()
            s["timeout"] = str(LONGEST)
        else:
            s["timeout"] = str(int(s["timeout"]) * SLOWER[s["kernel"]])
        if s["kernel"] == "debug":
            s["memory"] = str(int(s["memory"]) * 2)

    def wanted(self):
        """Is this a test of its mode?"""
        s = self.settings
        if ("system" in s) != (self.mode == "check-deb"):
            return False
        return self.is_test and {"check": s.get("kernel") != "debug" and not {"drivers", "long"} & set(s),
                                 "check-deb": True,
                                 "check-long": bool({"long", "also", "more"} & set(s)),
                                 "check-drivers": "drivers" in s,
                                 "check-debug": s["machine"] != "none",
                                 "soak": "soak" in s}[self.mode]

    def key(self):
        """A hash over all that its result depends on."""
        # netgpu's headers and upstream's programs are everywhere; of it there is no more than these where all run on another
        kernels = {*self.settings.get("kernel", "netgpu").split(",")} | ({"netgpu"} if self.mode != "check-debug" else set())
        stamps = [LINUX / kernel / ".lab/made-of" for kernel in sorted(kernels)]
        machine = os.environ.get("LAB_ACCEL"), os.environ.get("IPERF3"), (BUILD / "host").exists()
        return patched.digest([path for path in stamps if path.is_file()], self.inputs, machine, WRONG.pattern, KNOWN.pattern,
                              sorted(self.settings.items()))

    def run_once(self, resume):
        """The same; or what it said before, when that was right and nothing has changed."""
        passed = self.results / f"{self.name}.passed"
        key = self.key()
        if resume and passed.is_file() and passed.read_text() == key:
            return self, ktap.count((self.results / f"{self.name}.ktap").read_text(errors="replace"), self.name, 0), 0.0
        passed.unlink(missing_ok=True)
        _, result, seconds = self.run()
        if result.passed and not result.failed:
            passed.write_text(key)
        return self, result, seconds

    def run(self):
        """Run it; return its counted results and the seconds it took."""
        s = self.settings
        out = self.results / f"{self.name}.ktap"
        console = self.results / f"{self.name}.console"
        out.write_bytes(b"")
        console.write_bytes(b"")
        start = time.monotonic()
        if self.mode == "check-debug" and "debug" in s:
            return self, ktap.Count(skipped=[(self.name, s["debug"])]), 0.0
        if s["machine"] == "none":
            with open(out, "wb") as file:
                path = f"{PROGRAMS}:{OWN}:{TOP}/tools/lab:{os.environ['PATH']}"
                command = ["timeout", "-k", "5", s["timeout"], "bash", self.path]
                status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        env=os.environ | {"PATH": path} | dict(v.split("=", 1) for v in self.variables), cwd=TOP, check=False).returncode
        else:
            command = ["setpriv", "--pdeathsig", "TERM", "unshare", "-n", "python3", TOP / "tools/lab/vm.py",
                       "--name", f"{self.mode}-{self.name}", "--kernel", s["kernel"], "--topology", s["topology"],
                       "--memory", s["memory"], "--vram", s["vram"], "--gpu", s["gpu"], "--timeout", s["timeout"], "--append", s["append"],
                       "--out", out, "--console", console, *(("--system", BUILD / "deb/system") if "system" in s else ()),
                       "env", *self.variables, "bash", f"/netgpu/{self.path.relative_to(TOP)}"]
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True) as process:
                if self.mode == "soak":
                    follow(self.name, out, process)
                said = process.communicate()[0]
            status = process.returncode
            if said:
                with open(out, "a", encoding="utf-8") as file:
                    file.write("\n".join(f"# {line}" for line in said.splitlines()) + "\n")
        result = ktap.count(out.read_text(errors="replace"), self.name, status)
        allowed = re.compile(s["console"]) if "console" in s else None
        wrong = [line for line in KNOWN.sub("", console.read_text(errors="replace")).splitlines()
                 if WRONG.search(line) and not (allowed and allowed.search(line))]
        if wrong:
            result.failed.append(f"on the console: {wrong[0].strip()}")
        # In a machine of the lab all there is is the lab's, and a test that misses something has not been given it.  Elsewhere
        # it may be this machine that lacks it, but for programs.
        missed = re.compile(".*" if s["machine"] == "vm" else r"the program \S+ is not here.*")
        may = re.compile(s.get("skips", OF_SENDER))
        result.failed += [f"{name}: skipped: {reason}" for name, reason in result.skipped if missed.match(reason) and not may.search(reason)]
        return self, result, time.monotonic() - start


def follow(name, path, process):
    """Show what a test says while it runs."""
    with open(path, encoding="utf-8", errors="replace") as out:
        while process.poll() is None:
            time.sleep(5)
            for line in out.read().splitlines():
                print(f"{name}: {line}", flush=True)


def comments(path, names):
    """The comments above the failed results of a test, which say why."""
    above = []
    for line in path.read_text(errors="replace").splitlines():
        if line.lstrip().startswith("#"):
            above.append(line)
            continue
        if line.lstrip().startswith("not ok") and any(name in line for name in names):
            yield from above[-12:]
            above = []
        elif line.strip():
            above = []
    yield from above[-12:]


def report(test, result, seconds):
    words = [f"{len(result.failed)} FAILED"] if result.failed else []
    words += [f"{result.passed} passed"] if result.passed else []
    words += [f"{len(result.skipped)} skipped"] if result.skipped else []
    print(f"{'not ok' if result.failed else 'ok':7} {test.name:28} {', '.join(words):28} {seconds:5.1f} s", flush=True)
    for name, reason in result.skipped:
        print(f"          skipped: {name}: {reason}" if name != test.name else f"          skipped: {reason}")
    for name in result.failed:
        print(f"          failed: {name}")
    if result.failed:
        for line in comments(test.results / f"{test.name}.ktap", result.failed):
            print(f"            {line}")
        print(f"          see build/{test.results.name}/{test.name}.ktap and .console", flush=True)


def main(arguments):
    def stop(number, _):
        raise KeyboardInterrupt(number)
    signal.signal(signal.SIGTERM, stop)
    only = arguments.pop(0) if arguments[0].startswith("--") else None
    mode, part = (arguments + [""])[:2]
    paths = sorted((path for place in PLACES for path in (TOP / place).glob("*.sh")), key=lambda path: path.name)
    tests = [Test(path, mode) for path in paths if part in path.stem]
    tests = [test for test in tests if test.wanted()]
    if only in ("--sources", "--packages"):
        what = "source" if only == "--sources" else "packages"
        print(" ".join(sorted({t.settings[what] for t in tests if what in t.settings})))
        return 0
    if only:
        needed = {kernel for t in tests for kernel in t.settings.get("kernel", "").split(",")
                  if kernel and (only == "--kernels" or "modules" in t.settings)}
        print(" ".join(sorted(needed)))     # netgpu before upstream, which starts from its objects
        return 0
    if not tests:
        raise Failure(f"no test has {part} in its name; make {mode} T=list lists them.")

    results = BUILD / mode
    results.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(mode):
        return check(tests, results)


def check(tests, results):
    start = time.monotonic()
    # A machine is busy for two thirds of its time, on the debug kernel for all of it, and takes up to 3 GiB.
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    at_once = int(os.environ.get("LAB_MACHINES") or max(1, min(jobs() + (results.name != "check-debug"), memory // 3)))
    say(f"{results.name}: {len(tests)} test files, {at_once} at a time")
    resume = bool(os.environ.get("RESUME"))
    for test in tests:      # as it is when they start
        test.inputs = inputs.digest(test)
    passed = skipped = 0
    failed = []
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        waiting = [pool.submit(test.run_once, resume) for test in tests]
        try:
            for done in waiting:
                test, result, seconds = done.result()
                report(test, result, seconds)
                passed += result.passed
                failed += [f"{test.name}: {name}" for name in result.failed]
                skipped += len(result.skipped)
        except KeyboardInterrupt:
            for each in waiting:
                each.cancel()
            raise
    if not passed and not failed:
        print("nothing ran")
    for name in failed:         # once more where one looks first, and where a log that is cut still has it
        print(f"failed: {name}")
    print(f"results: {BUILD.name}/{results.name}/, {time.monotonic() - start:.0f} s")
    summary = f"{passed} passed, {len(failed)} failed, {skipped} skipped"
    (results / "summary").write_text(summary + "\n")
    print(summary, flush=True)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    run(main)

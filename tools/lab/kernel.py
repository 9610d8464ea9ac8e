# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Build a kernel of the lab: kernel.py VARIANT[+full[+gpu[+drivers]]] SOURCE [headers]

SOURCE is the tarball of Debian's linux-source, or a directory (copied, never changed).
VARIANT netgpu has every patch and our files; upstream only the NIC's, to show what Linux does as it is. own is netgpu with the
configuration of build/own.config, which the user has named.
With +full it has what only some tests ask for, and what takes minutes more to compile: the function tracer, livepatch modules;
with +gpu, amdgpu; with +drivers, the drivers of other GPUs. Once it has that, it keeps it.
headers: no further than its source and its headers for user space, which is all that programs are built with.
Runs in the lab's user space (tools/lab/in). A second run does nothing, but for headers.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import patched
from paths import BUILD, LINUX, TOP, jobs
from say import Failure, Progress, clock, one_at_a_time, run, say

# variant: (directories of patches/ that go in, or None for all, each with its files of ours; directories of configs/)
VARIANTS = {"netgpu": (None, ("netgpu",)),
            "upstream": (("igb",), ()),
            "debug": (None, ("netgpu", "debug")),
            "own": (None, ("own",))}
OWN = BUILD / "own.config"
WORDS = ("full", "gpu", "drivers")
# What a first build compiles and links, before we have counted it once, and what more with each word; from another kernel's objects.
USUAL = {"": 2326, "full": 100, "gpu": 620, "drivers": 1400}
USUAL_COPY = 500
NOT_SOURCE = ("/obj/", "/.lab/", ".git/", "*.o", "*.ko", ".*.cmd", "/.config", "/include/config/",
              "/include/generated/", "/arch/*/include/generated/", "/vmlinux*", "/.tmp_*")


class Kernel:
    def __init__(self, variant):
        if variant not in VARIANTS:
            raise Failure(f"there is no kernel variant {variant}: take one of {', '.join(VARIANTS)}.")
        self.variant = variant
        self.root = LINUX / variant
        self.obj = self.root / "obj"
        self.lab = self.root / ".lab"
        self.image = self.obj / "arch/x86/boot/bzImage"
        self.modules = self.obj / "mods"
        self.log = LINUX / f"{variant}.log"

    def words(self, more=()):
        """Which of WORDS it has, or is to have."""
        return [word for word in WORDS if word in more or (self.lab / word).is_file()]

    def release(self):
        return (self.obj / "include/config/kernel.release").read_text().strip()


def fragments(variant, words):
    """The configuration files, in order: lean.config, the others, those of the words, of this variant alone."""
    base = TOP / "configs/lean.config"
    rest = sorted(p for p in (TOP / "configs").glob("*.config") if p != base)
    names = [*words, *VARIANTS[variant][1]]
    if variant == "own":
        base, rest, names = OWN, [], VARIANTS[variant][1]
    own = [p for name in names for p in sorted((TOP / "configs" / name).glob("*.config"))]
    return [base, *rest, *own]


def origin(source):
    if source.is_dir():
        return f"directory {source}"
    info = source.stat()
    return f"{source.name} {info.st_size}"


def fetch(kernel, source):
    """Bring the plain source into the kernel's tree."""
    mark = kernel.lab / "origin"
    if source.is_dir():
        if mark.is_file() and mark.read_text() != origin(source):
            shutil.rmtree(kernel.root)
        kernel.lab.mkdir(parents=True, exist_ok=True)
        # Files that we change are kept in their original form; the others are as they are in the user's tree.
        changed = sorted(patched.Tree(kernel.root).refresh(source))
        excluded = kernel.lab / "changed"
        ours = {f"{d}/" for name in changed for d in Path(name).parents if not (source / d).is_dir()}
        excluded.write_text("".join(f"/{name}\n" for name in [*changed, *sorted(ours)]))
        say(f"kernel: copying {source}")
        command = ["rsync", "-a", "--delete", f"--exclude-from={excluded}", *(f"--exclude={name}" for name in NOT_SOURCE),
                   f"{source}/", f"{kernel.root}/"]
        if subprocess.run(command, check=False).returncode:
            raise Failure(f"{source} could not be copied to {kernel.root} (disk full? rsync's words are above): free some space, and run this again.")
        mark.write_text(origin(source))
        return
    if mark.is_file() and mark.read_text() == origin(source):
        return
    shutil.rmtree(kernel.root, ignore_errors=True)
    other = LINUX / "netgpu"
    if kernel.variant != "netgpu" and (other / ".lab/origin").is_file() and (other / ".lab/origin").read_text() == origin(source):
        copy_tree(kernel, other)
        return
    kernel.lab.mkdir(parents=True)
    say(f"kernel: unpacking {source.name}")
    with subprocess.Popen(["tar", "-x", "--strip-components=1", "-v", "-f", source, "-C", kernel.root],
                          stdout=subprocess.PIPE) as tar:
        progress = Progress("kernel: files unpacked", 102000)
        for _ in tar.stdout:
            progress.step()
    if tar.returncode:
        shutil.rmtree(kernel.root, ignore_errors=True)
        raise Failure(f"{source} does not unpack below {LINUX}: free disk space, or remove the file so that it is fetched again.")
    mark.write_text(origin(source))


def copy_tree(kernel, other):
    """Start from another variant's tree: sources shared by hard links (they are only ever replaced), objects copied."""
    say(f"kernel {kernel.variant}: starting from the {'source' if kernel.variant == 'own' else 'objects'} of {other.name}")
    new = kernel.root.with_name(kernel.root.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    names = [p.name for p in other.iterdir() if p.name != "obj"]
    subprocess.run(["cp", "-al", *(other / n for n in names), new], check=True)
    for name in ("stamp", "made-of", "total", "configured", *WORDS):
        (new / ".lab" / name).unlink(missing_ok=True)
    if kernel.variant != "own" and (other / "obj").is_dir():
        subprocess.run(["cp", "-a", other / "obj", new / "obj"], check=True)
    new.rename(kernel.root)


def make(kernel, *targets, progress=None):
    """Run make in the kernel's tree; the whole output goes to its log."""
    command = ["make", "-C", kernel.root, "O=obj", f"-j{jobs()}", "CC=ccache gcc", "HOSTCC=ccache gcc", "LOCALVERSION=",
               "KBUILD_BUILD_TIMESTAMP=@0", "KBUILD_BUILD_USER=netgpu", "KBUILD_BUILD_HOST=lab", *targets]
    tail = []
    with open(kernel.log, "a", buffering=1, encoding="utf-8") as log:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              text=True, errors="replace") as process:
            for line in process.stdout:
                log.write(line)
                if re.match(r" +[A-Z0-9_]+ (\[M\])? *\S", line):
                    if progress:
                        progress.step()
                else:
                    tail.append(line)
                    del tail[:-60]
    if process.returncode:
        sys.stderr.writelines(tail[-30:])
        raise Failure(f"the kernel {kernel.variant} does not build (make {' '.join(targets)}): the whole output is in {kernel.log}.")


def configure(kernel, configs):
    """tinyconfig, or the user's own, and the fragments over it; replaces .config only when it comes out different."""
    wanted = {}
    own = kernel.variant == "own"
    new = kernel.obj / ".config"
    kept = new.read_bytes() if new.is_file() else None
    kernel.obj.mkdir(parents=True, exist_ok=True)
    if own:
        shutil.copyfile(configs[0], new)
    else:
        make(kernel, "tinyconfig")
    with open(new, "a", encoding="utf-8") as config:
        for fragment in configs[1 if own else 0:]:
            text = fragment.read_text()
            config.write(text)
            for line in text.splitlines():
                match = re.match(r"(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set", line)
                if match:
                    wanted[match[1] or match[3]] = (match[2] or "n", fragment)
    make(kernel, "olddefconfig")
    got = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", new.read_text(), re.M))
    optional = TOP / "configs/own/build.config"
    other = {symbol: line for symbol, line in wanted.items()
             if got.get(symbol, "n") != line[0] and not (line[1] == optional and symbol not in got)}
    for symbol, (value, fragment) in other.items():
        say(f"kernel: {symbol}={value} of {fragment.relative_to(TOP)} came out as {got.get(symbol, 'n')}"
            " (unknown, or something it depends on is not set)")
    if own and other:
        raise Failure(f"with the configuration that KCONFIG names there is no {', '.join(other)}: set what it depends on there.")
    if kept is not None and kept == new.read_bytes():
        return
    say(f"kernel {kernel.variant}: configured, {len(got)} options")


def build(name, source, headers=False):
    variant, *words = name.split("+")
    if set(words) - set(WORDS):
        raise Failure(f"no such words: {name}; there are {', '.join(f'+{word}' for word in WORDS)}.")
    kernel = Kernel(variant)
    groups, _ = VARIANTS[variant]
    LINUX.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(f"kernel {variant}"):
        patches = patched.series(groups)
        files = patched.own_files() if groups is None else patched.companions(patches)
        words = kernel.words(words)
        configs = fragments(variant, words)
        chosen = BUILD / "debian/.lab/chosen"
        made_of = [*patches, *configs, Path(__file__), *([chosen] if chosen.is_file() else [])]
        key = patched.digest([*made_of, *files.values()], origin(source), *files)
        stamp = kernel.lab / "stamp"
        if not source.is_dir() and kernel.image.is_file() and stamp.is_file() and stamp.read_text() == key:
            return kernel

        start = time.monotonic()
        fetch(kernel, source)
        for word in words:
            (kernel.lab / word).touch()
        stamp.unlink(missing_ok=True)
        kernel.log.write_text("")
        changed = patched.Tree(kernel.root).place(patches, files)
        say(f"kernel {variant}: {len(patches)} patches, {len(files)} files of ours; {len(changed)} files changed")
        configured = kernel.lab / "configured"
        options = patched.digest(configs)
        if not configured.is_file() or configured.read_text() != options or any("Kconfig" in name for name in changed):
            configured.unlink(missing_ok=True)
            configure(kernel, configs)
            configured.write_text(options)
        if headers:
            make(kernel, "headers")
            say(f"kernel {variant}: headers ready after {clock(time.monotonic() - start)}")
            return kernel

        total = kernel.lab / "total"
        known = int(total.read_text()) if total.is_file() else 0
        usual = USUAL_COPY if (kernel.obj / "vmlinux").is_file() else sum(USUAL[word] for word in ["", *words])
        progress = Progress(f"kernel {variant}: compiled", 0 if known else usual)
        make(kernel, "bzImage", "modules", progress=progress)
        if variant == "own":
            make(kernel, "headers")     # its modules are for a package
        else:
            make(kernel, "modules_install", "headers", f"INSTALL_MOD_PATH={kernel.modules}", "DEPMOD=depmod")
        if not known:
            total.write_text(str(progress.done))
        # The tests are in its tree, and not in it.
        code = [path for path in files.values() if TOP / "selftests" not in path.parents]
        built = [kernel.image, *sorted(kernel.modules.rglob("*.ko"))] if source.is_dir() else []    # whatever it was made of
        (kernel.lab / "made-of").write_text(patched.digest([*made_of, *code, *built], origin(source)))
        stamp.write_text(key)
        say(f"kernel {variant}: Linux {kernel.release()} ready after {clock(time.monotonic() - start)}"
            f" ({progress.done} compiled or linked)")
    return kernel


def main(arguments):
    os.umask(0o022)
    build(arguments[0], Path(arguments[1]), "headers" in arguments[2:])


if __name__ == "__main__":
    run(main)

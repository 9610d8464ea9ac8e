# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""A kernel source with our patches and files in it, kept so that a change touches only what changed.

The first time a file of the source is to be changed, its original is kept in .lab/orig (or its absence noted).
Every time, the originals are patched in a scratch copy, and what differs from the tree is renamed into it;
so make rebuilds just that, and a patch that was dropped or reordered leaves nothing behind.
"""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from paths import TOP
from say import Failure

# Ours -> there; DESIGN.md, section 2.
PLACES = (
    ("kernel", "net/netgpu"),
    ("module", "kernel/module"),
    ("include", "include"),
    ("uapi", "include/uapi/linux"),
    ("drivers", "drivers"),
    ("net", "net"),
    *((name, name) for name in (        # the rest of Documentation/ is about the repository
        "Documentation/ABI/testing/dev-netgpu", "Documentation/core-api/gpl-only-symbols.rst",
        "Documentation/networking/netgpu.rst", "Documentation/networking/netgpu-gate.rst",
        "Documentation/networking/netgpu-gpus.rst")),
    ("selftests", "tools/testing/selftests/drivers/net/netgpu"),
    ("tools/lib/zcrx_abi.h", "tools/testing/selftests/drivers/net/netgpu/zcrx_abi.h"),
    ("Kconfig", "net/netgpu/Kconfig"),
    ("Makefile", "net/netgpu/Makefile"),
)
GENERATED = re.compile(r"(\.(o|ko|cmd|orig|rej|swp|pyc)|~)$|^\.")


def series(groups=None):
    """The patches of patches/series, in order; only those below the named directories when given."""
    try:
        lines = (TOP / "patches/series").read_text().splitlines()
    except FileNotFoundError:
        return []
    names = [line.split("#")[0].strip() for line in lines]
    found = []
    for name in filter(None, names):
        if groups is not None and name.split("/")[0] not in groups:
            continue
        if not (TOP / "patches" / name).is_file():
            raise Failure(f"patches/series names {name}, which is not there: add it, or remove the line.")
        found.append(TOP / "patches" / name)
    return found


def own_files():
    """Our files, as {path in the kernel tree: path here}."""
    files = {}
    for here, there in PLACES:
        path = TOP / here
        if path.is_file():
            files[there] = path
        for file in sorted(path.rglob("*")) if path.is_dir() else ():
            if file.is_file() and not GENERATED.search(file.name):
                files[f"{there}/{file.relative_to(path)}"] = file
    return files


def companions(patches):
    """Our files that come with these patches: those beside what they change, and with net/netgpu its headers."""
    names = {name for patch in patches for name in touched(patch)}
    beside = {Path(name).parent for name in names}
    return {there: here for there, here in own_files().items()
            if ("net/Makefile" in names if there.startswith("include/") else beside & {*Path(there).parents[:2]})}


def touched(patch):
    """The paths that a patch changes, makes or removes."""
    names = set()
    for line in patch.read_text(errors="replace").splitlines():
        match = re.match(r"(?:---|\+\+\+) [ab]/([^\t\n]+)|rename (?:from|to) (.+)", line)
        if match:
            names.add(match[1] or match[2])
    return names


def digest(paths, *more):
    """One hash over the names and contents of files."""
    total = hashlib.sha256("\0".join(map(str, more)).encode())
    for path in paths:
        total.update(str(path).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def replace(source, target):
    """Put source's content at target in one step, never writing into a file that another tree may share."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(target.name + ".lab-new")
    shutil.copyfile(source, new)
    if os.access(source, os.X_OK):
        new.chmod(0o755)
    new.rename(target)


def same(one, other):
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


class Tree:
    def __init__(self, root):
        self.root = root
        self.lab = root / ".lab"
        self.orig = self.lab / "orig"
        self.absent = self.lab / "absent"       # one empty file per path that the source does not have

    def keep(self, name):
        """Keep the original of a file that we are about to change for the first time."""
        if (self.orig / name).is_file() or (self.absent / name).is_file():
            return
        if (self.root / name).is_file():
            kept = self.orig / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.root / name, kept)
        else:
            kept = self.absent / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.touch()

    def known(self):
        """Every path that was ever changed."""
        for base in (self.orig, self.absent):
            for path in base.rglob("*"):
                if path.is_file():
                    yield str(path.relative_to(base))

    def refresh(self, source):
        """Take the originals of all that was ever changed from a source that may have moved on; return their paths."""
        names = set(self.known())
        for name in names:
            for kept in (self.orig / name, self.absent / name):
                kept.unlink(missing_ok=True)
            kept = (self.orig if (source / name).is_file() else self.absent) / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            if (source / name).is_file():
                shutil.copy2(source / name, kept)
            else:
                kept.touch()
        return names

    def patched(self, patches):
        """A scratch directory with the originals of all that the patches touch, patched."""
        work = self.lab / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        for patch in patches:
            for name in touched(patch):
                self.keep(name)
                if (self.orig / name).is_file() and not (work / name).exists() and patch_first(patch, patches, name):
                    (work / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(self.orig / name, work / name)
            done = subprocess.run(
                ["patch", "-p1", "--fuzz=0", "--force", "--no-backup-if-mismatch", "-d", work, "-i", patch],
                capture_output=True, text=True, check=False)
            if done.returncode:
                files = re.findall(r"^\d+ out of \d+ hunks? (?:FAILED|ignored).*?to file (.*)\.rej", done.stdout, re.M)
                where = ", ".join(files) or (done.stdout + done.stderr).strip().replace("\n", " ")
                raise Failure(f"{patch.relative_to(TOP)} no longer applies ({where}): "
                              f"mend it for this source; the rejected hunks are below {work}.")
        return work

    def place(self, patches, files):
        """Bring the tree to: the source, patched, with our files. Returns the paths that changed."""
        work = self.patched(patches)
        for name in files:
            self.keep(name)
        changed = []
        for name in sorted(set(self.known())):
            wanted = files.get(name)
            if wanted is None and (work / name).is_file():
                wanted = work / name
            if wanted is None and not any(name in touched(p) for p in patches) and (self.orig / name).is_file():
                wanted = self.orig / name
            target = self.root / name
            if wanted is None:
                if target.exists():
                    target.unlink()
                    changed.append(name)
            elif not same(wanted, target):
                replace(wanted, target)
                changed.append(name)
        shutil.rmtree(work)
        return changed


def patch_first(patch, patches, name):
    """Is this the first patch of the series to touch the file (then it starts from the original)?"""
    return next(p for p in patches if name in touched(p)) == patch

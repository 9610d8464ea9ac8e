# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""The guest's initramfs: busybox, our init, and the directories it mounts on."""

import gzip
import os
import stat
from pathlib import Path

from paths import OWN, TOP
from say import Failure


def entry(number, name, mode, content=b"", device=(0, 0)):
    """One file of a cpio archive in the newc format, as the kernel unpacks it."""
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
    head += b"\0" * (-len(head) % 4)
    return head + content + b"\0" * (-len(content) % 4)


def make():
    """Write it when it is missing or older than what goes in; return its path."""
    path = OWN / "initramfs.gz"
    busybox = Path("/usr/bin/busybox")
    init = TOP / "tools/lab/init"
    sources = (busybox, init, Path(__file__))
    if not busybox.is_file():
        raise Failure("there is no busybox in the user space: install the package busybox-static.")
    if path.is_file() and path.stat().st_mtime > max(s.stat().st_mtime for s in sources):
        return path
    directory = stat.S_IFDIR | 0o755
    entries = [(name, directory) for name in ("bin", "dev", "proc", "sys", "ro", "rw", "new")]
    entries += [("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
                ("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes()),
                ("init", stat.S_IFREG | 0o755, init.read_bytes()),
                ("TRAILER!!!", 0)]
    archive = b"".join(entry(i, *e) for i, e in enumerate(entries, 1))
    OWN.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")       # the first machines of a run start at the same time
    new.write_bytes(gzip.compress(archive, 1))
    new.rename(path)
    return path

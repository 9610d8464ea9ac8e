# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Is this machine's own user space new enough for the lab? Prints what is missing; no output means yes."""

import re
import shutil
import subprocess
from pathlib import Path

PROGRAMS = ("gcc make bc bison flex rsync cpio depmod xz ccache perl patch pkg-config busybox qemu-system-x86_64 iperf3 ip"
            " ethtool ping socat setpriv sparse").split()
VERSIONS = (("qemu-system-x86_64", "--version", (10, 0)), ("iperf3", "--version", (3, 12)), ("gcc", "-dumpfullversion", (12, 0)))
LIBRARIES = (("liburing", "2.15"), ("libmnl", "1.0"), ("libcjson", "1.7"), ("libdrm", "2.4"), ("libelf", "0.18"), ("openssl", "3.0"))


def missing():
    for program in PROGRAMS:
        if not shutil.which(program):
            yield program
            return
    for program, option, least in VERSIONS:
        text = subprocess.run([program, option], capture_output=True, text=True, check=False).stdout
        found = re.search(r"(\d+)\.(\d+)", text)
        if not found or tuple(map(int, found.groups())) < least:
            yield f"{program} {'.'.join(map(str, least))}"
    for library, least in LIBRARIES:
        if subprocess.run(["pkg-config", f"--atleast-version={least}", library], check=False).returncode:
            yield f"{library} {least}"
    try:
        import yaml     # noqa: F401 pylint: disable=unused-import,import-outside-toplevel
    except ImportError:
        yield "python3-yaml"
    if not Path("/usr/bin/busybox").is_file() or b"ld-linux" in Path("/usr/bin/busybox").read_bytes()[:4096]:
        yield "busybox-static"


if __name__ == "__main__":
    print(" ".join(missing()))

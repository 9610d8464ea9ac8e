# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Build what runs in user space: the lab's own programs, netgpu's tools, the selftests, and upstream's, unmodified.

The headers and upstream's sources are those of the kernel variant netgpu.
"""

import shutil
import subprocess
from pathlib import Path

import machine
from paths import BUILD, LINUX, OWN, PROGRAMS, TOP, jobs
from say import Failure, run, say


def make(directory, *variables):
    """Run a Makefile of ours; quiet when there is nothing to do."""
    command = ["make", "--no-print-directory", "-C", directory, "CC=ccache gcc", *variables]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, check=False)
    log = BUILD / "programs.log"
    with open(log, "a", encoding="utf-8") as file:
        file.write(done.stdout)
    if done.returncode:
        say(done.stdout[-4000:])
        raise Failure(f"{directory.relative_to(TOP)} does not build: the output is above and in {log}.")


def upstream(linux):
    """The kernel's own test programs for zero-copy receive, unmodified, by their own Makefile."""
    names = ("iou-zcrx", "ncdevmem")
    out = PROGRAMS / "upstream"
    out.mkdir(parents=True, exist_ok=True)
    make(linux / "tools/testing/selftests/drivers/net/hw", f"OUTPUT={out}", f"KHDR_INCLUDES=-isystem {linux}/obj/usr/include",
         "HAS_IOURING_ZCRX=y", *(f"{out}/{name}" for name in names))
    for name in names:
        link = PROGRAMS / name
        if not link.is_symlink():
            link.symlink_to(f"upstream/{name}")


def main(_):
    (BUILD / "programs.log").write_text("")
    linux = LINUX / "netgpu"
    targets = ["all", "measure", "fabric", "amdgpu", "sanitized"]
    if shutil.which("glslangValidator") and Path("/usr/include/vulkan/vulkan_core.h").is_file():
        targets.append("vulkan")
    for directory, out in ((TOP / "tools/lab", OWN), *((TOP / "tools/lab" / name, OWN / name) for name in ("device", *machine.GPUS)), (TOP / "tools", BUILD / "tools"), (TOP / "selftests", PROGRAMS)):
        if (directory / "Makefile").is_file():
            out.mkdir(parents=True, exist_ok=True)
            make(directory, f"-j{jobs()}", f"O={out}", f"OUT={out}", f"KSRC={linux}", f"KHDR_INCLUDES=-isystem {linux}/obj/usr/include",
                 *(targets if directory == TOP / "tools" else ()))
    upstream(linux)
    libfabric = BUILD / "source/libfabric"
    if (libfabric / ".version").is_file():
        make(TOP / "tools/libfabric/fabtests", f"-j{jobs()}", f"SRC={libfabric}", f"O={BUILD}/fabtests", f"LIB={BUILD}/tools")


if __name__ == "__main__":
    run(main)

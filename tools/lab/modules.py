# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Build the modules of the tests: modules.py VARIANT...: into build/gate/VARIANT

Most of those of the GPL gate no modpost would let pass. Here it is told that no symbol is GPL-only or in a namespace, by a Module.symvers
that says so, in a directory of objects that is otherwise the kernel's own. That is the way of who wants to get around the
gate, and the loader is what has to stop them.
"""

import re
import shutil
import subprocess

from paths import BUILD, LINUX, TOP, jobs
from say import Failure, one_at_a_time, run, say

SOURCES = {TOP / "selftests/gate": ".", TOP / "selftests/gate/plain": "plain", TOP / "selftests/queue_fault": "queue_fault"}


def forged(symvers):
    """Module.symvers, with everything exported to everyone."""
    return re.sub(r"^(\S+\t\S+\t\S+)\tEXPORT_SYMBOL\w*\t.*$", r"\1\tEXPORT_SYMBOL\t", symvers, flags=re.M)


def write(path, text):
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def objects(obj, ours):
    """A view of a kernel's objects with another Module.symvers."""
    ours.mkdir(parents=True, exist_ok=True)
    for path in obj.iterdir():
        link = ours / path.name
        if path.name != "Module.symvers" and not link.is_symlink():
            link.symlink_to(path)
    write(ours / "Module.symvers", forged((obj / "Module.symvers").read_text()))


def build(variant):
    linux = LINUX / variant
    out = BUILD / "gate" / variant
    # kbuild does not see there that another configuration makes objects out of date
    options = (linux / "obj/include/config/auto.conf").read_text()
    known = out / "auto.conf"
    if not known.is_file() or known.read_text() != options:
        shutil.rmtree(out, ignore_errors=True)
    objects(linux / "obj", out / "obj")
    log = out / "log"
    with open(log, "w", encoding="utf-8") as file:
        for source, place in SOURCES.items():
            target = out / place
            target.mkdir(parents=True, exist_ok=True)
            command = ["make", "-C", linux, f"O={out}/obj", f"M={source}", f"MO={target}", f"-j{jobs()}", "CC=ccache gcc", "modules"]
            if subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False).returncode:
                say(log.read_text()[-3000:])
                raise Failure(f"the modules of the tests do not build for {variant}: the output is above and in {log}.")
    write(known, options)


def main(variants):
    with one_at_a_time("gate"):
        for variant in variants:
            build(variant)


if __name__ == "__main__":
    run(main)

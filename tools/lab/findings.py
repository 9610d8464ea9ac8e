# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""What lint.py and nipa.py have in common: run a tool, and say whose a warning is."""

import functools
import os
import re
import subprocess

import patched
from paths import LINUX, TOP

TREE = LINUX / "netgpu"
NO_GIT = {"GIT_DIR": "none"}        # the user space need not have it, and checkpatch asks
# checkpatch: SPDX of the UAPI is checked by spdx. FILE_PATH_CHANGES asks for MAINTAINERS, which is for who posts;
# UNKNOWN_COMMIT_ID: there is no history to look it up in; MACRO_ARG_REUSE: the cursor of a loop.
IGNORED = ("FILE_PATH_CHANGES", "SPDX_LICENSE_TAG", "EMBEDDED_FILENAME", "UNKNOWN_COMMIT_ID", "MACRO_ARG_REUSE")
# what does not hold for programs
IGNORED_OF_PROGRAMS = ("WEAK_DECLARATION", "PREFER_KERNEL_TYPES", "VOLATILE", "BIT_MACRO", "STRCPY", "TRAILING_STATEMENTS", "ARRAY_SIZE")
IGNORED_OF_TRACE = ("PARENTHESIS_ALIGNMENT", "OPEN_ENDED_LINE", "SPACING")      # how trace events are written


def output(*command, cwd=TOP, env=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace", check=False,
                          env=os.environ | (env or {}), stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def checkpatch(*words, ignore=()):
    """The findings of checkpatch --strict, a line each."""
    _, text = output("perl", str(TREE / "scripts/checkpatch.pl"), "--no-tree", "--strict", "--terse", "--quiet", "--show-types",
                     "--max-line-length=100", f"--root={TREE}", f"--ignore={','.join((*IGNORED, *ignore))}", *map(str, words), env=NO_GIT)
    for seen in TOP.glob(".checkpatch-camelcase.*"):
        seen.unlink()
    return [line for line in text.splitlines() if not line.startswith("total:")]


@functools.cache
def changed_lines(name):
    """The numbers of the lines that are not in the original of a patched file."""
    original = TREE / ".lab/orig" / name
    if not original.is_file():
        original = "/dev/null"
    text = output("diff", "--unchanged-line-format=", "--old-line-format=", "--new-line-format=%dn ", original, TREE / name)[1]
    return set(map(int, text.split()))


def mine(line, tree):
    """Does a warning about a file of this tree stand in a file of ours, or in a line that a patch changes?"""
    match = re.match(r"(?:\.\./)*([\w./-]+\.[ch]):(\d+)?", line)
    if not match:
        return True
    name = match[1].removeprefix(f"{tree}/")
    if name in patched.own_files():
        return True
    return any(name in patched.touched(p) for p in patched.series()) and (not match[2] or int(match[2]) in changed_lines(name))

# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""What the result of a test depends on, besides the kernel: itself, what it names, what that names, and the lab."""

import functools
import hashlib
import re

from paths import BUILD, OWN, PROGRAMS, TOP

# These run tests, or do other things, but are no part of the machine that a test runs in.
OUTSIDE = ("check.py", "inputs.py", "lint.py", "ktap.py")     # check.py adds what it takes for wrong


@functools.cache
def contents(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def below(*places):
    """The files there, without what running them leaves."""
    # the first machine makes its initramfs of what is here
    return sorted(path for place in places for path in place.rglob("*") if path.is_file() and path.suffix not in (".d", ".pyc")
                  and not path.name.startswith("initramfs."))


@functools.cache
def everything():
    """What all is made from, and what is run."""
    return [*below(TOP / "selftests", TOP / "tools", TOP / "uapi", TOP / "module", TOP / "Documentation", TOP / "configs",
                   PROGRAMS, OWN, BUILD / "tools", BUILD / "gate"), *sorted(TOP.glob("*.md")), TOP / "Makefile"]


@functools.cache
def lab():
    return [path for path in below(TOP / "tools/lab", OWN) if path.name not in OUTSIDE and path.suffix not in (".c", ".h")]


@functools.cache
def by_name():
    """What a test may name: scripts, programs, and directories of upstream's."""
    found = {}
    for path in below(TOP / "selftests", TOP / "tools"):
        if path.suffix in (".sh", ".py", ".txt"):
            found.setdefault(path.name, []).append(path)
    found["corpus"] = below(TOP / "selftests/corpus")
    for place in (PROGRAMS, BUILD / "tools"):
        for path in below(place):
            for name in {path.name, path.relative_to(place).parts[0]} - {"tests", "lib", "bench", "command"}:
                found.setdefault(name, []).append(path)
    return found


@functools.cache
def names(path):
    """The words of a script that is no binary, but for comments and what is elsewhere, such as /dev/netgpu."""
    if path.suffix not in (".sh", ".py"):
        return set()
    text = re.sub(r"(?m)^\s*#.*", "", path.read_text(encoding="utf-8", errors="replace"))
    # the path goes on behind "$(dirname "$0")" or ${a variable}
    # and behind ${another:-
    return {word.rsplit("/", 1)[-1].lstrip("-") for word in re.findall(r"(?<![\w./-])(?:(?<=[\")}])/)?[\w.-][\w./-]*", text)}


def inputs(test):
    """The files, of which a digest says whether they are what they were."""
    if test.settings["machine"] == "none":
        return everything()
    todo, found = [test.path], set()
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += [other for name in names(path) for other in by_name().get(name, ())]
    found.update(lab())
    if "modules" in test.settings:
        found.update(path for path in below(BUILD / "gate") if path.suffix == ".ko")
    return sorted(found)


def digest(test):
    return hashlib.sha256("".join(f"{path.relative_to(TOP)} {contents(path)}\n" for path in inputs(test)).encode()).hexdigest()

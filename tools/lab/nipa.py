# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""What netdev's CI (NIPA) checks, as far as it can be done without its machines: make lint T=nipa, or T=nipa-fixes and so on.

Most look at what make series has written. Those in LONG compile the directories that the series touch, each in a build directory of
its own below build/linux: hours with two processors.
"""

import functools
import os
import re
import shutil
from pathlib import Path

import findings
import patched
import series
from findings import TREE, mine, output
from paths import LINUX, TOP, jobs
from say import Failure, say

HISTORY = []        # a clone of Linux, if there is one
TREES = {"netdev": ("net", "net-next")}     # by the first list
# Declarations are sorted so in these, longest first.
SORTED = ("net/", "drivers/net/", "include/net/", "include/linux/netdevice.h")
# of selftests: scripts and texts have lines as long as elsewhere in the repository; _Static_assert is C; a word of shell may come twice;
# netgpu-hwtest is a command, and has no .sh at its end
IGNORED_OF_SCRIPTS = ("LONG_LINE", "LONG_LINE_STRING", "LONG_LINE_COMMENT", "CAMELCASE", "REPEATED_WORD", "EXECUTE_PERMISSIONS")
FIXES = re.compile(r'Fixes: [0-9a-f]{12,40} \("\S.*\S"\)$')
DECLARED = re.compile(r"\t+(?:static |const |unsigned |struct |enum |union |bool|char|short|int|long|size_t|ssize_t|void|[su](?:8|16|32|64)\b|__\w+|\w+_t\b)"
                      r"[\w\s*]*?\b(\w+)(?:\[.*\])?(?:\s*=.*|,.*)?;(?:\s*/\*.*\*/)?$")


@functools.cache
def posted():
    """The series that are written, anew where something of them has changed."""
    readme = series.OUT / "README"
    made_of = [*(TOP / "patches").rglob("*"), *patched.own_files().values(), *(TOP / "tools/lab").glob("*.py")]
    if not readme.is_file() or max(path.stat().st_mtime for path in made_of if path.is_file()) > readme.stat().st_mtime:
        say("lint: writing the series")
        return series.make()[0]
    return series.read_lists()


def patches():
    return [(one, path) for one in posted() for path in one.patches()]


def short(path):
    return path.relative_to(series.OUT)


def header(path):
    """The subject, and the lines of the message."""
    head, _, rest = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")
    subject = re.sub(r"\n ", " ", re.search(r"^Subject: (.*(?:\n .*)*)", head, re.M)[1])
    return subject, rest.split("\n---\n")[0].splitlines()


def made():
    """The series apply, in order and by themselves, and give the files that the lab builds."""
    try:
        posted()
    except Failure as failure:
        return [str(failure)]
    return []


def checkpatch():
    """As with lint's own. MISSING_SIGN_OFF: who posts signs."""
    found = []
    for _, path in patches():
        text = path.read_text(encoding="utf-8", errors="replace")
        ignore = ("MISSING_SIGN_OFF",)
        if re.search(r"^\+\+\+ b/tools/testing/", text, re.M):
            ignore += (*findings.IGNORED_OF_PROGRAMS, *IGNORED_OF_SCRIPTS)
        if re.search(r"^\+\+\+ b/.*/trace\.h$", text, re.M):
            ignore += findings.IGNORED_OF_TRACE
        found += [line.removeprefix(f"{series.OUT}/") for line in findings.checkpatch(path, ignore=ignore)]
    return found


def subject():
    """The prefix names the tree; the number is right; what it is about comes first."""
    found = []
    for one in posted():
        trees = TREES.get(one.to[0].split("@")[0])
        if trees and one.prefix.removeprefix("PATCH ") not in trees:
            found.append(f"{one.directory.name}: [{one.prefix}] is for none of {', '.join(trees)}")
        files = one.files()
        last = len(files) - 1
        for number, path in enumerate(files):
            width = len(str(last))
            wanted = f"[{one.prefix} {number:0{width}}/{last}] "
            line = header(path)[0]
            if not line.startswith(wanted):
                found.append(f"{short(path)}: {line}: expected {wanted.strip()}")
            elif not re.match(r"[\w./-]+(, [\w./-]+)?: ", line.removeprefix(wanted)):
                found.append(f"{short(path)}: {line}: of which subsystem?")
    return found


def length():
    """No more patches than reviewers take, unless the cover letter says why."""
    return [f"{one.directory.name}: {len(one.patches())} patches, and its cover letter does not say why" for one in posted()
            if len(one.patches()) > series.MOST and "More than" not in (one.directory / "0000-cover-letter.patch").read_text(encoding="utf-8")]


def fixes():
    """The form of Fixes:, one in each series for net unless its letter says why not, and in a clone of Linux (KSRC) that the commit is there and called so."""
    found = []
    for one in posted():
        seen = 0
        for path in one.patches():
            for line in header(path)[1]:
                if not re.match(r"\s*fixes:", line, re.I):
                    continue
                seen += 1
                if not FIXES.match(line):
                    found.append(f'{short(path)}: {line}: wanted is Fixes: 12 digits ("subject")')
                elif HISTORY:
                    status, text = output("git", "-c", "safe.directory=*", "-C", HISTORY[0], "log", "-1", "--format=%s", line.split()[1])
                    name = re.search(r'\("(.*)"\)', line)[1]
                    if status or text.strip() != name:
                        found.append(f"{short(path)}: {line}: {'there is no such commit' if status else f'it is called {text.strip()}'}")
        if one.prefix == "PATCH net" and not seen and not one.undated:
            found.append(f"{one.directory.name}: for net, and no patch of it says what it fixes")
    return found


def new_side(path):
    """(file, line number, is it new, text) of the new side of a patch."""
    name = number = None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("+++ "):
            name = line[6:]
        elif match := re.match(r"@@ -\S+ \+(\d+)", line):
            number = int(match[1])
            yield name, 0, False, ""        # not what came before
        elif name and number and line[:1] in ("+", " "):
            yield name, number, line[0] == "+", line[1:]
            number += 1


def xmas():
    """Local variables, longest line first. Not where the longer line needs what is declared above it."""
    found = []
    for _, path in patches():
        block, inside = [], False
        for name, number, is_new, text in new_side(path):
            if not name.startswith(SORTED) or not name.endswith((".c", ".h")):
                continue
            if text.endswith("{") and not re.search(r"\b(struct|union|enum)\b[^()]*\{$|=\s*\{$", text):
                block, inside = [], True
                continue
            match = DECLARED.match(text) if inside and "(*" not in text else None
            if not match or re.match(r"\t+(return|goto|case|else|typeof)\b", text):
                if not (inside and not text.strip() and not block):
                    inside = False
                continue
            if block:
                above, was_new, names = block[-1]
                needs = any(re.search(rf"\b{re.escape(word)}\b", text.partition("=")[2]) for word in names)
                if len(text.expandtabs()) > len(above.expandtabs()) and (is_new or was_new) and not needs:
                    found.append(f"{short(path)}: {name}:{number}: longer than the declaration above it: {text.strip()}")
            names = {word for line in block for word in line[2]} | set(re.findall(r"(\w+)\s*(?:=|,|;|\[)", text))
            block.append((text, is_new, names))
    return found


def touched():
    return sorted({name for patch in patched.series() for name in patched.touched(patch)} | set(patched.own_files()))


def kernel_doc():
    """What kernel-doc -Wall says of the files that are touched, and did not say before."""
    names = [name for name in touched() if name.endswith((".c", ".h")) and not name.startswith("tools/")]

    def say_of(roots):
        paths = [str(root / name) for name in names for root in roots if (root / name).is_file()]
        text = output("python3", str(TREE / "tools/docs/kernel-doc"), "-none", "-Wall", *paths, cwd=TREE, env={"PYTHONDONTWRITEBYTECODE": "1"})[1]
        lines = [line for line in text.splitlines() if re.search(r"warning|error", line, re.I)]
        for root in roots:
            lines = [line.replace(f"{root}/", "") for line in lines]
        return lines

    def words(line):        # what has moved to another file or line is not new
        return re.sub(r"^.*?\.[ch]:\d+ ", "", line)

    before = set(map(words, say_of([TREE / ".lab/orig"])))
    return [line for line in dict.fromkeys(say_of([TREE])) if words(line) not in before]


def ynl():
    """Specifications of netlink that a series touches are valid, and the headers are made of them."""
    found = []
    for name in touched():
        if not re.match(r"Documentation/netlink/specs/.*\.yaml$", name):
            continue
        status, text = output("python3", "tools/net/ynl/pyynl/cli.py", "--spec", name, "--validate", cwd=TREE)
        found += [f"{name}: {text.strip()}"] if status else []
        status, text = output("bash", "tools/net/ynl/ynl-regen.sh", "-f", "-p", name, cwd=TREE)
        found += [f"{name}: {text.strip()}"] if status else []
    return found


def selftests():
    """Each script is executable, has a licence, and is in the Makefile as kselftest wants it; the directory is one of the targets."""
    directory = "tools/testing/selftests/drivers/net/netgpu"
    own = patched.own_files()
    makefile = own[f"{directory}/Makefile"].read_text(encoding="utf-8").replace("\\\n", " ")
    lists = {word for match in re.findall(r"^TEST_(?:PROGS|FILES|PROGS_EXTENDED|INCLUDES) *[:+]?= *(.*)$", makefile, re.M) for word in match.split()}
    found, unlisted = [], []
    for there, here in own.items():
        if not there.startswith(f"{directory}/") or not there.endswith((".sh", ".py")):
            continue
        text = here.read_text(encoding="utf-8")
        name = here.relative_to(TOP)
        if "SPDX-License-Identifier:" not in "".join(text.splitlines(True)[:3]):
            found.append(f"{name}: no SPDX-License-Identifier")
        if text.startswith("#!") and not os.access(here, os.X_OK):
            found.append(f"{name}: is a program, and not executable")
        if here.name not in lists:
            unlisted.append(here.name)
    if unlisted:
        found.append(f"selftests/Makefile: {len(unlisted)} scripts are in none of TEST_PROGS, TEST_PROGS_EXTENDED and TEST_FILES ({', '.join(unlisted[:3])}, ...)")
    if "lib.mk" not in makefile:
        found.append("selftests/Makefile: does not include lib.mk, without which kselftest neither builds nor installs nor runs it")
    targets = (TREE / "tools/testing/selftests/Makefile").read_text(encoding="utf-8")
    if "drivers/net/netgpu" not in targets:
        found.append("tools/testing/selftests/Makefile: drivers/net/netgpu is not one of its TARGETS, which takes a patch")
    return found


def directories():
    """Those that the series touch, as targets: up to where there is a Makefile."""
    found = set()
    for name in touched():
        if not name.endswith((".c", ".h")) or name.startswith(("include/", "tools/")):
            continue
        parent = Path(name).parent
        while not any((TREE / parent / file).is_file() for file in ("Makefile", "Kbuild")):
            parent = parent.parent
        found.add(f"{parent}/")
    return sorted(found)


def build(kind, *words):
    """allmodconfig, and of that what is in the touched directories, with W=1."""
    directory = LINUX / f"nipa-{kind}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    make = ["make", "-C", str(TREE), f"O={directory}", f"-j{jobs()}", "LOCALVERSION=", *words]
    for target in ("allmodconfig", "prepare"):
        status, text = output(*make, target)
        if status:
            return [f"{target}: {text[-600:]}"]
    # A warning is none of ours to make an error of: allmodconfig sets CONFIG_WERROR.
    output("scripts/config", "--file", str(directory / ".config"), "-d", "WERROR", "-d", "DRM_WERROR", cwd=TREE)
    status, text = output(*make, "olddefconfig")
    status, text = output(*make, "-k", "W=1", *directories())
    lines = [line for line in text.splitlines() if re.search(r": (warning|error|fatal error):|\*\*\*", line)]
    found = [line for line in lines if mine(line, TREE)]
    shutil.rmtree(directory)
    return found or ([text[-600:]] if status and not lines else [])


def gcc():
    return build("gcc", "CC=ccache gcc", "HOSTCC=ccache gcc")


def clang():
    if not shutil.which("clang") or not shutil.which("ld.lld"):
        return ["there is no clang, or no ld.lld, in the user space: tools/lab/debian clang lld llvm puts them there"]
    return build("clang", "LLVM=1")


def bits32():
    """As i386: what is computed with 64 bits, and printed, shows there."""
    return build("32", "ARCH=i386", "CC=ccache gcc", "HOSTCC=ccache gcc")


LONG = {"nipa-gcc": gcc, "nipa-clang": clang, "nipa-32bit": bits32}
CHECKS = {"nipa-series": made, "nipa-checkpatch": checkpatch, "nipa-subject": subject, "nipa-length": length, "nipa-fixes": fixes, "nipa-xmas": xmas,
          "nipa-kernel-doc": kernel_doc, "nipa-ynl": ynl, "nipa-selftests": selftests, **LONG}

# SPDX-License-Identifier: GPL-2.0
"""Is what the pages name there? docs.py links|targets|commands|kernel_options|program: prints what is not, and ends with 1."""

import functools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
TOOLS = TOP / "build/tools"
COMMAND = TOOLS / "netgpu"
README = TOP / "README.md"
TUTORIAL = TOP / "Documentation/networking/netgpu-tutorial.rst"
MARKDOWN = sorted([*TOP.glob("*.md"), *(TOP / "tools").rglob("*.md")])
RST = sorted([*(TOP / "Documentation").rglob("*.rst"), TOP / "tools/bench/hardware.rst"])
# What a word of these begins with is a path of the repository; tools/testing is the kernel's.
PLACES = ("Documentation", "configs", "debian", "drivers", "module", "patches", "selftests", "tools", "uapi")
# Of the kernel, and named by pages of ours that go into its tree.
KERNELS = {"networking/devmem", "networking/iou-zcrx", "networking/netmem"}


@functools.cache
def text(path):
    return path.read_text(encoding="utf-8")


def name(path):
    return str(path.relative_to(TOP))


def output(*command, **variables):
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, env=os.environ | variables, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout + done.stderr


def spans(path):
    """What is in back quotes."""
    if path.suffix == ".md":
        return re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text(path)))
    return re.findall(r"``([^`]+?)``", text(path))


def blocks(path):
    """The lines of code blocks, without what they are indented by."""
    if path.suffix == ".md":
        for block in re.findall(r"(?ms)^```[^\n]*\n(.*?)^```", text(path)):
            yield from block.splitlines()
        return
    inside = None
    for line in text(path).splitlines():
        indent = len(line) - len(line.lstrip())
        if inside is not None and line.strip():
            if indent > inside:
                yield line.strip()
                continue
            inside = None
        if line.rstrip().endswith("::"):
            inside = indent


def lines_of(*paths):
    """(page, words) of all that a reader might type: in code blocks behind a prompt or an arrow, and in back quotes."""
    for path in paths:
        for line in blocks(path):
            match = re.match(r"\s*(?:[$#]|->) (.*)", line)
            if match:
                yield path, match[1]
        for span in spans(path):
            yield path, span


# ------------------------------------------------------------------ links

def slug(title):
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def anchors(path):
    if path.suffix == ".md":
        return {slug(title) for title in re.findall(r"(?m)^#+ +(.*)$", text(path))}
    return {slug(title) for title in re.findall(r"(?m)^(\S.*)\n(?:=+|-+|~+)$", text(path))}


def links():
    found = []
    for page in MARKDOWN:
        for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
            if re.match(r"\w+:", target):
                continue
            file, _, anchor = target.partition("#")
            path = (page.parent / file).resolve() if file else page
            if not path.exists():
                found.append(f"{name(page)}: {target} is not there")
            elif anchor and anchor not in anchors(path):
                found.append(f"{name(page)}: {file} has no heading for #{anchor}")
    for page in RST:
        for target in re.findall(r"(?m)^\s*\.\. (?:image|figure|literalinclude|include):: +(\S+)", text(page)):
            if not (page.parent / target).exists():
                found.append(f"{name(page)}: {target} is not there")
        for target in re.findall(r"\bDocumentation/([\w/-]+)\.rst", text(page)):
            if target not in KERNELS and not (TOP / f"Documentation/{target}.rst").exists():
                found.append(f"{name(page)}: Documentation/{target}.rst is not there")
    for page in [README, TOP / "CONTRIBUTING.md", *RST]:
        for span in spans(page):
            if re.fullmatch(rf"(?:{'|'.join(PLACES)})/[\w./*-]+", span) and not span.startswith(("tools/testing", "drivers/pci/")):     # of Linux
                if not list(TOP.glob(span.rstrip("/"))):
                    found.append(f"{name(page)}: {span} is not there")
    return found


# ------------------------------------------------------------------ make

@functools.cache
def tests(target):
    return output("tools/lab/lab", target, T="list")[1].split()


@functools.cache
def target_is_there(directory, target):
    """Make is asked what it would do."""
    return output("make", "-n", "-C", directory, target)[0] == 0


def targets():
    found = []
    seen = 0
    for page, line in lines_of(*MARKDOWN, *RST):
        if not re.match(r"make(?: |$)", line):
            continue
        words = shlex.split(line, comments=True)[1:]
        directory = "."
        if "-C" in words:
            at = words.index("-C")
            directory = words[at + 1]
            del words[at:at + 2]
        if directory.startswith("tools/testing"):       # there in a kernel's tree
            continue
        variables = dict(word.split("=", 1) for word in words if "=" in word)
        wanted = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
        seen += 1
        if not (TOP / directory / "Makefile").is_file():
            found.append(f"{name(page)}: {line}: there is no Makefile in {directory}")
            continue
        for target in wanted:
            if not target_is_there(directory, target):
                found.append(f"{name(page)}: {line}: there is no target {target}")
        part = variables.get("T", "list")
        if directory != "." or part in ("list", "PART"):
            continue
        for target in wanted:
            if target in ("check", "check-long", "check-drivers") and not any(part in test for test in tests(target)):
                found.append(f"{name(page)}: {line}: no test has {part} in its name")
            if target == "lint" and not re.search(rf'"[\w-]*{part}[\w-]*":', text(TOP / "tools/lab/lint.py") + text(TOP / "tools/lab/nipa.py")):
                found.append(f"{name(page)}: {line}: there is no check {part}")
    return found if seen else ["no page names a target of make"]


# ------------------------------------------------------------------ netgpu

@functools.cache
def options(command):
    """What its --help has."""
    status, said = output(COMMAND, command, "--help")
    if status:
        return None
    found = set(re.findall(r"(?m)^ {2,6}(?:-\S, )*(--[\w-]+)", said))
    return found | {option for line in re.findall(r"(?m)^ {2,6}(-[^\s-](?:, -[^\s-])*)", said) for option in line.split(", ")}


def manual_pages(known):
    """Each option of --help is in the command's page, by its long name or its short one, and no other is."""
    found = []
    every = set().union(*(options(command) for command in known)) | {"-x", "-N", "-X"}      # of sh and ethtool
    for page in sorted(TOP.glob("tools/*/man/netgpu*.1")):
        for option in set(re.findall(r"(?<![\w-])--?[\w][\w-]*", re.sub(r"\\f.", "", text(page).replace("\\-", "-")))) - every:
            found.append(f"{name(page)}: no command has {option}")
    for command in known:
        pages = [page for manual in (f"netgpu-{command}", "netgpu") for page in TOP.glob(f"tools/*/man/{manual}.1")]
        said = "".join(text(page) + text(TOP / "tools/netgpu/man/netgpu-setup.1") * (command == "reset") for page in pages).replace("\\-", "-")
        for names in re.findall(r"(?m)^ {2,6}(-.*?)(?:  |=|\[|$)", output(COMMAND, command, "--help")[1]):
            names = [option for option in names.split(", ") if option.strip("-")]
            if names and names[-1] not in ("--help", "--usage", "--version") and \
                    not any(re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", said) for option in names):
                found.append(f"netgpu {command} {names[-1]} is in no manual page")
    return found


def commands():
    if not COMMAND.exists():
        return [f"{name(COMMAND)} is not built"]
    found = []
    known = re.findall(r"(?m)^  ([a-z]+) +\S", output(COMMAND, "--help")[1].partition("Commands:")[2])
    seen = 0
    for page, line in lines_of(*MARKDOWN, *RST):
        match = re.match(r"(?:\S*/)?netgpu ([a-z]+)\b(.*)", line)
        if not match:
            continue
        command = match[1]
        seen += 1
        if command not in known:
            found.append(f"{name(page)}: {line}: there is no command {command}")
            continue
        for word in shlex.split(match[2], comments=True):
            option = word.split("=")[0]
            if re.match(r"-\D", option) and option not in options(command):
                found.append(f"{name(page)}: {line}: netgpu {command} has no {option}")
    every = set().union(*(options(command) for command in known))
    for page in (README, TUTORIAL):
        for span in spans(page):
            option = re.match(r"--[\w-]+", span)
            if option and option[0] not in every:
                found.append(f"{name(page)}: {span}: no command has {option[0]}")
        for manual, section in re.findall(r"`([\w-]+)\((\d)\)`", text(page)):
            if not list(TOP.glob(f"tools/*/man/{manual}.{section}")):
                found.append(f"{name(page)}: there is no manual page {manual}({section})")
    found += manual_pages(known)
    headers = "".join(text(path) for path in TOP.glob("tools/*/libnetgpu*.h"))
    for call in set(re.findall(r"\b(netgpu_\w+)\(\)", text(TUTORIAL))):
        if not re.search(rf"\b{call}\(", headers):
            found.append(f"{name(TUTORIAL)}: no header has {call}()")
    return found if seen else ["no page names a command"]


# ------------------------------------------------------------------ kernel

def kernel_options():
    known = set(re.findall(r"CONFIG_\w+", "".join(text(path) for path in (TOP / "configs").rglob("*.config"))))
    found = set(re.findall(r"CONFIG_\w+", text(README) + text(TUTORIAL)))
    return [f"{option} is in no file of configs/" for option in sorted(found - known)] if found else ["no page names an option"]


# ------------------------------------------------------------------ program

def program():
    """It is there as a whole, is built by make -C tools, was built from this source, and the pieces that are explained are its."""
    included = re.findall(r"(?m)^\.\. literalinclude:: +(\S+)", text(TUTORIAL))
    if len(included) != 1:
        return [f"{name(TUTORIAL)} includes {len(included)} programs"]
    source = (TUTORIAL.parent / included[0]).resolve()
    if not source.is_file():
        return [f"{included[0]} is not there"]
    found = []
    built = TOOLS / "examples" / source.stem
    said = output("make", "-n", "-B", "-C", "tools", f"O={TOOLS}", "all")[1]
    if not re.search(rf" -o {re.escape(str(built))} {re.escape(str(source.relative_to(TOP / 'tools')))}\b", said):
        found.append(f"make -C tools all does not compile {name(source)} to {name(built)}")
    elif output("make", "-q", "-C", "tools", f"O={TOOLS}", str(built))[0]:
        found.append(f"{name(built)} was not built from this source")
    lines = {line.strip() for line in text(source).splitlines()}
    pieces = re.findall(r"(?m)^([ \t]*)\.\. code-block:: c\n\n((?:\1[ \t]+.*\n|\n)+)", text(TUTORIAL))
    for _, piece in pieces:
        for line in filter(None, map(str.strip, piece.splitlines())):
            if line not in lines:
                found.append(f"{name(TUTORIAL)}: {line}: {name(source)} has no such line")
    return found if pieces else found + [f"{name(TUTORIAL)} explains no piece of it"]


def main(arguments):
    found = {"links": links, "targets": targets, "commands": commands, "kernel_options": kernel_options, "program": program}[arguments[0]]()
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

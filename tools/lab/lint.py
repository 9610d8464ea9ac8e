# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""What reviewers look at first: lint.py [PART [CLONE]]: the checks whose names contain PART.

Those of nipa.py that compile run only where PART is in their names; CLONE is a Linux with its history, where there is one.
Each check prints its findings and one line with their number; the status says whether there were any.
"""

import ast
import atexit
import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import findings
import nipa
import patched
from findings import TREE, mine, output
from paths import BUILD, LINUX, TOP, jobs
from say import Failure, clock, run, say

OBJ = TREE / "obj"
OF_DRIVERS = re.compile(r"drivers/(gpu|dma-buf)/|include/(drm|linux/(dma-(buf|resv|fence)|io-mapping|iosys-map)).*")
DRIVERS = ("CONFIG_DRM_AMDGPU", "CONFIG_DRM_XE", "CONFIG_DRM_NOUVEAU", "CONFIG_DRM_I915")
BUILT = TOP / "patches/built"
LICENCES = (        # first match wins
    (r"uapi/.*\.h", "GPL-2.0 WITH Linux-syscall-note OR MIT"),
    (r"(kernel|module|drivers|include|net|Documentation)/|Kconfig$|Makefile$|selftests/", "GPL-2.0"),
    (r"tools/tests/", "GPL-2.0"),
    (r"tools/|configs/|debian/|\.ci/|\.gitignore$", "LGPL-2.1 OR MIT"),
)
NO_SPDX = re.compile(r"LICENSES/|debian/(changelog|copyright|source/format|.*\.install)$|patches/.*\.patch$|patches/series$|.*\.(md|json|abi)$")


def files():
    """Every file of the repository that is or will be committed."""
    done = subprocess.run(["find", ".", "-path", "./.git", "-prune", "-o", "-path", "./build", "-prune", "-o",
                           "-name", "__pycache__", "-prune", "-o", "-type", "f", "-print"],
                          cwd=TOP, capture_output=True, text=True, check=True)
    return sorted(line[2:] for line in done.stdout.splitlines())


def kernel_files():
    return [str(p.relative_to(TOP)) for p in patched.own_files().values()
            if p.relative_to(TOP).parts[0] in ("kernel", "module", "include", "uapi", "drivers", "net")]


@functools.cache
def scratch():
    """A copy of the built kernel that lint may take apart; it goes at the end."""
    say("lint: copying the kernel's tree")
    for old in LINUX.glob("lint-*"):
        shutil.rmtree(old)
    work = Path(tempfile.mkdtemp(dir=LINUX, prefix="lint-"))
    atexit.register(shutil.rmtree, work)
    names = [p.name for p in TREE.iterdir() if p.name != "obj"]
    subprocess.run(["cp", "-al", *(TREE / n for n in names), work], check=True)
    subprocess.run(["cp", "-a", OBJ, work / "obj"], check=True)
    return work


def kbuild(*targets):
    """make in the copy; its warnings and errors."""
    status, text = output("make", "-C", str(scratch()), "O=obj", f"-j{jobs()}", "CC=ccache gcc", "HOSTCC=ccache gcc", "LOCALVERSION=",
                          "KBUILD_BUILD_TIMESTAMP=@0", "KBUILD_BUILD_USER=netgpu", "KBUILD_BUILD_HOST=lab", *targets)
    # A #warning is about the configuration, which is the lab's.
    found = [line for line in text.splitlines()
             if re.search(r": (warning|error|fatal error):|\*\*\*|^Error", line) and not line.endswith("[-Wcpp]")]
    return found or ([text[-600:]] if status else [])


def configure(without=()):
    """The built kernel's configuration again, less some: with a tree that has less, olddefconfig drops what it does not know."""
    lines = (OBJ / ".config").read_text().splitlines()
    config = scratch() / "obj/.config"
    config.write_text("".join(f"{line}\n" for line in lines if line.partition("=")[0] not in without))
    return kbuild("olddefconfig")


def objects():
    """The objects that our files and patches are compiled into, as make targets: ours by directory."""
    targets = {"net/netgpu/"} if (TREE / "net/netgpu/Makefile").is_file() else set()
    ours = [name for name in patched.own_files() if not name.startswith(("net/netgpu/", "tools/"))]
    for name in ours + [name for patch in patched.series() for name in patched.touched(patch)]:
        target = f"{name[:-2]}.o"
        if name.endswith(".c") and (TREE / name).is_file() and (OBJ / target).is_file():
            targets.add(target)
    return sorted(targets)


def checkpatch():
    found = []
    for name in kernel_files() + [f for f in files() if f.startswith("selftests/")]:
        if name.endswith((".c", ".h")):
            extra = findings.IGNORED_OF_PROGRAMS if name.startswith("selftests/") else findings.IGNORED_OF_TRACE if name.endswith("/trace.h") else ()
            found += findings.checkpatch("--file", name, ignore=extra)
    for patch in patched.series():
        found += findings.checkpatch(patch.relative_to(TOP))
    return found


def touch(targets):
    """Make the objects out of date, so that their warnings are seen again."""
    for target in targets:
        path = scratch() / "obj" / target
        for obj in path.rglob("*.o") if target.endswith("/") else [path]:
            obj.unlink(missing_ok=True)


def sparse():
    targets = objects()
    touch(targets)
    found = kbuild("C=1", "CHECK=sparse", *targets)
    return [f for f in found if mine(f, scratch())]


def warnings():
    targets = objects()
    touch(targets)
    found = kbuild("W=1", *targets)
    return [f for f in found if mine(f, scratch())]


def kernel_doc():
    tool = TREE / "scripts/kernel-doc.py"
    if not tool.is_file():
        tool = TREE / "tools/docs/kernel-doc"
    found = []
    for name in kernel_files():
        if name.endswith((".c", ".h")):
            status, text = output("python3", str(tool), "-none", "-Wall", name)
            lines = [line for line in text.splitlines() if re.search(r"warning|error", line, re.I)]
            found += lines or ([f"{name}: {text.strip()}"] if status else [])
    return found


def shell():
    scripts = [f for f in files() if f.endswith(".sh")]
    for name in files():
        if not name.endswith((".sh", ".py", ".c", ".h", ".patch")):
            with open(TOP / name, "rb") as file:
                if re.match(rb"#!/bin/(ba|busybox |)sh", file.readline()):
                    scripts.append(name)
    _, text = output("shellcheck", "-x", "-P", "SCRIPTDIR", "--severity=style", "--format=gcc",
                     "--exclude=SC1090,SC1091,SC2016,SC2317,SC2319,SC2329", *scripts)
    found = text.splitlines()
    # The status of what came before is that of the substitution by then: the result could not fail.
    for name in scripts:
        lines = (TOP / name).read_text(encoding="utf-8").splitlines()
        found += [f"{name}:{i}: $? after a command substitution in the same words" for i, line in enumerate(lines, 1)
                  if re.search(r'\bktap_ok ".*\$\((?!\().*" \$\?', line)]
    return found


def python():
    """It is Python, and no assignment, function or class of a module takes the name of something that it imports."""
    found = []
    for name in files():
        if name.endswith(".py"):
            try:
                module = ast.parse((TOP / name).read_text(), name)
            except SyntaxError as error:
                found.append(str(error))
                continue
            imported = {alias.asname or alias.name.split(".")[0] for node in module.body if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names}
            bound = {name.id: node.lineno for node in module.body if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign))
                     for target in getattr(node, "targets", None) or [node.target]
                     for name in ast.walk(target) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
            bound |= {node.name: node.lineno for node in module.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
            found += [f"{name}:{bound[n]}: {n} is imported, and something else from here on" for n in sorted(imported & set(bound))]
    return found


def spdx():
    found = []
    for name in files():
        if NO_SPDX.match(name):
            continue
        head = (TOP / name).read_text(errors="replace").splitlines()[:3]
        tags = [re.search(r"SPDX-License-Identifier: *(.*?)(?: *(?:\*/|-->))?$", line) for line in head]
        tag = next((t[1].strip(" ()") for t in tags if t), None)
        wanted = next((licence for pattern, licence in LICENCES if re.match(pattern, name)), None)
        normal = (tag or "").replace("(", "").replace(")", "").replace("-only", "")
        if tag is None:
            found.append(f"{name}: no SPDX-License-Identifier")
        elif wanted and normal != wanted:
            found.append(f"{name}: SPDX says {tag}, expected {wanted}")
    return found


def exports():
    """What we export is GPL-only, and in the namespace of netgpu; what a fix of Linux exports, GPL-only."""
    found = []
    for name in kernel_files():
        for number, line in enumerate((TOP / name).read_text().splitlines(), 1):
            found += export(f"{name}:{number}", line)
    for patch in patched.series():
        lines = patch.read_text(errors="replace").splitlines()
        # Linux's own, of which a patch changes who may use it
        own = {match[1] for line in lines if (match := re.match(r"-EXPORT_SYMBOL\w*\((\w+)", line))}
        for number, line in enumerate(lines, 1):
            if re.match(r"\+(?!\+\+ )", line):
                found += export(f"{patch.relative_to(TOP)}:{number}", line[1:], own, patch.parent.name == "fixes")
    return found


def export(where, line, own=(), fix=False):
    if not re.match(r"\s*EXPORT_\w*SYMBOL\w*\(\w", line) or re.match(r'EXPORT_SYMBOL_NS_GPL\(\w+, "NETGPU"\);', line):
        return []
    # For tests alone, in a namespace of theirs.
    if re.match(r"EXPORT_SYMBOL_IF_KUNIT\(\w+\);", line):
        return []
    match = re.match(r"EXPORT_SYMBOL_GPL\((\w+)\);", line)
    if match and (fix or match[1] in own):
        return []
    return [f'{where}: {line.strip()}: what netgpu exports is EXPORT_SYMBOL_NS_GPL(..., "NETGPU")']


def names():
    """No host of a package mirror, no path of the machine where something was written."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=False)
    hosts = {re.sub(r"^\w+://([^/]+).*", r"\1", line) for line in done.stdout.splitlines()}
    hosts |= {re.sub(r"^.*?\w+://([^/]+).*", r"\1", line.strip()) for line in read_mirrors()}
    found = []
    for name in files():
        for number, line in enumerate((TOP / name).read_text(errors="replace").splitlines(), 1):
            if any(host in line for host in hosts if host):
                found.append(f"{name}:{number}: names a package mirror")
            if str(TOP) in line or re.search(r"(^|[^\w.])/(home|work|farm|Users)/\w", line):
                found.append(f"{name}:{number}: a path of one machine")
    return found


def read_mirrors():
    for source in (BUILD / "cache/apt").glob("*/sources.list"):
        yield from source.read_text().splitlines()


def has_built():
    """What of the series is known to build: {what: digest of all that went into it}."""
    lines = BUILT.read_text(encoding="ascii").splitlines() if BUILT.is_file() else []
    return {what: digest for digest, what in (line.split(" ", 1) for line in lines if re.match(r"[0-9a-f]{64} .", line))}


def remember(what, digest):
    # what is alone is a directory, all else a patch
    known = {name: digest for name, digest in has_built().items() if (TOP / name.split(",")[0]).exists()} | {what: digest}
    new = BUILT.with_name(f"{BUILT.name}.new")
    new.write_text("# SPDX-License-Identifier: LGPL-2.1 OR MIT\n# What make lint has built, so that it need not again: see builds() in tools/lab/lint.py.\n" +
                   "".join(f"{known[what]} {what}\n" for what in sorted(known)), encoding="ascii")
    new.replace(BUILT)


def builds(series, what, without=()):
    """What is wrong with the kernel and its modules when these patches are in it, and these options are not.

    Hours for all that is asked here, so that what has built is remembered, by the contents of all that went into it, and
    committed with the series: only what has changed since is built again, by whoever asks.
    """
    ours = patched.companions(series)
    # whichever the compiler
    options = [line for line in (OBJ / ".config").read_text().splitlines() if not re.match(r"\w+_VERSION(_TEXT)?=", line)]
    total = hashlib.sha256("\n".join((*without, *options)).encode())
    for path in (TREE / "Makefile", *series, *ours.values()):
        total.update(f"{path.relative_to(TOP)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    if has_built().get(what) == total.hexdigest():
        return []
    start = time.monotonic()
    try:
        patched.Tree(scratch()).place(series, ours)
        # Warnings are those of what is compiled, and the last patch's may have been, with the built kernel.
        touch(f"{name[:-2]}.o" for name in patched.touched(series[-1]) if name.endswith(".c"))
        problems = configure(without) + kbuild("vmlinux", "modules")
    except Failure as failure:      # a patch does not apply
        problems = [str(failure)]
    say(f"lint: {what}: {len(problems)} findings, {clock(time.monotonic() - start)}")
    if problems:
        touch(objects())
    else:
        remember(what, total.hexdigest())
    return [f"{what}: {p}" for p in problems]


def patches():
    """Every patch of the series builds: applied one after the other, kernel and modules linked each time.

    GPU drivers are left out where a patch touches nothing of DRM's or of dma-buf's, as they take longer than all the rest.
    """
    series = patched.series()
    return [problem for count, patch in enumerate(series, 1)
            for problem in builds(series[:count], str(patch.relative_to(TOP)),
                                  () if any(OF_DRIVERS.match(name) for name in patched.touched(patch)) else DRIVERS)]


def alone():
    """Every directory of patches/ builds by itself: three on the clean tree, the others over the fixes, whose lines or helpers they need."""
    found = []
    for group in dict.fromkeys(patch.parent.name for patch in patched.series()):
        found += builds(patched.series([group] if group in ("fixes", "igb", "module") else ["fixes", group]), f"patches/{group}, alone")
    return found


def clang_tidy():
    """On the tools; the first time its package goes into the lab's user space."""
    sources = [f for f in files() if re.match(r"(tools|selftests)/(?!gate/|queue_fault/).*\.c$", f)]    # those two are modules
    if not shutil.which("clang-tidy"):
        say("lint: no clang-tidy in the user space; left out (tools/lab/debian clang-tidy puts it there)")
        return []
    checks = "-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,clang-analyzer-*," \
             "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,-bugprone-narrowing-conversions," \
             "-bugprone-assignment-in-if-condition,-bugprone-multi-level-implicit-pointer-conversion," \
             "-bugprone-suspicious-string-compare,-bugprone-switch-missing-default-case," \
             "-clang-analyzer-security.insecureAPI.strcpy,-bugprone-integer-division"
    gpu = TREE / "drivers/gpu/drm"
    fabtests = BUILD / "source/libfabric/fabtests/include"
    mpi = next(Path("/usr/lib").glob("*/openmpi/include/mpi.h"), Path("mpi.h"))
    for part, header in (("vulkan|examples/matrix", Path("/usr/include/vulkan/vulkan_core.h")), ("libfabric/fabtests/", fabtests / "hmem.h"),
                         ("tests/mpi", mpi)):
        left = [name for name in sources if re.search(part, name) and not header.is_file()]
        if left:
            say(f"lint: clang-tidy: without {header.name}, which is not here: {', '.join(left)}")
            sources = [name for name in sources if name not in left]
    options = "{CheckOptions: {bugprone-unused-return-value.AllowCastToVoid: true}}"
    _, text = output("clang-tidy", "--quiet", f"--checks={checks}", f"--config={options}", *sources, "--", "-std=gnu11", "-D_GNU_SOURCE",
                     '-DNETGPU_VERSION="0"', "-Itools/lib", "-Itools/netgpu", "-Iuapi", f"-isystem{BUILD}/selftests/include",
                     f"-isystem{OBJ}/usr/include", f"-isystem{TREE}/tools/testing/selftests", "-isystem/usr/include/libdrm",
                     "-Itools/vulkan", "-Itools/amdgpu", f"-I{BUILD}/tools/vulkan", f"-I{BUILD}/lab/dg1/include", "-Itools/lab/dg1/include", f"-isystem{fabtests}", f"-isystem{mpi.parent}",
                     *(f"-iquote{d}" for d in (gpu / "amd/include/asic_reg", gpu / "amd/amdgpu", gpu / "i915", BUILD / "lab/radeon", TOP / "tools/lab/device",
                                                TOP / "tools/lab/geforce")))
    return [line for line in text.splitlines() if re.search(r": (warning|error):", line)]


PUBLIC = ("libnetgpu.h", "libnetgpu_endpoint.h")


def headers():
    """The library's headers, each by itself, in the oldest C and C++ that they are meant for, and in C++ of today."""
    found = []
    for name in PUBLIC:
        for language, standards in (("c", ("c99", "gnu23")), ("c++", ("c++11", "c++23"))):
            for standard in standards:
                done = subprocess.run(["g++" if language == "c++" else "gcc", "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-pedantic",
                                       "-fsyntax-only", "-Itools/lib", "-"], input=f"#include <{name}>\n", text=True, capture_output=True, check=False)
                found += [f"{standard}: {line}" for line in done.stderr.splitlines() if re.search(r": (warning|error|fatal error):", line)]
    return found


def abi():
    """The library's ABI is that of tools/lib/libnetgpu.abi: what has changed must be meant, and its symbol version new."""
    kept = TOP / "tools/lib/libnetgpu.abi"
    new = BUILD / "libnetgpu.abi"
    library = BUILD / "tools/libnetgpu.so"
    with tempfile.TemporaryDirectory() as public:       # what other headers have is private
        for name in PUBLIC:
            shutil.copy(TOP / "tools/lib" / name, public)
        status, text = output("abidw", f"--headers-dir={public}", "--drop-private-types", "--no-comp-dir-path", "--no-corpus-path", "--no-show-locs",
                              "--no-elf-needed", "--no-parameter-names", "--no-write-default-sizes", f"--out-file={new}", str(library))
    if status:
        return [f"abidw: {text.strip()}"]
    status, text = output("abidiff", str(kept), str(new))
    if not status:
        return []
    return [*(line for line in text.splitlines() if line.strip()),
            f"{kept.relative_to(TOP)}: not the library's ABI: mend it, or, when this is meant, copy {new.relative_to(TOP)} there"]


CHECKS = {
    "spdx": spdx, "exports": exports, "names": names, "python": python, "shell": shell, "kernel-doc": kernel_doc, "checkpatch": checkpatch,
    "clang-tidy": clang_tidy, "headers": headers, "abi": abi, "sparse": sparse, "warnings": warnings, "alone": alone, "patches": patches,
    **nipa.CHECKS,
}


def main(arguments):
    part = arguments[0] if arguments else ""
    nipa.HISTORY += [clone for clone in arguments[1:] if (Path(clone) / ".git").exists()]
    chosen = {name: check for name, check in CHECKS.items() if part in name and (part or name not in nipa.LONG)}
    if not chosen:
        raise Failure(f"no check has {part} in its name; there are {', '.join(CHECKS)}.")
    bad = 0
    for name, check in chosen.items():
        start = time.monotonic()
        found = check()
        for line in found:
            print(f"  {line}")
        bad += len(found)
        print(f"{'ok' if not found else 'not ok':7} {name:16} {len(found)} findings, {clock(time.monotonic() - start)}", flush=True)
    print(f"{bad} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    run(main)

# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""What is in patches/, and our files, as series to post: series.py [SOURCE]; writes build/series.

patches/lists says which patch, and which files of ours, are in which series, and to which lists it goes; patches/cover has the
cover letters, and the messages of commits that are files of ours alone. SOURCE is a Linux without our patches; by default what
the lab's kernel netgpu was made of.

Each series is made by git format-patch from a repository of the touched files alone, of Linux as it is and the series that it says
it needs. Then git am applies what was written: each series over no more than those, and all of them in order, which has to give
the files that the lab builds, to the byte.
"""

import json
import os
import re
import shutil
import subprocess
from email.utils import formatdate
from pathlib import Path

import patched
from paths import BUILD, LINUX, TOP
from say import Failure, one_at_a_time, run, say

LISTS = TOP / "patches/lists"
COVER = TOP / "patches/cover"
OUT = BUILD / "series"
WORK = BUILD / "series.work"
TREE = LINUX / "netgpu"
MOST = 15       # patches of a series, as netdev has it
FEW = 3         # new files of a directory, for which the script is asked; it takes its time, and the others go to the same people
OURS = re.compile(r"Signed-off-by: netgpu developers ")
LEFT = "Nobody has signed this off: who posts it does (git commit --amend -s, or git send-email --signoff-by)."


class Series:
    def __init__(self, number, topic):
        self.number = number
        self.topic = topic
        self.to = []            # mailing lists
        self.prefix = "PATCH"
        self.after = []         # topics
        self.reason = None      # for more than MOST patches
        self.undated = None     # why no patch for net says what it fixes
        self.commits = []       # (kind, name, [(our file in the kernel's tree, words)])
        self.subject = self.body = ""

    @property
    def directory(self):
        return OUT / f"{self.number:02}-{self.to[0].split('@')[0]}-{self.topic}"

    def files(self):
        return sorted(self.directory.glob("[0-9]*.patch"))

    def patches(self):
        return [path for path in self.files() if not path.name.startswith("0000-")]


def read_text(path):
    """A text of ours, without its licence."""
    if not path.is_file():
        raise Failure(f"patches/lists wants {path.relative_to(TOP)}, which is not there: write it.")
    return re.sub(r"^# SPDX-License-Identifier:.*\n", "", path.read_text(encoding="utf-8")).strip() + "\n"


def read_lists():
    """patches/lists: every patch and each of our files is in it once."""
    found, own = [], patched.own_files()
    for number, line in enumerate(LISTS.read_text(encoding="utf-8").splitlines(), 1):
        where = f"patches/lists, line {number}"
        word, _, rest = line.split("#")[0].strip().partition(" ")
        rest = rest.strip()
        if not word:
            continue
        if word == "series":
            found.append(Series(len(found) + 1, rest))
            continue
        if not found:
            raise Failure(f"{where}: {word} stands before the first series: put it into one.")
        series = found[-1]
        if word == "to":
            series.to = rest.split()
        elif word == "tree":
            series.prefix = f"PATCH {rest}"
        elif word == "after":
            series.after = rest.split()
            for topic in series.after:
                if topic not in [earlier.topic for earlier in found[:-1]]:
                    raise Failure(f"{where}: {series.topic} comes after {topic}, which is not before it: reorder them.")
        elif word == "long":
            series.reason = rest
        elif word == "undated":
            series.undated = rest
        elif word in ("patch", "new"):
            series.commits.append((word, rest, []))
        elif word == "+" and series.commits:
            name, *words = rest.split()
            names = sorted(there for there in own if Path(f"/{there}").match(f"/{name}") or there.startswith(name.rstrip("/") + "/"))
            if not names:
                raise Failure(f"{where}: none of our files is {name} in a kernel's tree: mend the name.")
            series.commits[-1][2].extend((there, words) for there in names)
        else:
            raise Failure(f"{where}: there is no {word}: read the first lines of that file.")
    check_complete(found, own)
    return found


def check_complete(found, own):
    listed = [name for series in found for kind, name, _ in series.commits if kind == "patch"]
    known = [str(path.relative_to(TOP / "patches")) for path in patched.series()]
    known += [str(path.relative_to(TOP / "patches")) for path in sorted((TOP / "patches").rglob("*.patch")) if path not in patched.series()]
    for name in dict.fromkeys(known + listed):
        if name not in known:
            raise Failure(f"patches/lists has {name}, which is not there: mend the name.")
        if listed.count(name) != 1:
            raise Failure(f"patches/lists has {name} {listed.count(name)} times: put it into exactly one series.")
    whole = [name for series in found for *_, files in series.commits for name, words in files if not words]
    for name in own:
        if whole.count(name) != 1:
            raise Failure(f"patches/lists has our file {name} {whole.count(name)} times in full: put it into exactly one commit.")
    for series in found:
        if not series.to:
            raise Failure(f"patches/lists does not say where {series.topic} goes: give it a line with to.")
        if len(series.commits) > MOST and not series.reason:
            raise Failure(f"the series {series.topic} has {len(series.commits)} patches, and {MOST} are what reviewers take: split it, or say why (long).")
        series.subject, series.body = cover(series, found)


def base(source, name):
    """The file of Linux as it is, or None."""
    lab = source / ".lab"
    if (lab / "absent" / name).is_file():
        return None
    kept = lab / "orig" / name
    return kept if kept.is_file() else source / name if (source / name).is_file() else None


def put(path, content, like=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if like and os.access(like, os.X_OK):
        path.chmod(0o755)


def for_kernel(name, content, words, tree):
    """One of our files as a commit has it: its kbuild half, what it can build by then; only the symbols that are named."""
    if name == "net/netgpu/Makefile":
        text = content.decode()
        match = re.search(r"^ifneq \(\$\(KERNELRELEASE\),\)\n\n(.*?)\nelse\n", text, re.M | re.S)
        lines = []
        for line in match[1].strip().splitlines():
            rule = re.match(r"(obj-\S+ \+= )(.*)", line)
            if rule:
                there = [obj for obj in rule[2].split() if (tree / f"net/netgpu/{obj[:-2]}.c").is_file()]
                line = rule[1] + " ".join(there) if there else None
            lines += [line] if line else []
        return (text.splitlines()[0] + "\n\n" + "\n".join(lines) + "\n").encode()
    if words:
        head, *blocks = re.split(r"(?m)^(?=config )", content.decode())
        return (head + "".join(b for b in blocks if b.split()[1] in words)).rstrip("\n").encode() + b"\n"
    return content


class Repository:
    """The touched files of Linux as it is, under git."""

    def __init__(self, path, source, names):
        self.path = path
        self.states = {(): "base"}      # series that are applied: the commit
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(path), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
                            "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
        for who in ("AUTHOR", "COMMITTER"):
            self.environment |= {f"GIT_{who}_NAME": "netgpu developers", f"GIT_{who}_EMAIL": self.address(), f"GIT_{who}_DATE": formatdate()}
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "base")
        for name in names:
            original = base(source, name)
            if original:
                put(path / name, original.read_bytes(), original)
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", "Linux 7.3")

    @staticmethod
    def address():
        """Ours, as the patches have it."""
        for patch in patched.series():
            match = re.search(r"^From: .*<(.*)>$", patch.read_text(errors="replace"), re.M)
            if match:
                return match[1]
        return "netgpu@localhost"

    def git(self, *words, **more):
        done = subprocess.run(["git", *map(str, words)], cwd=self.path, env=self.environment, capture_output=True, text=True, check=False, **more)
        if done.returncode:
            raise Failure(f"git {words[0]} {words[-1]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def start(self, commit="base"):
        self.git("checkout", "-q", "-f", "--detach", commit)
        self.git("clean", "-q", "-f", "-d", "-x")

    def after(self, needed):
        """Linux as it is with these series; what several need is applied once."""
        known = max((key for key in self.states if needed[:len(key)] == list(key)), key=len)
        self.start(self.states[known])
        for count in range(len(known), len(needed)):
            self.apply(needed[count], " ".join(series.topic for series in needed[:count]) or "Linux 7.3")
            self.states[tuple(needed[:count + 1])] = self.git("rev-parse", "HEAD").strip()

    def apply(self, series, over):
        """git am of what was written, as who posts it, or a maintainer, does it."""
        try:
            self.git("am", "-q", "--keep-non-patch", "--whitespace=nowarn", *series.patches())
        except Failure as failure:
            raise Failure(f"the series {series.topic} does not apply over {over}: {failure}") from None

    def log(self):
        return self.git("log", "--format=%T %an <%ae>%n%B", "base..HEAD")

    def names(self):
        return set(self.git("ls-files").splitlines())


def commit(repository, kind, name, files):
    """One patch of the series: of patches/, with files of ours that come with it, or of such files alone."""
    tree = repository.path
    if kind == "patch":
        path = TOP / "patches" / name
        body = tree / ".git/body"
        with path.open("rb") as mail:
            about = repository.git("mailinfo", "-b", body, tree / ".git/diff", stdin=mail)
        subject = re.sub(r"^\[PATCH\] ", "", re.search(r"^Subject: (.*)$", about, re.M)[1])
        author = "{0} <{1}>".format(*(re.search(rf"^{word}: (.*)$", about, re.M)[1] for word in ("Author", "Email")))
        text = f"{subject}\n\n{body.read_text(encoding='utf-8')}"
        try:
            repository.git("apply", "--index", "--whitespace=nowarn", path)
        except Failure as failure:
            raise Failure(f"patches/{name} does not apply in its series: {failure}") from None
    else:
        text = read_text(COVER / f"{name}.txt")
        author = f"netgpu developers <{repository.address()}>"
    own = patched.own_files()
    # Makefile last, which looks for what there is.
    for there, words in sorted(files, key=lambda file: file[0].endswith("Makefile")):
        put(tree / there, for_kernel(there, own[there].read_bytes(), words, tree), own[there])
    repository.git("add", "-A", "-f")
    lines = [line for line in text.splitlines() if not OURS.match(line)]
    repository.git("commit", "-q", "--cleanup=whitespace", "--author", author, "-F", "-", input="\n".join(lines) + "\n")


def closure(series, found):
    """All that a series needs, in order."""
    topics = set(series.after)
    for other in reversed(found):
        if other.topic in topics:
            topics |= set(other.after)
    return [other for other in found if other.topic in topics]


def figures(kind, *wanted):
    """Lines of a cover letter, of build/bench.json: rows of costs, revocations, or what came in place; or that there are none."""
    path = BUILD / "bench.json"
    none = {"cost": "Instructions per MiB of payload", "revocation": "The time from revocation to unmapped",
            "place": "The share of bytes that came where they belong"}.get(kind)
    if not none:
        raise Failure(f"patches/cover has figures of {kind}, which nothing measures: cost, revocation and place are there.")
    none += ": not measured for this version."
    if not path.is_file():
        return none
    result = json.loads(path.read_text(encoding="utf-8"))
    kernel = f"Linux {result.get('kernel', '?')}"
    if kind == "cost":
        rows = [row for row in result.get("rows", []) if row["name"] in wanted]
        if not rows:
            return none
        lines = [f"Thousands of instructions per MiB of payload ({kernel}, emulated machine, counted):", "",
                 f"  {'':16} {'MTU':>5} {'flows':>6} {'KiB/call':>8} {'':>9}"]
        for row in sorted(rows, key=lambda row: (wanted.index(row["name"]), -row["mtu"], row["flows"])):
            lines.append(f"  {row['name']:16} {row['mtu']:5} {row['flows']:6} {row.get('kib_per_call', ''):>8} {row['kinsn_per_mib']:9.0f}"
                         + ("" if row["repeats"] else "  (the two runs differ by more than 5 %)"))
        return "\n".join(lines)
    if kind == "revocation" and "revocation_us" in result:
        us = result["revocation_us"]
        return f"From revocation to unmapped, under traffic: {us['median']} us in the median, {us['max']} us at most, of {us['n']} ({kernel}, emulated machine)."
    if kind == "place" and result.get("place"):
        lines = [f"Bytes that came where they belong ({kernel}, emulated machine):", ""]
        for row in result["place"]:
            lost = f"one packet of {row['one_lost_of']} lost" if row["one_lost_of"] else "none lost"
            lines.append(f"  {row['messages']} messages of {row['message_bytes'] // 1024} KiB, {lost}: {row['share_in_place']:.1%}")
        return "\n".join(lines)
    return none


def cover(series, found):
    """Subject and text of a cover letter: what patches/cover has, figures, and what it applies to."""
    subject, _, body = read_text(COVER / f"{series.topic}.txt").partition("\n")
    body = re.sub(r"^@(\w+) ?(.*)$", lambda match: figures(match[1], *match[2].split()), body.strip(), flags=re.M)
    if series.after:
        needs = "\n".join(f"  - {other.subject}" for other in closure(series, found))
        body += f"\n\nThis applies to Linux 7.3 after, in this order:\n\n{needs}"
    else:
        body += "\n\nThis applies to Linux 7.3, and needs nothing else."
    if series.reason:
        body += f"\n\nMore than {MOST} patches: {series.reason}"
    if series.undated:
        body += f"\n\nNo patch has a Fixes: tag: {series.undated}"
    return subject.strip(), body


def maintainers(repository, series, first):
    """to-cc.txt: who is to get it."""
    diff = WORK / "diff"
    span = f"{first}..HEAD"
    names, new = [], {}
    for line in repository.git("diff", "--no-renames", "--name-status", span).splitlines():
        status, name = line.split("\t")
        beside = new.setdefault(str(Path(name).parent), [])
        if status == "A":
            beside.append(name)
        if len(beside) <= FEW or status != "A":
            names.append(name)
    diff.write_text(repository.git("diff", "--no-renames", span, "--", *names), encoding="utf-8")
    script = TREE / "scripts/get_maintainer.pl"
    text = "".join(f"{address}\n" for address in series.to)
    if script.is_file():
        done = subprocess.run(["perl", script, "--no-git", "--no-git-fallback", "--no-rolestats", "--roles", diff],
                              cwd=TREE, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"get_maintainer.pl failed: {done.stderr.strip()}")
        text += "".join(f"{line}\n" for line in done.stdout.splitlines() if line.split(" ")[0] not in series.to)
    (series.directory / "to-cc.txt").write_text(text, encoding="utf-8")


def write(repository, series, found):
    """git format-patch of one series."""
    needed = closure(series, found)
    repository.after(needed)
    first = repository.git("rev-parse", "HEAD").strip()
    for kind, name, files in series.commits:
        commit(repository, kind, name, files)
    made = repository.log()
    series.directory.mkdir(parents=True)
    maintainers(repository, series, first)
    repository.git("format-patch", "-q", "--cover-letter", "--zero-commit", "--no-signature", "--abbrev=12", "--stat=72", f"--subject-prefix={series.prefix}",
                   "-o", series.directory, f"{first}..HEAD")
    letter = series.directory / "0000-cover-letter.patch"
    text = letter.read_text(encoding="utf-8")
    text = text.replace("*** SUBJECT HERE ***", series.subject).replace("*** BLURB HERE ***", series.body)
    letter.write_text(text.rstrip() + "\n", encoding="utf-8")
    repository.after([*needed, series])
    if repository.log() != made:
        raise Failure(f"what git am makes of the series {series.topic} is not what it was made of: look for lines in its messages that git takes for a patch.")


def compare(repository, source):
    """The files that the lab builds, as its own code makes them, are those of the repository."""
    lab = WORK / "lab"
    names = {name for patch in patched.series() for name in patched.touched(patch)}
    for name in names:
        original = base(source, name)
        if original:
            put(lab / name, original.read_bytes(), original)
    patched.Tree(lab).place(patched.series(), patched.own_files())
    wanted = {str(path.relative_to(lab)): path for path in lab.rglob("*") if path.is_file() and lab / ".lab" not in path.parents}
    makefile = lab / "net/netgpu/Makefile"
    makefile.write_bytes(for_kernel("net/netgpu/Makefile", makefile.read_bytes(), (), lab))
    differ = sorted(name for name in repository.names() | set(wanted)
                    if name not in wanted or not patched.same(repository.path / name, wanted[name])
                    or os.access(repository.path / name, os.X_OK) != os.access(wanted[name], os.X_OK))
    if differ:
        raise Failure(f"all series together do not give the files that the lab builds ({', '.join(differ[:5])}): "
                      "patches/lists may have patches of one file in another order than patches/series.")
    return len(wanted)


def readme(found, compared):
    lines = ["SPDX-License-Identifier: LGPL-2.1 OR MIT", "", "Series to post, made by make series. Base: Linux 7.3.", "", LEFT,
             "Its author is to be a person, too: git commit --amend --author, or --reset-author.",
             "net/netgpu needs an entry in MAINTAINERS, with the names of those who post it.", "",
             "to-cc.txt is what scripts/get_maintainer.pl says without history; in a clone of Linux it also names the authors of what is fixed.", "",
             f"git am applied each over no more than what it needs, and all in this order, which gave the {compared} files that the lab builds.",
             "But for net/netgpu/Makefile, of which this has the part that a kernel needs.", ""]
    for series in found:
        after = ", ".join(other.directory.name for other in closure(series, found)) or "nothing"
        lines.append(f"{series.directory.name:32} {len(series.patches()):3} patches, needs {after}")
    (OUT / "README").write_text("\n".join(lines) + "\n", encoding="utf-8")


def make(source=TREE):
    if not any((source / mark).exists() for mark in (".lab/orig", "Kbuild")):
        raise Failure(f"there is no source of Linux 7.3 in {source}: run make kernel first.")
    with one_at_a_time("series"):
        found = read_lists()
        for old in (OUT, WORK):
            shutil.rmtree(old, ignore_errors=True)
        OUT.mkdir(parents=True)
        names = {name for patch in patched.series() for name in patched.touched(patch)} | set(patched.own_files())
        repository = Repository(WORK / "git", source, sorted(names))
        for series in found:
            write(repository, series, found)
        repository.after(found)
        compared = compare(repository, source)
        readme(found, compared)
        shutil.rmtree(WORK)
    return found, compared


def main(arguments):
    found, compared = make(*map(Path, arguments[:1]))
    for series in found:
        print(f"{series.directory.relative_to(TOP)}: {len(series.patches())} patches")
    say(f"series: {sum(len(series.patches()) for series in found)} patches in {len(found)} series give the {compared} files that the lab builds")
    say(f"series: {LEFT}")


if __name__ == "__main__":
    run(main)

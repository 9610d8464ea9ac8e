# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Words to the user: progress on stderr, and the end of a command that cannot go on."""

import errno
import fcntl
import sys
import time
from contextlib import contextmanager

from paths import BUILD


class Failure(Exception):
    """One sentence: what failed, and what to do."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(main):
    """Run a command's main() and turn its end into an exit status."""
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        say(f"netgpu: {failure}")
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        say(f"netgpu: the disk of {error.filename or BUILD} is full: free some of it, and run this again.")
        sys.exit(1)
    except KeyboardInterrupt:
        say("netgpu: interrupted")
        sys.exit(130)


@contextmanager
def one_at_a_time(what):
    """Two runs of the same thing in one repository would tread on each other's files."""
    with open(BUILD / f"{what.replace(' ', '-')}.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{what}: waiting for another one in this repository to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def clock(seconds):
    seconds = int(seconds)
    return f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"


class Progress:
    """A line every few seconds: how many of about how many, and how long it has been."""

    def __init__(self, what, total=0, every=5):
        self.what = what
        self.total = total
        self.every = every
        self.done = 0
        self.start = self.last = time.monotonic()

    def step(self, count=1):
        self.done += count
        now = time.monotonic()
        if now - self.last >= self.every:
            self.last = now
            of = f" of about {max(self.total, self.done)}" if self.total else ""
            say(f"{self.what}: {self.done}{of}, {clock(now - self.start)}")

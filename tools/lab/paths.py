# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Where things are: the repository, and what the lab makes below its build/."""

import os
from pathlib import Path

TOP = Path(os.environ.get("LAB_TOP") or Path(__file__).resolve().parents[2])
BUILD = TOP / "build"
LINUX = BUILD / "linux"
PROGRAMS = BUILD / "selftests"      # first in PATH of guest and sender
OWN = BUILD / "lab"                 # what tools/lab compiles for itself


def jobs():
    return int(os.environ.get("LAB_JOBS") or len(os.sched_getaffinity(0)))

# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Count the results of a test's KTAP output, nested ones by their leaves."""

import re
from dataclasses import dataclass, field

RESULT = re.compile(r"^(\s*)(not )?ok (\d+)\b(?: *-(?= ))? *(.*)$")
PLAN = re.compile(r"^(\s*)1\.\.(\d+)(?:\s*# SKIP\s*(.*))?", re.I)
SKIP = re.compile(r"\s*#\s*SKIP\b\s*(.*)", re.I)


@dataclass
class Count:
    passed: int = 0
    failed: list = field(default_factory=list)      # names
    skipped: list = field(default_factory=list)     # (name, reason)


def count(text, test, status):
    """Results of one test file that ended with this exit status; a missing result is a failure."""
    result = Count()
    children = {}           # indent -> (results, failures) seen below the next result line at that indent
    seen = planned = 0
    for line in text.splitlines():
        match = PLAN.match(line)
        if match and not match[1]:
            planned = int(match[2])
            if planned == 0 and match[3] is not None:
                result.skipped.append((test, match[3].strip() or "no reason given"))
                return result
            continue
        match = RESULT.match(line)
        if not match:
            continue
        indent, bad, name = len(match[1]), bool(match[2]), match[4]
        below = [children.pop(i) for i in list(children) if i > indent]
        inner, inner_bad = sum(b[0] for b in below), sum(b[1] for b in below)
        have = children.get(indent, (0, 0))
        children[indent] = (have[0] + 1, have[1] + bad)
        if indent == 0:
            seen += 1
        skip = SKIP.search(name)
        name = SKIP.sub("", name)
        if inner and not (bad and not inner_bad):
            continue        # its subtests have been counted
        if bad:
            result.failed.append(name)
        elif skip:
            result.skipped.append((name, skip[1] or "no reason given"))
        else:
            result.passed += 1
    if not seen:            # not KTAP: the status is the only result
        if status == 0:
            result.passed += 1
        elif status == 4:
            result.skipped.append((test, text.strip().splitlines()[-1] if text.strip() else "no reason given"))
    elif planned and seen != planned:
        result.failed.append(f"{planned} results planned, {seen} seen")
    if status == 124:
        result.failed.append("out of time")
    elif status == 125:
        result.failed.append("the machine ended before the test")
    elif status not in (0, 4) and not result.failed:
        result.failed.append(f"ended with status {status}")
    return result

# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Do the files of an emulated GPU call each other in one direction only? layers.py OBJECTS SOURCES...

OBJECTS is where those of the directories SOURCES are built. Prints the files, each after those that it calls; or the circle, and
which functions make it, with status 1. A call through a table of functions is none: that is how a file below calls one above.
"""

import subprocess
import sys
from pathlib import Path


def symbols(path, *flags):
    done = subprocess.run(["nm", "--format=posix", *flags, path], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in done.stdout.splitlines() if line.strip()}


def calls(objects):
    """Of each file: which others it calls, and by which names."""
    defined = {name: path.stem for path in objects for name in symbols(path, "--defined-only", "--extern-only")}
    found = {path.stem: {} for path in objects}
    for path in objects:
        for name in symbols(path, "--undefined-only"):
            if name in defined:
                found[path.stem].setdefault(defined[name], set()).add(name)
    return found


def order(found):
    """The files, each after those that it calls, and None; or those done so far, and a circle."""
    done, way = [], []

    def visit(name):
        if name in way:
            return [*way[way.index(name):], name]
        if name not in done:
            way.append(name)
            for other in sorted(found[name]):
                circle = visit(other)
                if circle:
                    return circle
            way.pop()
            done.append(name)
        return None

    for name in sorted(found):
        circle = visit(name)
        if circle:
            return done, circle
    return done, None


def main(place, *sources):
    names = sorted({path.stem for source in sources for path in Path(source).glob("*.c")})
    objects = [path for path in (Path(place) / f"{name}.o" for name in names) if path.is_file()]
    if not objects:
        print(f"nothing is built in {place}")
        return 1
    found = calls(objects)
    done, circle = order(found)
    if circle:
        for caller, called in zip(circle, circle[1:]):
            print(f"{caller}.c calls {called}.c: {', '.join(sorted(found[caller][called]))}")
        return 1
    print(" ".join(done))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""The proof that data came without the CPU touching it, from outside of the machine. On the sender's side:

  proof make BYTES              marked data in $LAB_SENDER/data; the key of its marks never leaves this side
  proof check [--base N]        stop the machine; compare VRAM with the data where the completions say (JSON lines on
                                standard input: stream, offset, region, length); count the marks in all of its RAM;
                                let it go on. --base: offset of the region in VRAM
  proof scan                    the same, RAM only; where there is an emulated GPU, check and scan also count the bytes of
                                the data that stand in its memory, wherever
  proof replace                 stop the machine; put new data, with a new key, in the place of the old one wherever that stands in
                                the emulated GPU's memory
  proof got                     count what of the data is in $LAB_SENDER/got, in bytes, and in the emulated GPU's memory
  proof flip OFFSET             change one bit of VRAM (to see that check finds it)
  proof watch SECONDS           let the machine run, and look at VRAM again and again: does anything in it change?

check, scan and watch print JSON; the first two keep it as $LAB_RUN/proof.json. Their status says whether the proof could be made at
all, not how it came out.
"""

import argparse
import json
import mmap
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from qmp import Qmp
from say import Failure, run


@contextmanager
def stopped(socket):
    """The machine, stopped; it goes on whatever happens."""
    with Qmp(socket) as qmp:
        qmp.command("stop")
        try:
            yield
        finally:
            qmp.command("cont")


@contextmanager
def mapped(path):
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as image, memoryview(image) as view:
            yield view


def first_difference(one, other):
    return next(i for i, (a, b) in enumerate(zip(one, other)) if a != b)


def compare(data, vram, base, records):
    """Follow the completions of one stream: every byte of the data must be where they say, once, and nothing twice.

    Returns what was found; "match" is true only when the whole stream is there.
    """
    result = {"match": False, "bytes": 0, "extents": 0, "why": ""}
    streams = {r["stream"] for r in records}
    if len(streams) != 1:
        result["why"] = f"completions of {len(streams)} streams, expected those of one"
        return result
    merged = []                 # adjacent completions, joined
    position = 0
    for r in sorted(records, key=lambda r: r["offset"]):
        if r["offset"] != position:
            result["why"] = f"the completions leave out or repeat bytes at {position} of the stream"
            return result
        position += r["length"]
        if r["region"] is None:
            result["why"] = f"{r['length']} bytes at {r['offset']} of the stream did not come into the region"
            return result
        if merged and merged[-1][1] + merged[-1][2] == r["region"]:
            merged[-1][2] += r["length"]
        else:
            merged.append([r["offset"], r["region"], r["length"]])
    result["extents"] = len(merged)
    if position != len(data):
        result["why"] = f"the completions cover {position} bytes of {len(data)}"
        return result
    end = 0
    for _, region, length in sorted(merged, key=lambda m: m[1]):
        if region < end:
            result["why"] = f"two completions name the bytes at {region} of the region"
            return result
        end = region + length
    if base + end > len(vram):
        result["why"] = f"a completion names {base + end}, and VRAM ends at {len(vram)}"
        return result
    for offset, region, length in merged:
        here = vram[base + region:base + region + length]
        sent = data[offset:offset + length]
        if here != sent:
            at = first_difference(here, sent)
            result["why"] = (f"byte {offset + at} of the stream is {sent[at]:#04x}, and at {base + region + at} of VRAM "
                             f"stands {here[at]:#04x}")
            return result
        result["bytes"] += length
    result["match"] = True
    return result


def scan(image, key):
    """Count the marks in an image."""
    done = subprocess.run(["marks", "scan", image, key], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"the scan of {image} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def cover(image, key, data):
    """Count the bytes of the data that an image holds, and the marks in it."""
    done = subprocess.run(["marks", "cover", image, key, data], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"the search in {image} failed: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    return {"match": found["bytes"] == found["of"], "bytes": found["bytes"], "marks": scan(image, key)["marks"]}


def replace(image, data, key):
    """New data of the same size, and its blocks in the image where those of the old data stand."""
    old = key.rename(key.with_name("old-key"))
    subprocess.run(["marks", "make", data, str(data.stat().st_size), key], check=True)
    done = subprocess.run(["marks", "replace", image, old, key], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"the data in {image} could not be replaced: {done.stderr.strip()}")
    return json.loads(done.stdout)


def watch(path, seconds):
    """Compare an image with what it was at first, until the time is over."""
    piece = 1 << 20
    samples = 0
    changed = set()
    with mapped(path) as view:
        image = view.obj
        first = image[:]
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            changed |= {i for i in range(0, len(first), piece) if image[i:i + piece] != first[i:i + piece]}
            samples += 1
    return {"changed": len(changed), "first": min(changed, default=None), "samples": samples}


def main(arguments):
    p = argparse.ArgumentParser(prog="proof", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="command", required=True)
    sub.add_parser("make").add_argument("bytes", type=int)
    sub.add_parser("check").add_argument("--base", type=int, default=0)
    sub.add_parser("scan")
    sub.add_parser("replace")
    sub.add_parser("got")
    sub.add_parser("flip").add_argument("offset", type=int)
    sub.add_parser("watch").add_argument("seconds", type=float)
    options = p.parse_args(arguments)

    def place(name):
        if name not in os.environ:
            raise Failure(f"{name} is not set: this runs on the sender's side of the lab (remote proof ...).")
        return Path(os.environ[name])

    sender = place("LAB_SENDER")
    data, key = sender / "data", sender / "key"
    if options.command == "make":
        subprocess.run(["marks", "make", data, str(options.bytes), key], check=True)
        return 0
    if options.command == "replace":
        with stopped(place("LAB_QMP")):
            print(json.dumps(replace(place("LAB_GPU_VRAM"), data, key)))
        return 0
    if options.command == "got":
        got = sender / "got"
        print(json.dumps({"bytes": got.stat().st_size, "marked": scan(got, key)["whole"] * 64,
                          "in_vram": scan(place("LAB_GPU_VRAM"), key)["whole"] * 64}))
        return 0
    if options.command == "flip":
        with open(place("LAB_VRAM"), "r+b") as vram:
            vram.seek(options.offset)
            byte = vram.read(1)
            vram.seek(options.offset)
            vram.write(bytes([byte[0] ^ 1]))
        return 0

    if options.command == "watch":
        print(json.dumps(watch(place("LAB_VRAM"), options.seconds)))
        return 0

    records = [json.loads(line) for line in sys.stdin if line.strip()] if options.command == "check" else []
    result = {}
    with stopped(place("LAB_QMP")):
        if options.command == "check":
            with mapped(data) as sent, mapped(place("LAB_VRAM")) as vram:
                result["vram"] = compare(sent, vram, options.base, records)
            result["vram"]["completions"] = len(records)
            result["vram"] |= {"marks": scan(place("LAB_VRAM"), key)["marks"]}
        result["ram"] = scan(place("LAB_RAM"), key)
        if "LAB_GPU_VRAM" in os.environ:
            result["gpu"] = cover(place("LAB_GPU_VRAM"), key, data)
    text = json.dumps(result)
    (place("LAB_RUN") / "proof.json").write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    run(main)

# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Ask an emulated GPU for faults, and look as its client whether they come: faults.py PROGRAM BAR [ENGINE]

BAR is one of registers, whose first word can be read. Prints what is wrong; status 0 when nothing is.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEADER = struct.Struct("<HHIII")        # id, command, size, flags, error
REGION_READ, REGION_WRITE, CONFIG = 9, 10, 7
ALL_ONES = 0xffffffff


class Gpu:
    def __init__(self, directory):
        self.control = str(Path(directory) / "control")
        self.client = socket.socket(socket.AF_UNIX)
        self.client.connect(str(Path(directory) / "socket"))

    def exactly(self, length):
        data = b""
        while len(data) < length:
            more = self.client.recv(length - len(data))
            if not more:
                raise OSError("no answer")
            data += more
        return data

    def ask(self, command, body):
        self.client.sendall(HEADER.pack(0, command, HEADER.size + len(body), 0, 0) + body)
        _, _, size, _, error = HEADER.unpack(self.exactly(HEADER.size))
        answer = self.exactly(size - HEADER.size)
        if error:
            raise OSError(error, f"command {command}")
        return answer

    def read(self, region, offset):
        return struct.unpack("<I", self.ask(REGION_READ, struct.pack("<QII", offset, region, 4))[16:])[0]

    def write(self, region, offset, value):
        self.ask(REGION_WRITE, struct.pack("<QIII", offset, region, 4, value))

    def say(self, line):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.control)
            connection.sendall(f"{line}\n".encode())
            answer = b""
            while more := connection.recv(4096):
                answer += more
        return answer.decode().strip()


def look(gpu, bar, engine):
    """What is wrong."""
    def check(what, is_so):
        if not is_so:
            wrong.append(what)

    wrong = []
    usual, ids = gpu.read(bar, 0), gpu.read(CONFIG, 0)
    check("a register is all ones without a fault", ALL_ONES not in (usual, ids))
    check("reads fail", gpu.say(f"reads fail {bar}") == "ok" and gpu.read(bar, 0) == ALL_ONES and gpu.read(bar, 64) == ALL_ONES)
    check("configuration space is no register of the BAR", gpu.read(CONFIG, 0) == ids)
    check("reads pass", gpu.say("reads pass") == "ok" and gpu.read(bar, 0) == usual)
    check("a read fails twice", gpu.say(f"reads fail {bar} 0x0 2") == "ok" and gpu.read(bar, 64) != ALL_ONES and
          [gpu.read(bar, 0) for _ in range(3)] == [ALL_ONES, ALL_ONES, usual])
    check("there is no such BAR", gpu.say("reads fail 6").startswith("what is") and gpu.say("reads fail 5").startswith("what is"))
    gpu.write(CONFIG, 4, 6)
    check("memory and bus master are on", gpu.read(CONFIG, 4) & 6 == 6)
    check("vanish", gpu.say("vanish") == "ok" and gpu.read(bar, 0) == ALL_ONES and gpu.read(CONFIG, 0) == ALL_ONES)
    gpu.write(CONFIG, 4, 4)
    check("appear, as after power-on, without what was written meanwhile",
          gpu.say("appear") == "ok" and gpu.read(bar, 0) == usual and gpu.read(CONFIG, 0) == ids and gpu.read(CONFIG, 4) & 6 == 0)
    check("it was reset by that", json.loads(gpu.say("summary"))["resets"] == 1)
    if engine:
        check("engines", all(gpu.say(f"{verb} {engine}") == "ok" for verb in ("stall", "resume", "hang")))
    check("an engine that it does not have", gpu.say("stall nothing").startswith("what is"))
    check("interrupts", all(gpu.say(f"interrupts {how}") == "ok" for how in ("drop", "lose 3", "pass")))
    return wrong


def main(program, bar, engine=None):
    with tempfile.TemporaryDirectory() as directory:
        command = [program, "--socket", f"{directory}/socket", "--control", f"{directory}/control", "--vram-size", "64", "--bar-size", "64"]
        with subprocess.Popen(command) as gpu:
            while not os.path.exists(f"{directory}/control") and gpu.poll() is None:
                time.sleep(0.02)
            try:
                wrong = look(Gpu(directory), int(bar), engine)
            except OSError as error:
                wrong = [str(error)]
            gpu.terminate()
        print("\n".join(wrong))
        return 1 if gpu.returncode or wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

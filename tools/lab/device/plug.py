# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""Be one client after the other of an emulated GPU, as QEMU is when it is unplugged and plugged in again: plug.py PROGRAM

Each client maps memory, asks for interrupts, and goes. Prints the program's end and what it said; status 0 when it outlived
them all, and ended well.
"""

import array
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VERSION, DMA_MAP, DMA_UNMAP, SET_IRQS = 1, 2, 3, 8
HEADER = struct.Struct("<HHIII")        # id, command, size, flags, error
READ_WRITE = 3
MSI, EVENTFD_TRIGGER = 1, 0x24          # VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_*
MIB = 1 << 20


def ask(client, command, body, *fds):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    client.sendmsg([HEADER.pack(0, command, HEADER.size + len(body), 0, 0) + body], rights)
    answer = client.recv(65536)
    if len(answer) < HEADER.size:
        raise OSError("no answer")
    error = HEADER.unpack(answer[:HEADER.size])[4]
    if error:
        raise OSError(error, f"command {command}")


def be_client(path):
    memory, event = os.memfd_create("memory"), os.eventfd(0)
    os.truncate(memory, MIB)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        ask(client, VERSION, struct.pack("<HH", 0, 0) + b"{}\0")
        for i in range(8):
            ask(client, DMA_MAP, struct.pack("<IIQQQ", 32, READ_WRITE, 0, i * MIB, MIB), memory)
        ask(client, DMA_UNMAP, struct.pack("<IIQQ", 24, 0, 0, MIB))
        ask(client, SET_IRQS, struct.pack("<IIIII", 20, EVENTFD_TRIGGER, MSI, 0, 1), event)
    os.close(memory)
    os.close(event)


def main(program):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "socket"
        with subprocess.Popen([program, "--socket", path, "--vram-size", "64", "--bar-size", "64"],
                              stderr=subprocess.PIPE, text=True) as gpu:
            while not path.exists() and gpu.poll() is None:
                time.sleep(0.02)
            try:
                for _ in range(3):
                    be_client(path)
            except OSError as error:
                print(error)
            gpu.terminate()
            said = gpu.stderr.read()
        print(f"status {gpu.returncode}\n{said}")
        return 1 if gpu.returncode or said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

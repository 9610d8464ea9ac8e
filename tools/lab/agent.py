# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""The sender's side of `remote`: runs the commands that come out of the guest, one at a time for each port."""

import base64
import os
import signal
import socket
import subprocess
import tempfile
import threading


class Job:
    """A command in the background, with its output in files that nobody else sees."""

    def __init__(self, line, environment, cwd, stdin=None):
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "bash", "-c", line], stdin=stdin or subprocess.DEVNULL,
                                        stdout=self.out, stderr=self.err, env=environment, cwd=cwd, start_new_session=True)

    def wait(self):
        """Wait for its end; return (status, output, errors)."""
        status = self.process.wait()
        texts = []
        for file in (self.out, self.err):
            file.seek(0)
            texts.append(file.read())
            file.close()
        return (status if status >= 0 else 128 - status, *texts)

    def end(self):
        """End it with all that it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                continue


class Agent:
    def __init__(self, prefix, count, environment, cwd):
        self.environment = environment
        self.cwd = cwd
        self.jobs = {}
        self.lock = threading.Lock()
        self.number = 0
        self.sockets = []
        for i in range(count):
            port = socket.socket(socket.AF_UNIX)
            port.connect(f"{prefix}{i}")
            self.sockets.append(port)
            threading.Thread(target=self.serve, args=(port,), daemon=True).start()

    def serve(self, port):
        try:
            with port.makefile("rb") as requests:
                for request in requests:
                    try:
                        status, out, err = self.answer(request, requests)
                    except (OSError, ValueError, KeyError) as error:
                        status, out, err = 125, b"", f"remote: {error}\n".encode()
                    port.sendall(f"{status} {len(out)} {len(err)}\n".encode() + out + err)
        except OSError:
            pass                        # the machine has ended

    def answer(self, request, requests):
        kind, length, line = request.decode().split()
        line = base64.b64decode(line).decode()
        if kind in ("wait", "kill"):
            with self.lock:
                job = self.jobs.pop(int(line))
            if kind == "kill":
                job.end()
            return job.wait()
        with tempfile.TemporaryFile() as stdin:
            stdin.write(requests.read(int(length)))
            stdin.seek(0)
            job = Job(line, self.environment, self.cwd, stdin)
        with self.lock:
            self.number += 1
            number = self.number
            self.jobs[number] = job
        if kind == "background":
            return 0, f"{number}\n".encode(), b""
        result = job.wait()
        with self.lock:
            self.jobs.pop(number, None)
        return result

    def close(self):
        """End every command that still runs."""
        for port in self.sockets:
            port.close()
        with self.lock:
            jobs, self.jobs = list(self.jobs.values()), {}
        for job in jobs:
            job.end()

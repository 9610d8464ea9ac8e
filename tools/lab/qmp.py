# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""QEMU's control socket: stop and continue the machine, unplug a device, ... Also a command: qmp.py SOCKET COMMAND [JSON],
where $NAME in JSON is replaced from the environment."""

import json
import os
import socket

from say import Failure, run


class Qmp:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        try:
            self.socket.connect(str(path))
        except OSError as error:
            raise Failure(f"no machine answers at {path} ({error.strerror}).") from error
        self.file = self.socket.makefile("rw", encoding="utf-8")
        self.events = []
        self.file.readline()            # the greeting
        self.command("qmp_capabilities")

    def command(self, name, /, **arguments):
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise Failure(f"the machine ended at {name}.")
            answer = json.loads(line)
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise Failure(f"the machine refused {name}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


def main(arguments):
    values = json.loads(os.path.expandvars(arguments[2]) if len(arguments) > 2 else "{}")
    with Qmp(arguments[0]) as qmp:
        print(json.dumps(qmp.command(arguments[1], **values)))


if __name__ == "__main__":
    run(main)

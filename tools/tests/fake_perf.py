# SPDX-License-Identifier: GPL-2.0
"""In place of perf stat, where there are no counters: counts that are known, for each MiB that iperf3 has sent, and each second.

FAKE_IDLE: instructions a second besides. FAKE_PERF: hybrid, paranoid, unsupported or shared, as perf says it on such a machine.
FAKE_LOOK: a command whose output goes to FAKE_LOG while a sender is about to send.
"""

import json
import os
import subprocess
import sys
import time

PER_MIB = {"instructions:u": 100000, "instructions:k": 600000, "cycles:u": 50000, "cycles:k": 250000}


def main(arguments):
    kind = os.environ.get("FAKE_PERF", "")
    if kind == "paranoid":
        print("Error:\nAccess to performance monitoring and observability operations is limited.\n"
              "Consider adjusting /proc/sys/kernel/perf_event_paranoid setting to open\naccess\n", file=sys.stderr)
        return 255
    options, command = arguments[:arguments.index("--")], arguments[arguments.index("--") + 1:]
    out, separator, events = (options[options.index(name) + 1] for name in ("-o", "-x", "-e"))
    assert options[0] == "stat" and "-C" in options and set(events.split(",")) == {*PER_MIB, "duration_time"}, options
    if command[0] == "sleep":
        command = ["sleep", "0.2"]
    elif command[0] != "true" and os.environ.get("FAKE_LOOK"):
        with open(os.environ["FAKE_LOG"], "a", encoding="utf-8") as log:
            subprocess.run(os.environ["FAKE_LOOK"], shell=True, stdout=log, stderr=log, check=False)
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    seconds = time.monotonic() - start
    sys.stdout.buffer.write(done.stdout)
    mib = json.loads(done.stdout)["end"]["sum_received"]["bytes"] / (1 << 20) if done.stdout.startswith(b"{") and not done.returncode else 0
    idle = float(os.environ.get("FAKE_IDLE", "0"))
    with open(out, "w", encoding="utf-8") as file:
        print("# started on Thu Jan  1 00:00:00 1970\n", file=file)
        for event in events.split(","):
            if event == "duration_time":
                print(separator.join([str(round(seconds * 1e9)), "ns", event, "1", "100.00", "", ""]), file=file)
                continue
            count = round(mib * PER_MIB[event] + seconds * idle)
            rest = ["", event, "1000000", "42.00" if kind == "shared" else "100.00", "", ""]
            if kind == "unsupported":
                print(separator.join(["<not supported>", *rest]), file=file)
            elif kind == "hybrid":
                name, mode = event.split(":")
                for cpu, value in (("atom", "<not counted>"), ("core", str(count))):
                    print(separator.join([value, "", f"cpu_{cpu}/{name}/{mode}", *rest[2:]]), file=file)
            else:
                print(separator.join([str(count), *rest]), file=file)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

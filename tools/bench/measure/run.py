# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""make bench: what receiving and sending cost the CPU, by the ways there are, side by side.

run.py [--profile] [PART]: only what contains PART of "cost METHOD,MTU,FLOWS[,BLOCK]", "bind SIZE,BUFFER" and "revocation"; if PART
is the whole of the first, with or without "cost", that row
--profile: the functions that the instructions are spent in instead, of the rows of cost; by default into VRAM
The machine has one CPU whose clock counts instructions, and spin.c tells what all but itself have executed: the figures are
thousands of instructions per MiB of payload, however busy this machine is; runs of a row that differ by more than 5 % are
marked, as when the receiver was woken at other times, and rows of which more than 0.1 % was sent again. How the sender paces its
packets matters much to those of many flows, so its congestion control, which is this machine's, is reported. QEMU counts each byte that
`rep movsb` copies as one instruction, so what copies looks worse than on silicon.
Writes build/bench.json, build/bench.html and a table, and adds a run of all of it to build/bench-history.json.
"""

import concurrent.futures
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lab"))
# pylint: disable=wrong-import-position
from paths import BUILD, TOP
from say import Failure, one_at_a_time, run, say
import report

MIB = 1 << 20
GUEST = "/netgpu/tools/bench/measure"
EXACT = 0.99            # of an idle machine's time the loop must account for
RUNS = 2
AT_ONCE = 2             # machines
AGAIN = 0.001           # of the packets may be sent again
HEADERS = 14 + 20 + 32  # bytes of Ethernet, IPv4, and TCP with timestamps

# Rows: the method, and for which (MTU, flows) by machine; for what sends, with KiB a call, and of libfabric's, with the size of a
# message. Upstream: Linux with the patches of the network device only. Asked: only when PART names them, for they take their time.
ALL = [(4148, 1), (1500, 1), (4148, 64), (1500, 64)]
SENDS = [(4148, 1, 64), (1500, 1, 64), (4148, 1, 1024), (1500, 1, 1024)]
MESSAGES = [(4148, 1, size) for size in ("64", "4K", "64K", "1M")]
MACHINES = {
    "netgpu": {"kernel": "netgpu", "topology": "switch", "rows": {
        "trunc": ALL, "recv": ALL, "recv-copy": ALL[:2], "netgpu-host": ALL[:2], "netgpu-udmabuf": ALL[:2], "netgpu-vram": ALL,
        "connections": [(4148, 1), (4148, 100), (4148, 1000), (4148, 10000)]}},
    "send": {"kernel": "netgpu", "topology": "switch", "rows": {
        "send": SENDS, "send-copy": SENDS, "send-zc": SENDS, "send-vram": SENDS, "send-cmsg": SENDS, "send-devmem": SENDS}},
    "upstream": {"kernel": "upstream", "topology": "novram,switch", "rows": {"zcrx-host": ALL, "devmem": ALL[:2]}},
    "amdgpu": {"kernel": "netgpu", "topology": "switch,novram,radeon", "rows": {
        "netgpu-amdgpu": ALL[:2]}},
    "fabric": {"kernel": "netgpu", "topology": "switch,novram,radeon", "asked": True, "rows": {
        "fi-tcp": MESSAGES, "fi-netgpu": MESSAGES, "fi-tcp-copy": MESSAGES, "fi-netgpu-sdma": MESSAGES}},
    "place": {"kernel": "netgpu", "topology": "switch,novram,radeon", "asked": True, "rows": {"fi-netgpu-place": MESSAGES[2:]}},
}
BYTES = 192 * MIB

# Nothing is received into these regions, so that the device's memory need not be there.
BIND = {"kernel": "netgpu", "topology": "switch", "options": ["--memory", "2560", "--vram", "65536", "--sparse"]}
# Linux's exporters of a BAR cut it after 4 GiB less a page, which no larger buffer than that goes into without a rest.
SIZES = [(size * MIB, buffer) for buffer, sizes in ((4096, (64, 256, 1024, 4096, 16384, 65536)), (65536, (64, 256, 1024, 2048)))
         for size in sizes]
REVOKE = {"kernel": "netgpu", "topology": "switch"}
REVOCATIONS = 100
# Size of a message, how many, and of how many packets one is lost.
PLACES = [(1 << 20, 1024, 0), (1 << 20, 1024, 1000), (1 << 16, 4096, 0)]
PLACE = {"kernel": "netgpu", "topology": "switch"}


def boot(name, machine, words, timeout):
    """Run the guest's part in a machine, showing what it says; return the directory with what it left."""
    directory = BUILD / "run" / name
    out = directory / "out"
    command = ["setpriv", "--pdeathsig", "TERM", "unshare", "-n", "python3", TOP / "tools/lab/vm.py", "--accel", "icount",
               "--name", name, "--kernel", machine["kernel"], "--topology", machine["topology"], "--timeout", str(timeout),
               "--out", out, *machine.get("options", ()), "bash", *words]
    shown = 0
    out.unlink(missing_ok=True)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        while True:
            last = process.poll() is not None
            lines = out.read_text(errors="replace").splitlines() if out.is_file() else []
            for line in lines[shown:]:
                say(f"bench: {line}")
            shown = len(lines)
            if last:
                break
            time.sleep(0.5)
    if process.returncode:
        raise Failure(f"the measurement in the machine failed (status {process.returncode}): its words are above, its console is "
                      f"{directory}/console.")
    return directory


def payload(a, b):
    """Bytes of payload from one sample to another."""
    return b[2] - a[2] - (b[3] - a[3]) * HEADERS


def cost(samples, begin):
    """Instructions per MiB while data came, from that share of it on, and how exact the loop is, of [ns, count, bytes, packets]."""
    first, last = samples[0][2], samples[-1][2]
    total = last - first
    def idle(a, b):
        return 2 * (b[1] - a[1]) / (b[0] - a[0])
    # A neighbour may ask who is there.
    quiet = [idle(a, b) for a, b in zip(samples, samples[1:]) if b[2] == a[2] < first + 4096]
    busy = [s for s in samples if first + total * begin < s[2] < first + total * 0.95]
    if len(quiet) < 5 or len(busy) < 3:
        raise Failure(f"a row has {len(quiet)} samples without traffic and {len(busy)} with it: too few to tell.")
    a, b = busy[0], busy[-1]
    exact = sorted(quiet)[len(quiet) // 2]
    # What is not idle in an idle machine, the tick and spin itself, is none of the receiver's.
    instructions = (b[0] - a[0]) * exact - 2 * (b[1] - a[1])
    return instructions / 1000 / (payload(a, b) / MIB), exact


def completions(receiver):
    """Completions and extents per MiB, of netgpu bench's report; others count none."""
    found = json.loads(receiver).get("netgpu", {}) if receiver.startswith("{") else {}
    return tuple(round(found[name] / (found["bytes"] / MIB), 1) if found.get("bytes") and name in found else None for name in ("completions", "extents"))


def again(sender, mtu):
    """The share of its packets that a sender had to send again, of iperf3's report; others do not say."""
    sent = json.loads(sender).get("end", {}).get("sum_sent", {}) if sender.startswith("{") else {}
    return round(sent["retransmits"] / (sent["bytes"] / (mtu - HEADERS + 14)), 5) if "retransmits" in sent else None


def kernel_of(directory):
    return (directory / "kernel").read_text().strip()


def rows_of(machine, part):
    rows = {",".join(map(str, (method, *kind))): (method, *kind) for method, kinds in machine["rows"].items() for kind in kinds}
    whole = rows.get(part.removeprefix("cost "))
    if whole:   # and not those that it is the beginning of
        return [whole]
    return [row for name, row in rows.items() if part in f"cost {name}" and (part or not machine.get("asked"))]


def limit(rows):
    """Seconds after which something is wrong: many_send has a patience of its own, which must end first."""
    return 120 + sum(960 if row[0] == "connections" else 120 for row in rows)


def costs(name, machine, part):
    """The rows of a machine, each run twice, the second time after all others."""
    wanted = rows_of(machine, part)
    if not wanted:
        return {}
    rows = {}
    wanted.sort(key=lambda row: row[1])     # another MTU takes seconds
    words = [",".join(map(str, row)) for row in wanted] * RUNS
    say(f"bench: the machine {name} starts: {len(wanted)} rows, each {RUNS} times")
    directory = boot(f"bench-{name}", machine, [f"{GUEST}/cost.sh", str(BYTES), *words], limit(wanted * RUNS))
    for number, (method, mtu, flows, *block) in enumerate(wanted * RUNS):
        samples = [json.loads(line) for line in (directory / f"{number}-spin").read_text().splitlines()]
        # Many connections send 64 KiB in their turn, 10,000 of them twice. The first time they are new, which is not counted.
        kinsn, exact = cost(samples, 0.53 if method == "connections" else 0.05)
        row = rows.setdefault((method, mtu, flows, *block), {"name": method, "mtu": mtu, "flows": flows, "runs": [], "sent_again": [],
                                                              "calibration": []})
        if method.startswith("fi-"):
            # Instructions of a byte on the wire, of which more are not payload the smaller messages are.
            moved = json.loads((directory / f"{number}-receiver").read_text())
            kinsn *= payload(samples[0], samples[-1]) / moved["bytes"]
            row["message_bytes"] = moved["bytes"] // moved["messages"]
        elif block:
            row["kib_per_call"] = block[0]
        row["runs"].append(round(kinsn, 1))
        row["calibration"].append(exact)
        row["sent_again"].append(again((directory / f"{number}-sender").read_text(), mtu))
        row["completions_per_mib"], row["extents_per_mib"] = completions((directory / f"{number}-receiver").read_text())
    for row in rows.values():
        row["kinsn_per_mib"] = round(sum(row["runs"]) / len(row["runs"]), 1)
        if "message_bytes" in row:
            row["kinsn_per_message"] = round(row["kinsn_per_mib"] * row["message_bytes"] / MIB, 2)
        row["repeats"] = max(row["runs"]) <= 1.05 * min(row["runs"])
        row["loses"] = any(share and share > AGAIN for share in row["sent_again"])
    exact = min(c for row in rows.values() for c in row.pop("calibration"))
    if exact < EXACT:
        raise Failure(f"the loop accounts for {exact:.4f} of an idle machine's time, and {EXACT} are needed: "
                      "something else runs in the machine, so nothing is reported.")
    received, sent = (directory / "congestion-control").read_text().split()
    return {"rows": list(rows.values()), "kernel": kernel_of(directory), "calibration": round(exact, 4),
            "congestion_control": {"received": received, "sent": sent}}


def profile(part):
    """Where the instructions go: build/bench-profile.html and a table, of each row in a run of its own."""
    wanted = part or "netgpu-vram,4148,1"
    pages = []
    for name, machine in MACHINES.items():
        rows = rows_of(machine, wanted)
        if not rows:
            continue
        directory = boot(f"bench-{name}", machine, [f"{GUEST}/cost.sh", "-p", str(4 * BYTES), *(",".join(map(str, row)) for row in rows)], 2 * limit(rows))
        for number, row in enumerate(rows):
            stacks = report.read_stacks((directory / f"{number}-stacks").read_text())
            samples = [json.loads(line) for line in (directory / f"{number}-spin").read_text().splitlines()]
            received = payload(samples[0], samples[-1]) / MIB
            pages.append((",".join(map(str, row)), stacks, received))
    if not pages:
        raise Failure(f"no row has {part} in its name.")
    for title, stacks, received in pages:
        report.functions(title, stacks, received)
    report.profile_page(pages, BUILD / "bench-profile.html")
    say(f"bench: flame graphs in {BUILD / 'bench-profile.html'}")


def bind(part):
    """How long it takes to make a region and its queue, in instructions, and what of the host's memory that takes."""
    wanted = [f"{size},{buffer}" for size, buffer in SIZES if part in f"bind {size},{buffer}"]
    if not wanted:
        return {}
    say(f"bench: regions of {len(wanted)} kinds are made")
    directory = boot("bench-bind", BIND, [f"{GUEST}/bind.sh", *wanted], 600)
    rows = [json.loads(line) for line in (directory / "bind").read_text().splitlines()]
    if len(rows) != len(wanted):
        raise Failure(f"of {len(wanted)} regions only {len(rows)} were made.")
    per_gib = {}
    for buffer in sorted({row["buffer"] for row in rows}):
        # By the difference: what there is whatever the size is, such as the rings, does not count.
        of_it = sorted((row for row in rows if row["buffer"] == buffer), key=lambda row: row["size"])
        small, large = of_it[0], of_it[-1]
        if large is not small:
            per_gib[str(buffer)] = round((large["host_bytes"] - small["host_bytes"]) / (large["size"] - small["size"]) * 1024 * MIB)
    return {"bind": rows, "bytes_per_gib_bound": per_gib, "kernel": kernel_of(directory)}


def revocation(part):
    """From the moment at which the exporter begins to take its memory away to the one at which it has it."""
    if part not in "revocation":
        return {}
    say(f"bench: memory is taken away {REVOCATIONS} times while it is received into")
    directory = boot("bench-revoke", REVOKE, [f"{GUEST}/revoke.sh", str(REVOCATIONS), str(8 * MIB)], 600)
    times = sorted(int(line) for line in (directory / "revoke").read_text().splitlines())
    return {"revocation_us": {"median": times[len(times) // 2], "max": times[-1], "n": len(times), "all": times}, "kernel": kernel_of(directory)}


def placement(part):
    """How much of a message arrives where it belongs."""
    wanted = [",".join(map(str, row)) for row in PLACES if part in f"place {','.join(map(str, row))}"]
    if not wanted:
        return {}
    say(f"bench: messages are received in place in {len(wanted)} ways")
    directory = boot("bench-in-place", PLACE, [f"{GUEST}/place.sh", *wanted], 600)
    rows = [json.loads(line) for line in (directory / "place").read_text().splitlines()]
    for row in rows:
        row["share_in_place"] = round(row["in_place"] / (row["in_place"] + row["moved"]), 4)
    return {"place": rows, "kernel": kernel_of(directory)}


def main(arguments):
    profiles = arguments[:1] == ["--profile"]
    arguments = arguments[profiles:]
    part = arguments[0] if arguments else ""
    start = time.monotonic()
    result = {"rows": []}
    report.check_programs(profiles)
    with one_at_a_time("bench"):
        if profiles:
            profile(part)
            return
        # Instructions are counted, so that machines do not disturb each other.
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            measured = [pool.submit(costs, name, machine, part) for name, machine in MACHINES.items()]
            measured += [pool.submit(measure, part) for measure in (bind, revocation, placement)]
            for done in measured:
                try:
                    found = done.result()
                except BaseException:   # or the machines that wait for their turn would still start
                    for each in measured:
                        each.cancel()
                    raise
                if not found:
                    continue
                if "rows" in found:
                    found["rows"] = result["rows"] + found["rows"]
                    found["calibration"] = min(found["calibration"], result.get("calibration", 1))
                result |= found
                # or what a later part fails with would take the earlier ones with it
                (BUILD / "bench.json").write_text(json.dumps(result, indent=2) + "\n")
        if len(result) == 1:
            raise Failure(f"nothing that is measured has {part} in its name.")
        history = report.remember(result, BUILD / "bench-history.json", whole=not part)
        report.table(result)
        report.page(result, history, BUILD / "bench.html")
    say(f"bench: {time.monotonic() - start:.0f} s; figures in {BUILD / 'bench.json'}, plots in {BUILD / 'bench.html'}")


if __name__ == "__main__":
    run(main)

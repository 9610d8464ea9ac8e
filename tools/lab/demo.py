# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""The demo: iperf3 sends marked data to the machine, netgpu receives it into VRAM, and the proof is made from outside.

demo.py [--ktap] [--name NAME] [--json FILE] [--gpu radeon|dg1|dg1-xe] [--system DIR]
Prints a summary and writes build/demo.json; its status says whether all of it held. With --ktap: as a test. With --gpu, VRAM
is that of an emulated GPU, under its driver, and a second run shows what a kernel without netgpu makes of the same.
"""

import argparse
import json
import re
import subprocess
import threading
import time

from paths import BUILD, TOP
from say import Failure, one_at_a_time, run, say

MOVED = 96 << 20        # at least 64 MiB are asked for
# what is said of it, and the machine's options. Of a DG1, xe takes the BAR for all of VRAM.
GPUS = {"radeon": ("amdgpu (emulated Hainan)", "--topology", "switch,novram,radeon"),
        "dg1": ("i915 (emulated DG1)", "--topology", "switch,novram,dg1"),
        "dg1-xe": ("xe (emulated DG1)", "--topology", "switch,novram,dg1", "--gpu", "256/256",
                   "--append", "i915.force_probe=!4905 xe.force_probe=4905")}


def read(directory, name):
    try:
        return json.loads((directory / name).read_text())
    except (OSError, ValueError) as error:
        raise Failure(f"the run left no {name} ({error}): see {directory}.") from error


def follow(path, stop):
    """Print what the guest says, as it says it."""
    shown = 0
    while True:
        last = stop.is_set()
        lines = path.read_text(errors="replace").splitlines(True) if path.is_file() else []
        while shown < len(lines) and lines[shown].endswith("\n"):
            say(f"demo: {lines[shown].strip()}")
            shown += 1
        if last:
            return
        stop.wait(0.2)


def transfer(name, kernel, gpu, system=None):
    """Boot the machine and let it run; return the directory with what it left."""
    directory = BUILD / "run" / name
    out, console = directory / "out", directory / "console"
    out.unlink(missing_ok=True)
    stop = threading.Event()
    watch = threading.Thread(target=follow, args=(out, stop))
    watch.start()
    try:
        status = subprocess.run(["setpriv", "--pdeathsig", "TERM", "unshare", "-n", "python3", TOP / "tools/lab/vm.py",
                                 "--name", name, "--kernel", kernel, "--memory", "1024", "--timeout", "600",
                                 *(GPUS[gpu][1:] if gpu else ("--topology", "switch")),
                                 *(("--system", system) if system else ()),
                                 "--out", out, "--console", console, "bash", "/netgpu/tools/lab/demo-guest", str(MOVED)],
                                stdin=subprocess.DEVNULL, check=False).returncode
    finally:
        stop.set()
        watch.join()
    if status:
        raise Failure(f"the run in the machine failed (status {status}): its words are above, its console is {console}.")
    return directory


def judge_send(directory, gpu):
    """What was put into VRAM from outside, and has come to the sender's side. In a GPU's, it lies where the driver has put it."""
    got, sent, marks = (read(directory, f"send-{name}.json") for name in ("got", "bench", "proof"))
    result = {
        "bytes_sent": sent["netgpu"]["send"]["bytes"],
        "bytes_match": got["marked"] if gpu else got["bytes"] if got["match"] else 0,
        "bytes_in_vram": got["in_vram"] if gpu else MOVED,
        "bytes_copied_by_cpu": sent["netgpu"]["send"]["program_copy_bytes"],
        "guest_ram_marks": marks["ram"]["marks"],
        "throughput_bits_per_second": round(sent["end"]["sum_received"]["bits_per_second"]),
    }
    if not gpu:
        result["control_ram_marks"] = read(directory, "send-control-proof.json")["ram"]["marks"]
    return result


def judge(directory, without, gpu):
    """Put together what a run showed, and that on a kernel without netgpu, if there was one."""
    bench, iperf, proof = (read(directory, f"zc-{n}.json") for n in ("bench", "iperf3", "proof"))
    control = read(directory, "recv-proof.json")
    if "gpu" in proof:
        proof["vram"] = proof["gpu"] | {"why": f"{proof['gpu']['bytes']} bytes of the stream are found in it"}
    result = {
        "bytes_sent": iperf["end"]["sum_sent"]["bytes"],
        "bytes_received": bench["netgpu"]["bytes"],
        "bytes_in_vram": proof["vram"]["bytes"],
        "bytes_copied_by_cpu": bench["netgpu"]["bytes_copied_by_cpu"],
        "guest_ram_marks": proof["ram"]["marks"],
        "control_ram_marks": control["ram"]["marks"],
        "vram_match": proof["vram"]["match"],
        "placement": bench["netgpu"]["placement"],
        "throughput_bits_per_second": round(bench["end"]["sum_received"]["bits_per_second"]),
        "sender": re.match(r"iperf [\d.]+\d", iperf["start"]["version"])[0],
        "kernel": (directory / "kernel").read_text().strip(),
    }
    result["send"] = judge_send(directory, without)
    if without:
        result["gpu"] = GPUS[gpu][0]
        found = read(without, "upstream-proof.json")
        result["upstream"] = {"bytes_in_vram": found["gpu"]["bytes"], "guest_ram_marks": found["ram"]["marks"]}
    faults = []
    if not result["bytes_sent"] == result["bytes_received"] == MOVED:
        faults.append(f"{MOVED} bytes should have been sent and received")
    if not result["vram_match"] or result["bytes_in_vram"] != MOVED:
        faults.append(f"VRAM does not hold the stream: {proof['vram']['why']}")
    if result["guest_ram_marks"]:
        faults.append(f"payload passed through RAM: {result['guest_ram_marks']} marks, the first at {proof['ram']['first']}")
    if not result["control_ram_marks"]:
        faults.append("the control found no mark, so the scan proves nothing")
    if result["bytes_copied_by_cpu"]:
        faults.append(f"the CPU copied {result['bytes_copied_by_cpu']} bytes")
    if result["placement"] != "device":
        faults.append(f"the placement is {result['placement']}, not device")
    send = result["send"]
    # Messages of the control connection lie among it, in a GPU's.
    if send["bytes_match"] != send["bytes_in_vram"] or not MOVED - (1 << 20) <= send["bytes_match"] <= send["bytes_sent"]:
        faults.append(f"of {send['bytes_in_vram']} bytes in VRAM, {send['bytes_match']} have come as they are")
    if send["bytes_copied_by_cpu"]:
        faults.append(f"the CPU copied {send['bytes_copied_by_cpu']} bytes of what was sent")
    if send["guest_ram_marks"]:
        faults.append(f"what was sent passed through RAM: {send['guest_ram_marks']} marks")
    if not send.get("control_ram_marks", True):
        faults.append("the control of sending found no mark, so its scan proves nothing")
    result["ok"] = not faults
    return result, faults, proof, control, bench


def summary(result, faults, proof, control, bench):
    mib = 1 << 20
    print(f"""
  sender        {result['sender']}, {result['bytes_sent'] / mib:.0f} MiB of marked data over TCP, \
{result['throughput_bits_per_second'] / 1e9:.2f} Gbit/s (emulated machine)
  receiver      Linux {result['kernel']}, igb, queue {bench['netgpu'].get('queue', '?')} -> {bench['netgpu']['memory']}, \
placement {result['placement']}
  in VRAM       {result['bytes_in_vram'] / mib:.0f} MiB compared from outside of the machine\
{', {completions} completions in {extents} extents'.format(**proof['vram']) if 'extents' in proof['vram'] else ''}: \
{'every byte matches' if result['vram_match'] else 'DIFFERENT'}
  in RAM        {result['guest_ram_marks']} marks in {proof['ram']['scanned'] / mib:.0f} MiB; {result['bytes_copied_by_cpu']} bytes copied by the CPU
  control       {result['control_ram_marks']} marks in {control['ram']['scanned'] / mib:.0f} MiB after the same data by plain recv()
""")
    send = result["send"]
    print(f"""  and back      {send['bytes_match'] / mib:.0f} MiB, put into VRAM from outside, sent to iperf3 -R, \
{send['throughput_bits_per_second'] / 1e9:.2f} Gbit/s: {'every byte matches' if send['bytes_match'] == send['bytes_in_vram'] else 'DIFFERENT'}
  in RAM        {send['guest_ram_marks']} marks; {send['bytes_copied_by_cpu']} bytes copied by the CPU""")
    if "control_ram_marks" in send:
        print(f"  control       {send['control_ram_marks']} marks after the same by a copy out of VRAM and send()")
    print()
    if "upstream" in result:
        other = result["upstream"]
        print(f"""  the same buffer, attached
    by Linux     {other['bytes_in_vram'] / mib:6.0f} MiB in VRAM, {other['guest_ram_marks']:9} marks in RAM, and no error
    by netgpu    {result['bytes_in_vram'] / mib:6.0f} MiB in VRAM, {result['guest_ram_marks']:9} marks in RAM
""")
    for fault in faults:
        print(f"  NOT OK        {fault}")
    if not faults:
        print("  ok            the payload went from the NIC into the memory of another PCI device, and back; the CPU never touched it")
    print(flush=True)


def ktap(result):
    tests = (("the whole stream was sent and received", result["bytes_sent"] == result["bytes_received"] == MOVED),
             ("every byte of it is in VRAM where the completions say", result["vram_match"] and result["bytes_in_vram"] == MOVED),
             ("guest RAM holds no mark", result["guest_ram_marks"] == 0),
             ("after a plain receive guest RAM holds marks", result["control_ram_marks"] > 0),
             ("no byte was copied by the CPU", result["bytes_copied_by_cpu"] == 0),
             ("the placement is device", result["placement"] == "device"))
    send = result["send"]
    tests += (("what is sent out of VRAM arrives as it is",
               MOVED - (1 << 20) <= send["bytes_match"] == send["bytes_in_vram"] and send["bytes_match"] <= send["bytes_sent"]),
              ("guest RAM holds no mark of it", send["guest_ram_marks"] == 0 and send["bytes_copied_by_cpu"] == 0))
    if "control_ram_marks" in send:
        tests += (("after a copy and send() guest RAM holds marks", send["control_ram_marks"] > 0),)
    if "upstream" in result:
        tests += (("without netgpu, none of it is in VRAM", result["upstream"]["bytes_in_vram"] == 0),
                  ("but in guest RAM", result["upstream"]["guest_ram_marks"] > 0))
    print(f"TAP version 13\n1..{len(tests)}")
    for number, (name, passed) in enumerate(tests, 1):
        print(f"{'ok' if passed else 'not ok'} {number} {name}")


def main(arguments):
    p = argparse.ArgumentParser(prog="demo.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ktap", action="store_true")
    p.add_argument("--name", default="demo")
    p.add_argument("--json", default=BUILD / "demo.json")
    p.add_argument("--gpu", choices=("", *GPUS), default="")
    p.add_argument("--system", help="with what is installed in a Debian system that is there (tools/lab/system), and nothing else")
    options = p.parse_args(arguments)
    start = time.monotonic()
    say("demo: the machine starts")
    with one_at_a_time(options.name):
        directory = transfer(options.name, "netgpu", options.gpu, options.system)
        without = transfer(f"{options.name}-upstream", "upstream", options.gpu) if options.gpu else None
        found = judge(directory, without, options.gpu)
    result, faults = found[:2]
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=2)
        file.write("\n")
    if options.ktap:
        ktap(result)
        for fault in faults:
            print(f"# {fault}")
    else:
        summary(*found)
        say(f"demo: {time.monotonic() - start:.0f} s; figures in {options.json}")
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    run(main)

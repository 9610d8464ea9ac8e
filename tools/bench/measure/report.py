# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""What make bench has found, for people: a table, and a page with plots."""

import html
import json
import shutil
import subprocess
import time
import zlib

from say import Failure

MIB = 1 << 20
FONT = "sans,11"


def check_programs(profiles):
    """Before anything is measured for what cannot be shown."""
    for name in ("perf",) if profiles else ("gnuplot", "gnuplot-nox"):
        if shutil.which(name):
            return
    raise Failure(f"{'perf' if profiles else 'gnuplot'} is missing: install the package {'linux-perf' if profiles else 'gnuplot-nox'}.")


def table(result):
    """What was measured, on the terminal."""
    if result["rows"]:
        print(f"\n  Linux {result['kernel']}, one CPU; thousand instructions per MiB (calibration {result['calibration']}; "
              f"congestion control: {result['congestion_control']['received']} for what is received, "
              f"{result['congestion_control']['sent']} for what is sent)\n")
        print(f"  {'method':16} {'MTU':>5} {'flows':>6} {'KiB each':>8} {'kinsn/MiB':>10}   {'runs':16} {'completions':>12} {'extents':>8}")
    for row in result["rows"]:
        counts = [row[f"{name}_per_mib"] for name in ("completions", "extents")]
        print(f"  {row['name']:16} {row['mtu']:5} {row['flows']:6} {row.get('kib_per_call', row.get('message_bytes', 0) / 1024 or ''):>8} {row['kinsn_per_mib']:10.0f}   "
              f"{' '.join(f'{r:.0f}' for r in row['runs']):16} {'' if counts[0] is None else f'{counts[0]:.0f}':>12} "
              f"{'' if counts[1] is None else f'{counts[1]:.0f}':>8}{'' if row['repeats'] else '  (the runs differ)'}"
              f"{'  (' + ', '.join(f'{s * 100:.1f}' for s in row['sent_again'] if s is not None) + ' % sent again)' if row['loses'] else ''}"
              f"{'  {:.2f} a message'.format(row['kinsn_per_message']) if 'kinsn_per_message' in row else ''}")
    if result.get("place"):
        print(f"\n  {'message, KiB':>12} {'messages':>9} {'lost':>8} {'in place':>9} {'restarts':>9}")
        for row in result["place"]:
            lost = f"1 of {row['one_lost_of']}" if row["one_lost_of"] else "none"
            print(f"  {row['message_bytes'] // 1024:12} {row['messages']:9} {lost:>8} {row['share_in_place']:9.1%} {row['restarts']:9}")
    if result.get("bind"):
        print(f"\n  {'region, MiB':>12} {'buffer':>7} {'region, ms':>11} {'queue, ms':>10} {'host memory, KiB':>17}   (a million instructions are a ms)")
        for row in result["bind"]:
            print(f"  {row['size'] // MIB:12} {row['buffer']:7} {row['region_ns'] / 1e6:11.2f} {row['queue_ns'] / 1e6:10.2f} {row['host_bytes'] / 1024:17.0f}")
        for buffer, count in result["bytes_per_gib_bound"].items():
            print(f"  host memory per GiB with buffers of {buffer}: {count / MIB:.2f} MiB")
    if result.get("revocation_us"):
        print("\n  revocation, of {n}: median {median} us, worst {max} us".format(**result["revocation_us"]))
    print(flush=True)


def row_name(row):
    return ",".join(str(row[name]) for name in ("name", "mtu", "flows", "kib_per_call") if name in row)


def remember(result, path, whole):
    """Every run of all parts, oldest first; this one among them."""
    history = json.loads(path.read_text()) if path.is_file() else []
    if whole:
        history.append({"time": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), "kernel": result["kernel"],
                        "congestion_control": result["congestion_control"], "rows": {row_name(r): r["kinsn_per_mib"] for r in result["rows"]},
                        "revocation_us": result["revocation_us"]["median"]})
        path.write_text(json.dumps(history, indent=1) + "\n")
    return history


def plot(commands, *tables):
    """An SVG by gnuplot, of tables that it knows as $T0, $T1 and so on; a table is a list of rows."""
    data = "".join(f"$T{i} << END\n" + "".join(" ".join(json.dumps(str(v)) if isinstance(v, str) else str(v) for v in row) + "\n" for row in rows)
                   + "END\n" for i, rows in enumerate(tables))
    script = f"set terminal svg size 860,380 font '{FONT}' background '#ffffff'\nset grid ytics lc '#dddddd'\nset border 3\nset tics nomirror\n" + data + commands
    gnuplot = shutil.which("gnuplot") or "gnuplot-nox"
    done = subprocess.run([gnuplot], input=script, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"gnuplot: {done.stderr.strip()}")
    return done.stdout[done.stdout.index("<svg"):]


def by_method(rows):
    def kind(row):
        return row["mtu"], row["flows"], row.get("kib_per_call", 0), row.get("message_bytes", 0)
    kinds = sorted({kind(r) for r in rows if r["name"] != "connections"}, key=lambda k: (k[2:], -k[0], k[1]))
    for mtu, flows, block, message in kinds:
        of_it = [(r["name"], r["kinsn_per_mib"]) for r in rows
                 if kind(r) == (mtu, flows, block, message) and r["name"] not in ("connections", "devmem")]
        if of_it:
            what = f"Sending, {block} KiB a call" if block else f"Messages of {message} bytes" if message else "Cost by method"
            yield f"{what}: MTU {mtu}, {flows} flow{'s' * (flows > 1)}", plot(
                "set style fill solid 0.8\nset boxwidth 0.6\nset yrange [0:*]\nset offsets 0,0,graph 0.08,0\nset ylabel 'thousand instructions per MiB'\nunset key\n"
                "plot $T0 using 0:2:xtic(1) with boxes lc '#3a76af', '' using 0:2:(sprintf('%.0f', $2)) with labels offset 0,0.6\n", of_it)


def pictures(result, history):
    """(title, SVG) of all that there is to show."""
    rows = result["rows"]
    yield from by_method(rows)
    connections = [(r["flows"], r["kinsn_per_mib"]) for r in rows if r["name"] == "connections"]
    if len(connections) > 1:
        yield "Cost against connections, into VRAM, MTU 4148", plot(
            "set logscale x\nset yrange [0:*]\nset xlabel 'connections'\nset ylabel 'thousand instructions per MiB'\nunset key\n"
            "plot $T0 using 1:2 with linespoints lw 2 pt 7 lc '#3a76af'\n", sorted(connections))
    bind = result.get("bind", [])
    if len(bind) > 1:
        tables = [[(r["size"] / MIB, (r["region_ns"] + r["queue_ns"]) / 1e6, r["host_bytes"] / MIB) for r in bind if r["buffer"] == b] for b in (4096, 65536)]
        for title, column in (("Time to make a region and its queue, ms (a million instructions)", 2), ("The host's own memory for a region, MiB", 3)):
            yield title, plot("set logscale xy\nset xlabel 'size of the region, MiB'\nset key left top\n" + "plot " + ", ".join(
                f"$T{i} using 1:(${column} > 0 ? ${column} : NaN) with linespoints lw 2 pt 7 title 'buffers of {size}'"
                for i, size in enumerate(("4 KiB", "64 KiB")) if tables[i]) + "\n", *tables)
    revoked = result.get("revocation_us")
    if revoked:
        share = [(us / 1000, (i + 1) / revoked["n"] * 100) for i, us in enumerate(revoked["all"])]
        yield f"Revocation to unmapped, at full rate, {revoked['n']} times", plot(
            "set xlabel 'ms'\nset ylabel '% within'\nset yrange [0:100]\nset xrange [0:*]\nunset key\nplot $T0 using 1:2 with steps lw 2 lc '#3a76af'\n", share)
    if len(history) > 1:    # whole runs, which have all rows
        shown = ("trunc,4148,1", "netgpu-vram,4148,1", "trunc,1500,1", "netgpu-vram,1500,1")
        tables = [[(i, run["rows"][name], run["time"]) for i, run in enumerate(history) if name in run["rows"]] for name in shown]
        yield "History: runs of all parts", plot(
            "set yrange [0:*]\nset ylabel 'thousand instructions per MiB'\nset xtics rotate by -30\nset key outside\n" + "plot " + ", ".join(
                f"$T{i} using 1:2:xtic(3) with linespoints lw 2 pt 7 title '{name}'" for i, name in enumerate(shown) if tables[i]) + "\n", *tables)


def page(result, history, path):
    """bench.html: pictures, and the figures as they are."""
    parts = ["<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>\n<title>netgpu: make bench</title>\n"
             "<style>body { font: 15px/1.5 sans-serif; max-width: 880px; margin: 2em auto; padding: 0 1em } svg { max-width: 100%; height: auto } "
             "pre { background: #f4f4f4; padding: 1em; overflow: auto }</style>\n<h1>What receiving and sending cost the CPU</h1>\n"
             f"<p>Linux {html.escape(str(result['kernel']))}, one emulated CPU whose clock counts instructions. QEMU counts each byte that a "
             "string instruction copies as one, so methods that copy look worse than on silicon. "
             "ncdevmem, which prints and compares each fragment, would dwarf the rest: it is among the figures only.</p>\n"]
    for title, svg in pictures(result, history):
        parts.append(f"<h2>{html.escape(title)}</h2>\n{svg}\n")
    parts.append(f"<h2>Figures</h2>\n<pre>{html.escape(json.dumps(result, indent=1))}</pre>\n</html>\n")
    path.write_text("".join(parts))


INSTRUCTIONS = 50000    # that a sample stands for
RECEIVING = ("netgpu", "iperf3", "ncdevmem", "many_recv", "zc_send", "iou-", "ksoftirqd", "spin")  # and not what sets it up


def read_stacks(text):
    """{(comm, function, ...): instructions}; what interrupts the loop is named for what it is."""
    stacks = {}
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = tuple(stack.split(";"))
        if not frames[0].startswith(RECEIVING):
            continue
        if frames[0] == "spin":
            frames = ("interrupts", *frames[1:])
        stacks[frames] = stacks.get(frames, 0) + int(count) * INSTRUCTIONS
    return stacks


def functions(title, stacks, received, shown=40):
    """The functions with the most instructions of their own, per MiB received."""
    own = {}
    for frames, instructions in stacks.items():
        own[frames[-1]] = own.get(frames[-1], 0) + instructions
    total = sum(own.values())
    print(f"\n  {title}: {total / 1000 / received:.0f} thousand instructions per MiB, by function\n")
    for name, instructions in sorted(own.items(), key=lambda item: -item[1])[:shown]:
        print(f"  {instructions / 1000 / received:8.1f} {instructions / total * 100:5.1f} %  {name}")
    print(flush=True)


def flame_graph(stacks, received):
    """An SVG: callers below, what they call above, as wide as its instructions."""
    width, height, total = 1200, 17, sum(stacks.values())
    tree = {}
    for frames, instructions in stacks.items():
        level = tree
        for name in frames:
            node = level.setdefault(name, [0, {}])
            node[0] += instructions
            level = node[1]
    boxes, deepest = [], 0

    def place(level, x, depth):
        nonlocal deepest
        for name, (instructions, below) in sorted(level.items()):
            wide = instructions / total * width
            if wide >= 0.5:
                deepest = max(deepest, depth)
                boxes.append((x, depth, wide, name, instructions))
                place(below, x, depth + 1)
            x += wide
    place(tree, 0, 0)
    tall = (deepest + 1) * height
    parts = [f"<svg viewBox='0 0 {width} {tall}' font-family='sans-serif' font-size='11'>"]
    for x, depth, wide, name, instructions in boxes:
        colour = zlib.crc32(name.encode()) % 50
        label = name if len(name) * 6.5 < wide else name[:max(0, int(wide / 6.5) - 1)]
        parts.append(f"<g><title>{html.escape(name)}: {instructions / 1000 / received:.1f} thousand per MiB, {instructions / total * 100:.1f} %</title>"
                     f"<rect x='{x:.1f}' y='{tall - (depth + 1) * height}' width='{wide:.1f}' height='{height - 1}' fill='hsl({20 + colour},80%,65%)'/>"
                     f"<text x='{x + 3:.1f}' y='{tall - depth * height - 5}'>{html.escape(label)}</text></g>")
    return "".join(parts) + "</svg>"


def profile_page(pages, path):
    """bench-profile.html: a flame graph of each."""
    parts = ["<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>\n<title>netgpu: make bench PROFILE=1</title>\n"
             "<style>body { font: 15px/1.5 sans-serif; margin: 2em } svg { width: 100% }</style>\n<h1>Where the instructions go</h1>\n"]
    for title, stacks, received in pages:
        parts.append(f"<h2>{html.escape(title)}: {sum(stacks.values()) / 1000 / received:.0f} thousand instructions per MiB</h2>\n{flame_graph(stacks, received)}\n")
    path.write_text("".join(parts) + "</html>\n")

# SPDX-License-Identifier: GPL-2.0
"""moved.py FILE [LEAST]: iperf3, as a client, says in FILE that something has moved, the receiver of it no more than was sent, and
no faster than -b allows.

What a client cancels in the middle of a write it does not count, nor what is still on its way to it when it stops. LEAST: bytes
that must have come back with --bidir, by default 1.
"""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    test = json.load(file)
least = int(sys.argv[2]) if len(sys.argv) > 2 else 1
end, start = test["end"], test["start"]["test_start"]
on_the_way = start["num_streams"] << 26


def moved(suffix=""):
    sent, received = (end[name + suffix]["bytes"] for name in ("sum_sent", "sum_received"))
    print("sent", sent, "received", received)
    return sent, received


sent, received = moved()
if start["reverse"]:
    good = 0 < received <= sent < received + on_the_way
else:
    good = 0 < sent <= received < sent + (1 << 24)
if "sum_sent_bidir_reverse" in end:
    sent, received = moved("_bidir_reverse")
    good = good and least <= received <= sent < received + on_the_way
if start["target_bitrate"]:     # -b; a busy machine may be slower
    rate = end["sum_received"]["bits_per_second"] / start["target_bitrate"] / start["num_streams"]
    print(f"{rate:.2f} of the rate")
    good = good and 0.3 < rate < 1.4
sys.exit(not good)

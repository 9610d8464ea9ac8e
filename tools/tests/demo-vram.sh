#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What make demo shows, as a test: iperf3's data is in VRAM and was never in RAM.
# lab: machine=none
# lab: kernel=netgpu
# lab: timeout=700
. "$(dirname "$0")/../../selftests/lib.sh"
lab=$(cd "$(dirname "$0")/../lab" && pwd)
need_programs python3 marks
mkdir -p "$lab/../../build/check"
python3 "$lab/demo.py" --ktap --name check-demo-vram --json "$lab/../../build/check/demo-vram.json"

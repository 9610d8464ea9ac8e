#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What make demo GPU=dg1-xe shows, as a test.
# lab: machine=none
# lab: drivers=xe
# lab: kernel=netgpu,upstream
# lab: topology=dg1
# lab: timeout=1300
. "$(dirname "$0")/../../selftests/lib.sh"
lab=$(cd "$(dirname "$0")/../lab" && pwd)
need_programs python3 marks
mkdir -p "$lab/../../build/check"
python3 "$lab/demo.py" --ktap --gpu dg1-xe --name check-demo-xe --json "$lab/../../build/check/demo-xe.json"

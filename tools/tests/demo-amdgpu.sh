#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What make demo GPU=radeon shows, as a test.
# lab: long=demo-vram,amdgpu-receive
# lab: machine=none
# lab: kernel=netgpu,upstream
# lab: topology=radeon
# lab: timeout=1300
. "$(dirname "$0")/../../selftests/lib.sh"
lab=$(cd "$(dirname "$0")/../lab" && pwd)
need_programs python3 marks
mkdir -p "$lab/../../build/check"
python3 "$lab/demo.py" --ktap --gpu radeon --name check-demo-amdgpu --json "$lab/../../build/check/demo-amdgpu.json"

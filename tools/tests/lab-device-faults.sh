#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Faults on demand of the emulated GPUs, as their client sees them.
# lab: machine=none
# lab: timeout=60
. "$(dirname "$0")/../../selftests/lib.sh"
need_programs marks python3
lab=$(cd "$(dirname "$0")/../lab" && pwd)
built=$(dirname "$(command -v marks)")

ktap_plan 2
ktap_run "radeon has the faults that it is asked for" python3 "$lab/device/faults.py" "$built/radeon/radeon" 2 sdma0
ktap_run "geforce has the faults that it is asked for" python3 "$lab/device/faults.py" "$built/geforce/geforce" 0
ktap_end

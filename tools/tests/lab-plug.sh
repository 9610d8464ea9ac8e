#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An emulated GPU is unplugged, and plugged in again: it gives back what its last client had, once.
# lab: machine=none
# lab: timeout=60
. "$(dirname "$0")/../../selftests/lib.sh"
need_programs marks python3
lab=$(cd "$(dirname "$0")/../lab" && pwd)
built=$(dirname "$(command -v marks)")

ktap_plan 4
for gpu in radeon geforce tesla dg1; do
	ktap_run "$gpu serves one client after the other" python3 "$lab/device/plug.py" "$built/$gpu/$gpu"
done
ktap_end

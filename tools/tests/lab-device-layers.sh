#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The files of the emulated GPUs call each other in one direction: there is no circle among them.
# lab: machine=none
# lab: timeout=60
. "$(dirname "$0")/../../selftests/lib.sh"
need_programs marks python3 nm gcc
lab=$(cd "$(dirname "$0")/../lab" && pwd)
built=$(dirname "$(command -v marks)")
work=$(mktemp -d) && undo rm -rf "$work"

ktap_plan 6
for gpu in device radeon geforce tesla dg1; do
	ktap_run "$gpu: its files call each other in one direction" python3 "$lab/device/layers.py" "$built/$gpu" "$lab/device" "$lab/$gpu"
done
for file in "one two" "two three" "three one"; do
	echo "int ${file% *}(void), ${file#* }(void); int ${file% *}(void) { return ${file#* }(); }" >"$work/${file% *}.c"
	gcc -c -o "$work/${file% *}.o" "$work/${file% *}.c"
done
! python3 "$lab/device/layers.py" "$work" "$work" >"$work/said" && grep -q '^two.c calls three.c: three$' "$work/said"
ktap_ok "a circle of three files is found" $?
ktap_end

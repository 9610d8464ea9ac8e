#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What make demo shows, by what is installed from the packages alone: kernel, modules, command.
# lab: machine=none
# lab: system=installed
# lab: timeout=700
. "$(dirname "$0")/../../selftests/lib.sh"
lab=$(cd "$(dirname "$0")/../lab" && pwd)
build=$lab/../../build
need_programs python3 marks
[ -d "$build/deb/system" ] || skip_all "no Debian system is installed: make check-deb does"
python3 "$lab/demo.py" --ktap --name check-deb-demo --system "$(readlink -f "$build/deb/system")" --json "$build/check-deb/demo.json"

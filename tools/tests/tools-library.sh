#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# libnetgpu without hardware: what it refuses, with which errno and sentence.
# lab: machine=none
# lab: timeout=60
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools/tests
need_programs library command

runs() { # NAME COMMAND...: a program that has results of its own
	"${@:2}" | sed 's/^/    /'
	ktap_ok "$1" "${PIPESTATUS[0]}"
}
ktap_plan 2
runs "what the library does not take" library
runs "a ring that is full" command
ktap_end

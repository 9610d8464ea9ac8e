#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the README and Documentation/ name is there: files, targets of make, tests, commands and their options, options of the
# kernel; the tutorial's program is one that is compiled; and Sphinx has no warning.
# lab: machine=none
# lab: timeout=180
# lab: packages=python3-sphinx,mandoc
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
need_programs python3 make gcc
work=$(mktemp -d) && undo rm -rf "$work"

named() { # NAME WHAT
	ktap_run "$1" python3 "$top/tools/tests/docs.py" "$2"
}

sphinx() { # NAME [VARIABLE=VALUE]
	if command -v sphinx-build >/dev/null; then
		ktap_run "$1" env "${@:2}" "$top/tools/lab/docs" "$work/html"
	else
		ktap_skip "$1" "Sphinx is not in this user space"
	fi
}

ktap_plan 7
named "links, images and paths lead to something" links
named "targets of make, and tests, are there" targets
named "commands, their options and manual pages are there" commands
named "options of the kernel are in configs/" kernel_options
named "the tutorial's program is what is compiled" program
sphinx "Sphinx has no warning"
sphinx "nor without the kernel's source" KERNEL_DOC=/dev/null/none
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel's own suites on a kernel without netgpu: the same answers as on one with it.
# lab: long=suites-answers
# lab: kernel=upstream
# lab: timeout=400
# lab: debug=it is about a kernel without netgpu
. "$(dirname "$0")/lib.sh"
need upstream
. "$(dirname "$0")/suites.sh"

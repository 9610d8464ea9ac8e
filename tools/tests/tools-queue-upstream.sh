#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The same as tools-queue on Linux as it is, which does not merge completions.
# lab: kernel=upstream
# lab: long=tools-queue
# lab: topology=nonic,novram
# lab: timeout=60
# lab: debug=it is about a kernel without netgpu
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools/tests
need_programs queue
queue 16384

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# libnetgpu sends out of host memory, without hardware: order, completions, cancel, and ends in the middle.
# lab: topology=nonic,novram
# lab: timeout=60
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools/tests
need_programs send
send

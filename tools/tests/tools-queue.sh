#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A queue of libnetgpu, without hardware, on a kernel that has one: waiting, giving back, and being short of buffers.
# lab: topology=nonic,novram
# lab: timeout=60
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools/tests
need_programs queue
queue 2048

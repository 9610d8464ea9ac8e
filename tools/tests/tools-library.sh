#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# libnetgpu without hardware: what it refuses, with which errno and sentence.
# lab: machine=none
# lab: timeout=30
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools/tests
need_programs library
exec library

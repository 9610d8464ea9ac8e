#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel's own suites on a kernel with netgpu: the same answers as on one without it.
# lab: long=devmem-answers,zcrx-answers
# lab: kernel=netgpu
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/suites.sh"

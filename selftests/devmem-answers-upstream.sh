#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# devmem-answers.sh, on Linux as it is.
# lab: kernel=upstream
# lab: long=devmem-answers
# lab: timeout=120
# lab: debug=it is about a kernel without netgpu
. "$(dirname "$0")/devmem-answers.sh"

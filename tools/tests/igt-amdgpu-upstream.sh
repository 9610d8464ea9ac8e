#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IGT on the emulated Hainan that amdgpu drives, on Linux as it is.
# lab: kernel=upstream
# lab: topology=nonic,novram,radeon
# lab: timeout=400
# lab: long=igt-amdgpu
# lab: debug=it is about a kernel without netgpu
driver=amdgpu
. "$(dirname "$0")/igt.sh"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IGT on the emulated Hainan that amdgpu drives.
# lab: kernel=netgpu
# lab: topology=nonic,novram,radeon
# lab: timeout=400
driver=amdgpu list=amdgpu.txt
. "$(dirname "$0")/igt.sh"

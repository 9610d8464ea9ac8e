#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A program that was written for upstream's zero-copy receive is answered as upstream would, to the errno, but for what it gains.
# lab: kernel=netgpu
# lab: timeout=180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need netgpu queue vram
need_programs zcrx_answers

# stray RECEIVED ERROR: it is copied
stray() {
	[ "$1" = "$QUEUED" ] && [ "$2" = 0 ]
}
. "$(dirname "$0")/answers.sh"

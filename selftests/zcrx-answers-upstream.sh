#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The same as zcrx-answers, where these answers come from.
# lab: kernel=upstream
# lab: long=zcrx-answers
# lab: timeout=180
# lab: debug=it is about a kernel without netgpu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/vram.sh"
need upstream queue vram
need_programs zcrx_answers

# stray RECEIVED ERROR: it cannot be received
stray() {
	[ "$1" = 0 ] && [ "$2" = ENOMEM ]
}
. "$(dirname "$0")/answers.sh"

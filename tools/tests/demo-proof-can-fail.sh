#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The proof on a living machine: it holds for a VRAM filled from outside, fails for one flipped bit of VRAM,
# and finds a single block of the data in RAM.
# lab: kernel=netgpu
# lab: topology=switch
# lab: timeout=120
. "$(dirname "$0")/../../selftests/lib.sh"
[ "${REMOTE_TYPE:-}" = lab ] || skip_all "only in the lab: the machine's memory must be seen from outside"

BYTES=$((8 << 20))
BASE=$((1 << 20))

completions() { # as a receiver would record them: 64 KiB each, the last first in VRAM
	local offset
	for ((offset = 0; offset < BYTES; offset += 65536)); do
		printf '{"stream":1,"offset":%d,"region":%d,"length":65536}\n' $offset $((BYTES - 65536 - offset))
	done
}

check() { # match|differs: what the comparison must say, with no mark in RAM
	local said
	said=$(completions | remote -i proof check --base $BASE) || return 1
	ktap_say "$said"
	case $1 in
	match) [[ $said == *'"match": true, "bytes": '$BYTES,* ]] ;;
	differs) [[ $said == *'"match": false,'*stands* ]] ;;
	esac && [[ $said == *'"ram": {"marks": 0,'* ]]
}

ktap_plan 5
remote proof make $BYTES &&
	remote 'for ((i = 0; i < '$((BYTES / 65536))'; i++)); do
		dd if="$LAB_SENDER/data" of="$LAB_VRAM" bs=65536 skip=$i count=1 conv=notrunc status=none \
			seek=$((('$BASE' + '$BYTES') / 65536 - 1 - i)) || exit
	done'
check match
ktap_ok "VRAM that holds the data matches, RAM holds no mark" $?

remote proof flip $((BASE + 1234567)) && check differs
ktap_ok "one flipped bit of VRAM is found" $?
remote proof flip $((BASE + 1234567)) && check match
ktap_ok "flipped back, it matches again" $?

remote 'tail -c +4097 "$LAB_SENDER/data" | head -c 64' >/dev/shm/planted
said=$(remote proof scan)
ktap_say "$said"
[[ $said =~ \"ram\":\ \{\"marks\":\ ([0-9]+), ]] && [ "${BASH_REMATCH[1]}" -ge 1 ]
ktap_ok "one block of the data in RAM is found" $?

ping -q -c 2 -W 2 "$REMOTE_V4" >/dev/null
ktap_ok "the machine goes on after being stopped" $?
ktap_end

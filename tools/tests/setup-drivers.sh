#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu setup on drivers that differ in what they have, none of which is here: a fake of their answers is before the command. And it is
# killed before and after each change that it makes: reset puts everything back.
# lab: machine=none
# lab: timeout=180
if [ -z "${SETUP_NETNS:-}" ] && unshare -n true 2>/dev/null; then
	SETUP_NETNS=1 exec unshare -n bash "$0"
fi
. "$(dirname "$0")/../../selftests/lib.sh"
PATH=$PATH:$(cd "$(dirname "$0")/../.." && pwd)/build/tools
need_programs netgpu
fake=$(cd "$(dirname "$0")/../.." && pwd)/build/tools/tests/fake_nic.so
[ -e "$fake" ] || skip_all "the fake is not built"
work=$(mktemp -d) && undo rm -rf "$work"
export FAKE_NIC=$work/nic

# driver LINE...: what it has, beside what all have
driver() {
	printf '%s\n' "queues 4" "rx 1024" "rx_max 4096" "mtu 1500" "rss 0 1 2 3 0 1 2 3" "$@" >"$FAKE_NIC.begin"
	again
}

# again: as it was at first, and nobody has set anything up
again() {
	LD_PRELOAD=$fake netgpu reset fake0 --quiet >/dev/null 2>&1
	cp "$FAKE_NIC.begin" "$FAKE_NIC"
}

run() { # netgpu on it; what it says is in $work/said
	# the subshell's stderr: that something was killed is no news
	(LD_PRELOAD=$fake netgpu "$@" >"$work/said" 2>&1; exit $?) 2>/dev/null
	local status=$?
	[ $status = 0 ] || sed 's/^/# /' "$work/said"
	return $status
}

sorted() {
	sort "$1"
}

is() { # LINE...: these are true of it
	local line
	for line; do
		grep -qxe "$line" "$FAKE_NIC" || { echo "# not: $line"; sed 's/^/# /' "$FAKE_NIC"; return 1; }
	done
}

as_before() {
	[ "$(sorted "$FAKE_NIC")" = "$(sorted "$FAKE_NIC.begin")" ] || { diff <(sorted "$FAKE_NIC.begin") <(sorted "$FAKE_NIC") | sed 's/^/# /'; return 1; }
}

# comes_back ARG...: setup is killed at each of its changes, and reset puts everything back, each time; a setup after that as well
comes_back() {
	local at=0 status
	while :; do
		at=$((at + 1))
		[ $at -le 30 ] || return 1
		for kill in $at -$at; do
			again
			FAKE_KILL=$kill run setup fake0 "$@" >/dev/null
			status=$?
			[ $status = 137 ] || [ $status = 0 ] || return 1
			if ! run reset fake0 || ! as_before; then
				echo "# killed at change $kill"
				return 1
			fi
			again
			FAKE_KILL=$kill run setup fake0 "$@" >/dev/null
			if ! run setup fake0 "$@" || ! run reset fake0 || ! as_before; then
				echo "# killed at change $kill, and set up again"
				return 1
			fi
			again
			run setup fake0 "$@" || return 1
			FAKE_KILL=$kill run reset fake0 >/dev/null || run reset fake0 >/dev/null
			if ! as_before; then
				echo "# reset was killed at change $kill"
				return 1
			fi
		done
		[ $status = 137 ] || break
	done
	echo "# $((at - 1)) changes"
	[ $at -gt 3 ] && again && run setup fake0 "$@" && run reset fake0 && as_before
}

# refused WORDS ARG...: and nothing is changed, nor kept
refused() {
	local words=$1
	shift
	again
	run setup fake0 "$@" >/dev/null && return 1
	grep -q -e "$words" "$work/said" || { sed 's/^/# /' "$work/said"; return 1; }
	as_before && ! run reset fake0 >/dev/null && grep -q "nothing to put back" "$work/said"
}

netgpu setup lo --queue 0 --all-flows 2>&1 | grep -q "cannot be kept" && skip_all "/run/netgpu cannot be written to"
ktap_plan 20

# mlx5: splits what its card has put together, and wants to be told where a rule goes
driver "split 1" "gro_hw 0" "split_needs_gro 1" "ntuple 0"
run setup fake0 --queue 3 --port 5201 --port 5202 && is "split 2" "gro_hw 1" "ntuple 1" "rule 63 1 5201 3" "rule 62 5 5201 3" "rule 61 1 5202 3" "rule 60 5 5202 3" "rss 0 1 2 0 0 1 2 1"
ktap_ok "mlx5: rx-gro-hw, split, rules from the last number on, a queue set apart" $?
run reset fake0 && as_before
ktap_ok "mlx5: reset" $?
comes_back --queue 3 --port 5201 --mtu 4148 --rx 256
ktap_ok "mlx5: killed at any change, and so is reset: it comes back" $?
cp "$FAKE_NIC.begin" "$work/begin" && sed -i 's/gro_hw 0/gro_hw 1/' "$FAKE_NIC.begin" && again
run setup fake0 --queue 3 --port 5201 && ! grep -q gro "$work/said" && run reset fake0 && as_before
ktap_ok "mlx5: what is on already stays on" $?

# bnxt: has a threshold, and chooses numbers itself
driver "split 1" "threshold 256" "gro_hw 1" "ntuple 1" "chooses 1"
run setup fake0 --queue 2 --port 5201 && is "split 2" "threshold 0" "gro_hw 1" "rule 0 1 5201 2" "rule 1 5 5201 2"
ktap_ok "bnxt: split, no threshold, rules where the driver likes" $?
run setup fake0 --queue 2 --port 5202 && is "rule 0 1 5201 2" "rule 2 1 5202 2" && run reset fake0 && as_before
ktap_ok "bnxt: a second port, and reset takes away both" $?
comes_back --queue 2 --port 5201 --rx 256
ktap_ok "bnxt: killed at any change, and so is reset: it comes back" $?
driver "split 1" "threshold 256" "ntuple 1" "chooses 1" "rule 0 1 22 0" "rule 1 5 22 0" "rule 5 1 5201 2" "rule 6 5 5201 2"
run setup fake0 --queue 2 --port 5201 && run reset fake0 && as_before
ktap_ok "bnxt: rules of somebody else's stay" $?
sed -i '/rule 6/d' "$FAKE_NIC.begin"
refused "there is a rule that directs port 5201" --queue 2 --port 5201
ktap_ok "bnxt: one for IPv4 alone is refused" $?

# gve: no threshold
driver "split 0" "ntuple 1"
run setup fake0 --queue 1 --port 5201 && is "split 2" "rule 63 1 5201 1" && ! grep -q threshold "$FAKE_NIC"
ktap_ok "gve: no threshold is asked for" $?
comes_back --queue 1 --port 5201
ktap_ok "gve: killed at any change, and so is reset: it comes back" $?

# igb: only RSS steers
driver "split 1" "threshold 0"
refused "Only RSS can steer here" --queue 1 --port 5201
ktap_ok "igb: no rules, and nothing is changed" $?
driver "split 1" "threshold 0" "ntuple 0" "rules_refused 22"
refused "Only RSS can steer here" --queue 1 --port 5201
ktap_ok "one that has rules, but none of TCP: the same" $?
run setup fake0 --queue 1 --all-flows && is "split 2" "rss 1 1 1 1 1 1 1 1" && run reset fake0 && as_before
ktap_ok "igb: all flows" $?
comes_back --queue 1 --all-flows --mtu 4148 --rx 256
ktap_ok "igb: killed at any change, and so is reset: it comes back" $?
sed -i 's/rss .*/rss 3 2 1 0 3 3 3 3/' "$FAKE_NIC.begin"
comes_back --queue 1 --spread --mtu 4148
ktap_ok "a table that somebody has written comes back, too" $?

driver "ntuple 1"
refused "does not split header and data" --queue 1 --port 5201
ktap_ok "no split: refused" $?
driver "split 1" "split_needs_gro 1" "ntuple 1"
refused "split cannot be switched on" --queue 1 --port 5201
ktap_ok "a split that cannot be switched on: the rules are gone again" $?
driver "split 1" "ntuple 1" && sed -i 's/queues 4/queues 1/; s/rss .*/rss 0 0/' "$FAKE_NIC.begin"
refused "needs a second queue" --queue 0 --port 5201
ktap_ok "one queue: refused" $?
driver "split 1" "ntuple 0" "chooses 0"
run setup fake0 --queue 1 --port 5201 -n && as_before && grep -q "a rule: port 5201 to queue 1" "$work/said" && grep -q "ntuple off -> on" "$work/said"
ktap_ok "--dry-run says what would be done" $?
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tools/bench/hardware.py without hardware: what it refuses, that its figures follow from what perf counts, and that it
# ends what it began. The sender is this machine, over the loopback; perf counts what is known beforehand; the device
# needs no setup, and where zero-copy receive was, data is received and copied.
# lab: machine=none
# lab: timeout=240
if [ -z "${BENCH_NETNS:-}" ] && unshare -n true 2>/dev/null; then
	BENCH_NETNS=1 exec unshare -n bash "$0"
fi
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools
[ -n "${BENCH_NETNS:-}" ] || skip_all "no network namespace can be made"
[ "$(id -u)" = 0 ] || skip_all "it needs root"
need_programs netgpu iperf3 python3 ip taskset timeout
ip link set lo up
dir=$(mktemp -d)
undo rm -rf "$dir"
mkdir "$dir/bin"
cd "$dir" || exit 1
netgpu=$(command -v netgpu)
cpu=$(python3 -c 'import os; print(min(os.sched_getaffinity(0)))')

program() { # NAME: a script, from standard input, in place of the program
	cat >"bin/$1"
	chmod +x "bin/$1"
}
program perf <<-WORDS
	#!/bin/sh
	exec python3 $top/tools/tests/fake_perf.py "\$@"
WORDS
program netgpu <<-WORDS
	#!/bin/bash
	echo "\$*" >>$dir/said
	case \$1 in
	bench) exec $netgpu "\$@" --mode recv-copy --gpu host ;;
	*) [ -z "\${REAL_SETUP:-}" ] || exec $netgpu "\$@" ;;
	esac
WORDS
program ethtool <<-WORDS
	#!/bin/bash
	echo "ethtool \$*" >>$dir/said
WORDS
program ssh <<-'WORDS'
	#!/bin/bash
	# -o BatchMode=yes -o ConnectTimeout=10 USER@HOST LINE
	case ${FAKE_SSH:-} in
	down) echo "ssh: connect to host sender port 22: Connection refused" >&2 && exit 255 ;;
	bare) echo "bash: line 1: ${6%% *}: command not found" >&2 && exit 127 ;;
	old) bash -c "$6" | grep -v skip-rx-copy ;;
	*) [ $# = 6 ] && [ "$5" = root@sender ] && exec bash -c "$6" ;;
	esac
WORDS

unset NETIF REMOTE_V4 REMOTE_V6 LOCAL_V6
export LOCAL_V4=127.0.0.1 REMOTE_TYPE=ssh REMOTE_ARGS=root@sender FAKE_LOG=$dir/log
here=(--netif lo --queue 0 --port 5207 --keep-irqs --cpus "$cpu" --seconds 1 --json "$dir/json")
bench() {
	PATH=$dir/bin:$PATH timeout -k 5 120 python3 "$top/tools/bench/hardware.py" "$@" >out 2>err
}
says() { # WORDS OPTION...: it ends with 1, the words, and no complaint of Python's
	local words=$1 status
	shift
	bench "$@"
	status=$?
	if [ "$status" != 1 ] || ! grep -q -e "$words" err || grep -q Traceback err; then
		echo "status $status"
		cat out err
		return 1
	fi
}
without() { # PROGRAM WORDS: that is missing
	local name
	rm -rf only
	mkdir only
	for name in perf iperf3 ethtool taskset timeout netgpu python3 bash env; do
		[ "$name" = "$1" ] || ln -s "$(PATH=$dir/bin:$PATH command -v "$name")" only/
	done
	PATH=$dir/only "$dir/only/python3" "$top/tools/bench/hardware.py" "${here[@]}" >out 2>err
	if [ $? != 1 ] || ! grep -q -e "$2" err; then
		cat err
		return 1
	fi
}
listening() {
	grep -q "$(printf ':%04X .* 0A ' 5207)" /proc/net/tcp /proc/net/tcp6
}
established() {
	grep -q "$(printf ':%04X [^ ]* 01 ' 5207)" /proc/net/tcp /proc/net/tcp6
}
row() { # FIELD NAME: of the row in json
	python3 -c 'import json, sys; print(next(r for r in json.load(open("json"))["rows"] if r["name"] == sys.argv[2])[sys.argv[1]])' "$@"
}
ktap_plan 34

# Said before anything is changed.
rm -f said
ktap_run "refused: no device named" says "which network device" --queue 0
ktap_run "refused: no such device" says "no network device nosuch0" --netif nosuch0 --queue 0
LOCAL_V4='' ktap_run "refused: no address" says "which address has lo" "${here[@]}"
REMOTE_TYPE='' ktap_run "refused: no way to the sender" says "REMOTE_TYPE=ssh" "${here[@]}"
REMOTE_ARGS='' ktap_run "refused: no host to reach by ssh" says "REMOTE_ARGS=USER@HOST" "${here[@]}"
ktap_run "refused: no perf" without perf "perf is missing: install it"
ktap_run "refused: no iperf3" without iperf3 "iperf3 is missing: install it"
if setpriv --reuid 65534 --clear-groups test -r "$top/tools/bench/hardware.py" 2>/dev/null; then
	chmod 755 "$dir" "$dir/bin"
	PATH=$dir/bin:$PATH setpriv --reuid 65534 --clear-groups python3 "$top/tools/bench/hardware.py" "${here[@]}" >out 2>err
	ktap_ok "refused: not root" "$(grep -q "needs root" err; echo $?)"
else
	ktap_skip "refused: not root" "nobody else can be asked to try"
fi
if [ -e /dev/netgpu ]; then
	ktap_skip "refused: a kernel without netgpu" "this one has it"
else
	ktap_run "refused: a kernel without netgpu" says "has no /dev/netgpu" "${here[@]}" --gpu udmabuf
fi
state=/run/netgpu/$(stat -Lc %i /proc/self/ns/net)-$(</sys/class/net/lo/ifindex).json
if mkdir -p /run/netgpu 2>/dev/null && : >"$state"; then
	undo rm -f "$state"
	ktap_run "refused: a device that is set up already" says "netgpu reset lo first" "${here[@]}"
	rm -f "$state"
else
	ktap_skip "refused: a device that is set up already" "/run cannot be written to"
fi
ktap_run "refused: no such CPU" says "one or two of" --netif lo --queue 0 --cpus 99999
ktap_run "refused: interrupts that stay, nobody knows where" says "where are they" --netif lo --queue 0 --keep-irqs
ktap_run "refused: a device without interrupts" says "no message-signalled interrupts" --netif lo --queue 0
FAKE_PERF=paranoid ktap_run "refused: perf may not" says "perf_event_paranoid" "${here[@]}"
FAKE_PERF=unsupported ktap_run "refused: no counters" says "counts no instructions:u: a virtual machine" "${here[@]}"
FAKE_PERF=shared ktap_run "refused: somebody else has the counters" says "42.00 % of the time" "${here[@]}"
FAKE_SSH=down ktap_run "refused: a sender that is down" says "cannot be reached by ssh root@sender: .*Connection refused" "${here[@]}"
FAKE_SSH=bare ktap_run "refused: no iperf3 on the sender" says "iperf3 does not run on the sender .*not found" "${here[@]}"
iperf3 -s -p 5207 >/dev/null 2>&1 &
server=$!
wait_for 10 listening
ktap_run "refused: a port that is taken" says "listens on port 5207" "${here[@]}"
kill $server
wait $server 2>/dev/null
ktap_run "refused: no row of that name" says "no row has nosuch" "${here[@]}" nosuch
ktap_ok "none of these has touched the device" "$([ ! -e said ]; echo $?)"

# The words of the command itself, of a device that cannot be set up.
REAL_SETUP=1 ktap_run "refused: a device that splits no headers" says "bench: lo: " "${here[@]}"
FAKE_IDLE=1e12 ktap_run "refused: a CPU that is busy without receiving" says "something else runs there" "${here[@]}" recv
ktap_ok "and the device is reset" "$([ "$(tail -n 1 said)" = "reset lo -Q" ]; echo $?)"

# The figures: 100 + 600 thousand instructions per MiB, 50 + 250 thousand cycles.
rm -f said
ktap_run "all rows" bench "${here[@]}"
ktap_run "the figures are those that were counted, in the form of make bench" python3 - <<'PYTHON'
import json
result = json.load(open("json"))
names = [row["name"] for row in result["rows"]]
assert names[:2] == ["trunc", "recv"] and names[2] in ("zcrx-host", "netgpu-host") and len(names) == 3, names
assert result["kernel"] and result["machine"]["netif"] == "lo", result
for row in result["rows"]:
    assert {"name", "mtu", "flows", "runs", "completions_per_mib", "extents_per_mib", "kinsn_per_mib", "repeats"} <= set(row), row
    # what comes after the sender has stopped counting is a little
    assert len(row["runs"]) == 2 and all(abs(n - 700) < 7 for n in row["runs"]), row
    assert abs(row["kinsn_per_mib"] - sum(row["runs"]) / 2) <= 0.1 and row["repeats"] and row["idle_share"] == 0, row
    assert abs(row["kcycles_per_mib"] - 300) < 3 and abs(row["kinsn_user_per_mib"] - 100) < 1, row
    assert row["mtu"] == 65536 and row["flows"] == 1 and row["gbit_per_second"] > 0 and min(row["bytes"]) > 0, row
    assert (row["completions_per_mib"] is None) == (row["name"] in ("trunc", "recv")), row
PYTHON
ktap_ok "as the table has them" "$(grep -q '^  trunc  *65536  *1  *7[0-9][0-9] \|^  trunc  *65536  *1  *69[0-9] ' out; echo $?)"
ktap_ok "header split by row, and once put back" "$([ "$(grep -v bench said | grep -v 'ethtool -c' | tr '\n' ';')" = "setup lo --queue 0 --all-flows -Q;ethtool -G lo tcp-data-split off;setup lo --queue 0 --all-flows -Q;ethtool -G lo tcp-data-split off;setup lo --queue 0 --all-flows -Q;reset lo -Q;" ]; echo $?)"
FAKE_IDLE=5e6 FAKE_PERF=hybrid ktap_run "two kinds of CPU, that do not idle in silence, several flows" bench "${here[@]}" --flows 1,3 recv
ktap_run "what they do anyway is taken off" python3 - <<'PYTHON'
import json
rows = json.load(open("json"))["rows"]
assert [(row["name"], row["flows"]) for row in rows] == [("recv", 1), ("recv", 3)], rows
for row in rows:
    assert abs(row["kinsn_per_mib"] - 700) < 14 and abs(row["kcycles_per_mib"] - 300) < 6 and 0 < row["idle_share"] < 0.2, row
    assert abs(row["kinsn_user_per_mib"] - 100) < 4, row
PYTHON
FAKE_SSH=old ktap_run "an iperf3 without --skip-rx-copy: trunc is left out" says "no row has trunc" "${here[@]}" trunc

# Cut short.
rm -f said log
FAKE_LOOK="echo sending" PATH=$dir/bin:$PATH python3 "$top/tools/bench/hardware.py" "${here[@]}" --seconds 60 recv >out 2>err &
wait_for 30 grep -q sending log
wait_for 10 established
kill -TERM $!
wait $!
ktap_ok "told to end, it ends with 130" $(($? != 130))
ktap_ok "and has put the device back" "$([ "$(tail -n 1 said)" = "reset lo -Q" ]; echo $?)"
over() { ! listening && ! established; }
wait_for 10 over
ktap_ok "and neither receiver nor sender are left" $?
ktap_end

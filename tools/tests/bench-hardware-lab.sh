#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tools/bench/hardware.py where all is real but the counters: the device is set up by row, its interrupts are where perf
# counts, the data goes where it should, and everything is as before, however it ends.
# lab: long=bench-hardware
# lab: topology=switch,nic2
# lab: timeout=300
# lab: debug=it is about how much and how fast
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
need_netif
need_programs netgpu iperf3 python3 ethtool taskset ping
[ -n "${VRAM_PCI:-}" ] || skip_all "there is no device with memory"
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
undo rm -rf "$dir"
cd "$dir" || exit 1
vram_bind
mkdir bin
printf '#!/bin/sh\nexec python3 %s/fake_perf.py "$@"\n' "$here" >bin/perf
cat >bin/look <<-'WORDS' # how the device is while data is sent
	#!/bin/bash
	ethtool -g "$NETIF" | sed -n 's/^TCP data split:[[:blank:]]*//p' | tail -n 1
	for path in "/sys/class/net/$NETIF/device/msi_irqs"/*; do
		! grep -q "^ *${path##*/}:" /proc/interrupts || cat "/proc/irq/${path##*/}/smp_affinity_list"
	done | sort -u
WORDS
chmod +x bin/*
PATH=$dir/bin:$PATH

irqs() { # each interrupt of the device, and where it may come
	local path
	for path in "/sys/class/net/$NETIF/device/msi_irqs"/*; do
		grep -q "^ *${path##*/}:" /proc/interrupts && echo "${path##*/} $(<"/proc/irq/${path##*/}/smp_affinity_list")"
	done
}
snapshot() {
	ethtool -g "$NETIF"
	ethtool -x "$NETIF" | grep '^ *[0-9]*: '
	irqs
	cat "/sys/class/net/$NETIF/mtu" /sys/devices/system/cpu/cpu*/cpuidle/state*/disable 2>/dev/null
	netgpu regions
	ls /run/netgpu/*.json 2>/dev/null
}
same() { [ "$(snapshot)" = "$before" ]; }
as_before() { # what a connection had of a region may be free a moment later only
	wait_for 20 same || { printf '%s\nis now\n%s\n' "$before" "$(snapshot)"; return 1; }
}
run=(python3 "$here/../bench/hardware.py" --queue 1 --gpu "vfio:$VRAM_PCI" --seconds 2 --json "$dir/json")
says() { # WORDS COMMAND...: it ends with 1, the words, and no complaint of Python's
	local words=$1 status
	shift
	"$@" >out 2>err
	status=$?
	if [ "$status" != 1 ] || ! grep -q -e "$words" err || grep -q Traceback err; then
		echo "status $status"
		cat out err
		return 1
	fi
}

ktap_plan 14
# The driver may not know its table until it is asked for.
ethtool -X "$NETIF" equal 2
before=$(snapshot)
export FAKE_LOG=$dir/log FAKE_LOOK=look
ktap_run "all rows" "${run[@]}" --cpus 1
ktap_run "their figures, and where the data went" python3 - <<'PYTHON'
import json
rows = {row["name"]: row for row in json.load(open("json"))["rows"]}
assert list(rows) == ["trunc", "recv", "netgpu-host", "netgpu-vram"], rows
for row in rows.values():
    assert len(row["runs"]) == 2 and all(abs(n - 700) < 35 for n in row["runs"]) and row["gbit_per_second"] > 0, row
for name, placement in (("netgpu-host", "host"), ("netgpu-vram", "device")):
    row = rows[name]
    assert row["placement"] == placement and row["completions_per_mib"] > 0 and row["bytes_copied_by_cpu"] < min(row["bytes"]) / 100, row
PYTHON
ktap_ok "header split was off for trunc and recv, on for the others, and the interrupts were on the CPU" "$([ "$(tr '\n' ' ' <log)" = "off 1 off 1 on 1 on 1 off 1 off 1 on 1 on 1 " ]; echo $?)"
ktap_run "everything is as it was" as_before
ktap_run "one row, interrupts and receiver apart" "${run[@]}" --cpus 0,1 vram

ktap_run "refused: a queue that is not there" says "there is no queue 77" "${run[@]}" --queue 77
ktap_run "refused: memory that is not there" says "the receiver does not start: .*0000:99:00.0" "${run[@]}" --gpu vfio:0000:99:00.0 vram
irqs >were
while read -r number _; do echo 1 >"/proc/irq/$number/smp_affinity_list"; done <were
ktap_run "refused: interrupts that come elsewhere" says "came on other CPUs" "${run[@]}" --keep-irqs --cpus 0 recv
while read -r number cpus; do echo "$cpus" >"/proc/irq/$number/smp_affinity_list"; done <were
ktap_run "refused: the address of another device" says "came by $NETIF: is" "${run[@]}" --address "${LOCAL2_V4:-}" recv
ktap_run "everything is as it was" as_before
netgpu setup "$NETIF" --queue 1 --all-flows -Q
ktap_run "refused: a device that is set up already" says "netgpu reset $NETIF first" "${run[@]}"
netgpu reset "$NETIF" -Q

: >log
"${run[@]}" --seconds 60 vram >out 2>err &
wait_for 60 flows 5201 1000000
kill -TERM $!
wait $!
ktap_ok "told to end while it receives, it ends with 130" $(($? != 130))
ktap_run "everything is as it was" as_before
over() { ! ss -Htn state established "sport = :5201" | grep -q . && ! ss -Hltn "sport = :5201" | grep -q .; }
wait_for 20 over
ktap_ok "neither receiver nor sender are left" $?
ktap_end

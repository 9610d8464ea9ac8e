#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu bench receiving and sending without copies: iperf3's options with data and control connection in the region, every
# kind of memory, clients that mean ill, and a server that is killed; as a client, too.
# lab: topology=switch
# lab: timeout=270
# lab: more=400
# lab: debug=it is about how much and how fast
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:${here%/tools/tests}/build/tools/tests
need_netif
need_programs netgpu page_pools control python3 ethtool
[ -n "${VRAM_PCI:-}" ] || skip_all "there is no device with memory"
port=5201
dir=$(mktemp -d)
undo rm -rf "$dir"
cd "$dir" || exit 1
vram_bind

serve() { # OPTION...
	netgpu bench --server --port $port "$@" >server.out 2>server.err </dev/null &
	server=$!
	wait_for 10 listening || { ktap_say "$(cat server.err)"; return 1; }
}
listening() {
	grep -q "$(printf ':%04X .* 0A ' "$port")" /proc/net/tcp /proc/net/tcp6 || ! kill -0 "$server"
}
stop() {
	kill -0 "$server" 2>/dev/null && kill -TERM $server && wait $server
}
zc() { # MEMORY OPTION...
	local memory=$1
	shift
	serve --iface "$NETIF" --queue 1 --gpu "$memory" --region-size 64M "$@"
}
moves() { # all that was sent has come; what a client cancels in the middle of a write it does not count
	remote timeout 40 iperf3 -c "${host:-$LOCAL_V4}" -J "$@" >client.json || { grep '"error"' client.json; tail -3 server.err; return 1; }
	python3 "$here/moved.py" client.json 0
}
# goes OPTION...: netgpu is the client, iperf3 the server, and both say that something has moved
goes() {
	number=$(remote -b iperf3 -s -1 -p 5210)
	wait_for 10 remote "ss -Hltn sport = :5210 | grep -q ."
	timeout 60 netgpu bench --client "$REMOTE_V4" --port 5210 --iface "$NETIF" --region-size 64M --json "$@" >client.json 2>client.err ||
		{ cat client.json client.err; remote -k "$number"; return 1; }
	remote -w "$number" >/dev/null
	python3 - <<-'PYTHON'
		import json
		test = json.load(open("client.json"))
		end, start, netgpu = test["end"], test["start"]["test_start"], test["netgpu"]
		for suffix in ("", "_bidir_reverse") if start["bidir"] else ("",):
		    sent, received = (end[name + suffix]["bytes"] for name in ("sum_sent", "sum_received"))
		    print("sent", sent, "received", received)
		    # the end of a test may find iperf3 in the middle of a write, which it does not count
		    slack = start["num_streams"] * start["blksize"] * (suffix != "" or start["reverse"])
		    assert 0 < received <= sent + slack and sent < received + (start["num_streams"] << 26)
		assert netgpu["bytes_copied_by_cpu"] == 0 and netgpu.get("send", {}).get("program_copy_bytes", 0) == 0, netgpu
	PYTHON
}
says() { # WORDS OPTION...
	local words=$1 status
	shift
	remote timeout 20 iperf3 -c "$LOCAL_V4" "$@" >client.out 2>&1
	status=$?
	if [ "$status" -eq 0 ] || [ "$status" -eq 124 ] || ! grep -q "$words" client.out; then
		cat client.out
		return 1
	fi
}
figure() { # FIELD of the netgpu object in server.out
	python3 -c 'import json, sys; print(json.load(open("server.out"))["netgpu"][sys.argv[1]])' "$1"
}
ended() { ! kill -0 "$server" 2>/dev/null; }
# lasting: a client that is to be disturbed, its number is $number; back when its data flows
lasting() {
	number=$(remote -b iperf3 -c "$LOCAL_V4" -t 300)
	wait_for 20 flows $port 1000000
}

# "-N -l 4116": a short packet behind each that fills a buffer, which a driver may put into host memory.
options=(
	"-n 16M" "-t 1 -P 2" "-k 20 -l 1000" "-n 8M -l 1M" "-6 -n 4M" "-n 2M -M 536 -l 700" "-n 4M -P 16" "-n 8M -N -l 4116"
	"-R -n 16M" "-R -t 1 -P 2" "-R -n 2M -M 1000" "-R -b 50M -t 1" "--bidir -t 1 -P 4" "--bidir -n 4M"
)
longer=(
	"-n 4M -P 4" "-t 1" "-k 20" "-n 1M -l 1K -N" "-n 4M -w 64K" "-n 4M -w 1M" "-n 4M -Z" "-n 2M -M 1000" "-b 50M -t 1"
	"-n 1M --extra-data words" "-n 1M --get-server-output" "-R -n 4M -P 4" "-R -t 1" "-R -k 20 -l 1000" "-R -n 8M -l 1M"
	"-R -n 4M -w 64K" "-R -6 -n 4M" "-R -n 4M -P 16" "--bidir -t 1"
)
[ -z "$MORE" ] || options+=("${longer[@]}")
mapfile -t cases < <(control list)
ktap_plan $((${#options[@]} + ${#cases[@]} + 42))

ktap_run "netgpu setup" netgpu setup "$NETIF" --queue 1 --all-flows
undo netgpu reset "$NETIF"

zc "vfio:$VRAM_PCI"
ktap_ok "the memory of another device: the server starts" $?
ktap_ok "netgpu regions shows its region" "$(netgpu regions | grep -q "$NETIF .* 1 .*device .*bound.*vfio"; echo $?)"
for line in "${options[@]}"; do
	host=$LOCAL_V4
	case $line in *-6*) host=$LOCAL_V6 ;; esac
	read -ra words <<<"$line"
	ktap_run "iperf3 $line" moves "${words[@]}"
done
host=$LOCAL_V4
ktap_run "refused: UDP" says "Protocol not supported" -u -t 1
lasting
ktap_run "a second client is told that the server is busy" says "busy running a test" -n 1M
remote -k "$number" >/dev/null 2>&1
wait_for 10 grep -q "client has" server.err
ktap_ok "a client is ended: the server says so" $?
ktap_run "and goes on" moves -n 4M
stop
ktap_ok "told to end, it ends with 0" $?
ktap_ok "no region is left" "$([ "$(netgpu regions)" = "no regions" ]; echo $?)"

zc "vfio:$VRAM_PCI" --one-off --json --record record
ktap_run "--record: a test" moves -n 16M
wait_for 10 ended
wait $server
ktap_ok "--one-off: it ends with 0" $?
ktap_run "the record covers the stream, within the region" python3 - <<'PYTHON'
import json
d = json.load(open("server.out"))["netgpu"]
at = 0
for r in map(json.loads, open("record")):
    assert r["stream"] == 1 and r["offset"] == at and r["length"] > 0, (at, r)
    assert r["region"] is None or r["region"] + r["length"] <= 64 << 20, r
    at += r["length"]
assert at == d["bytes"] >= 16 << 20 and d["placement"] == "device" and d["exporter"] == "vfio_pci_core" and d["region"]["netgpu"], d
PYTHON
ktap_ok "whole segments: no byte was copied" "$([ "$(figure bytes_copied_by_cpu)" = 0 ]; echo $?)"

# What is held is not given back, and a region that is too small for it is found out.
mkfifo go
netgpu bench --server --iface "$NETIF" --queue 1 --gpu "vfio:$VRAM_PCI" --region-size 64M --hold --one-off --json --logfile log <>go >server.out 2>server.err &
server=$!
wait_for 10 listening
ktap_run "--hold: a test" moves -n 16M
wait_for 10 grep -qx holding server.out
ktap_ok "--hold: the server holds" $?
ktap_ok "--hold: all of it is held" "$(python3 -c 'import json; d = json.load(open("log"))["netgpu"]; assert d["held_bytes"] >= 16 << 20, d'; echo $?)"
echo go >go
wait_for 10 ended
wait $server
ktap_ok "--hold: it ends when told" $?
zc "vfio:$VRAM_PCI" --hold --one-off
ktap_run "--hold with too small a region: the client hears of it" says "No buffer space" -n 128M
wait_for 10 ended
wait $server
ktap_ok "and the server ends with 1" $(($? != 1))
ktap_ok "and says what would help" "$(grep -q 'larger --region-size' server.err; echo $?)"

zc "vfio:$VRAM_PCI"
lasting
kill -KILL $server
wait $server 2>/dev/null
zc "vfio:$VRAM_PCI"
remote -k "$number" >/dev/null 2>&1
ktap_run "killed in the middle of a test, and started again at once" moves -n 4M
kill -KILL $server
wait $server 2>/dev/null
ktap_run "ordinary traffic goes on" ordinary_traffic

for memory in udmabuf host; do
	for way in "" -R; do
		zc $memory --one-off
		ktap_run "$memory $way" moves $way -n 16M
		wait_for 10 ended
	done
done
for line in "" "-P 4" "--queue 1 -R" "--queue 1 --bidir -t 1"; do
	read -ra words <<<"$line"
	case $line in *-t*) ;; *) words+=(-n 16M) ;; esac
	ktap_run "as the client: ${words[*]}" goes --gpu "vfio:$VRAM_PCI" "${words[@]}"
done
serve --mode recv-copy --gpu "vfio:$VRAM_PCI" --region-size 64M --one-off --json
ktap_run "recv-copy out of the memory of another device" moves -R -n 16M
wait_for 10 ended
ktap_ok "recv-copy: all that was sent was copied" "$(python3 -c 'import json; s = json.load(open("server.out"))["netgpu"]["send"]; assert s["program_copy_bytes"] >= s["bytes"] == 16 << 20, s'; echo $?)"
# All has to be copied, and the network device has every buffer of so small a memory.
ethtool -X "$NETIF" start 0 equal 1
zc host --region-size 1M --one-off
ktap_run "host memory that the network device has all of, and data on another queue" moves -n 4M
stop
ethtool -X "$NETIF" start 1 equal 1
serve --mode recv-copy --gpu "vfio:$VRAM_PCI" --region-size 64M --one-off --json
ktap_run "recv-copy into the memory of another device" moves -n 16M
wait_for 10 ended
ktap_ok "recv-copy: all was copied" "$([ "$(figure program_copy_bytes)" = "$(figure bytes)" ]; echo $?)"

# No device: the kernel copies, and everything goes through the same code.
port=5202
serve --nodev --gpu host --region-size 4M
for name in "${cases[@]}"; do
	ktap_run "a rude client: $name" timeout 30 control $port "$name"
done
stop
ktap_ok "and the server ends with 0" $?
serve --nodev --gpu host --region-size 64K
ktap_run "a memory of 16 pages" timeout 30 control $port again
stop
serve --nodev --gpu host --region-size 4M --hold --json --record record --logfile late
ktap_run "--hold: data comes after the client's results" timeout 30 control $port late-data
stop
ktap_run "--hold: the last piece is counted" python3 - <<'PYTHON'
import json
held = json.load(open("late"))["netgpu"]["held_bytes"]
recorded = sum(r["length"] for r in map(json.loads, open("record")) if r["region"] is not None)
assert held == recorded > 0, (held, recorded)
PYTHON

# The network device goes away; the last test, as it does not come back.
freed_without_network
port=5201
netgpu setup "$NETIF" --queue 1 --all-flows -Q
zc "vfio:$VRAM_PCI"
lasting
echo 1 >"$(readlink -f "/sys/class/net/$NETIF/device")/remove"
wait_for 10 ended
wait $server
ktap_ok "the network device is removed: the server ends with 1" $(($? != 1))
ktap_ok "and says what has happened" "$(grep -q 'has gone' server.err; echo $?)"
remote -k "$number" >/dev/null 2>&1
# The stack frees packets of another CPU when that CPU next receives: let each do so.
for cpu in $(seq 0 $(($(nproc) - 1))); do taskset -c "$cpu" ping -q -c 2 -i 0.2 127.0.0.1 >/dev/null; done
ktap_run "and nothing is left" nothing_left
ktap_end

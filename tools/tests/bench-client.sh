#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu bench as a client, on the loopback: of stock iperf3, which IPERF3 may name, and of itself; servers that mean ill.
# lab: machine=none
# lab: timeout=300
if [ -z "${BENCH_NETNS:-}" ] && unshare -n true 2>/dev/null; then
	BENCH_NETNS=1 exec unshare -n bash "$0"
fi
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools
iperf3=${IPERF3:-iperf3}
need_programs netgpu python3 "$iperf3"
[ -z "${BENCH_NETNS:-}" ] || ip link set lo up
port=5204
dir=$(mktemp -d)
undo rm -rf "$dir"
cd "$dir" || exit 1

listening() { # the server that was started, and not one before
	kill -0 "$server" && grep -q "$(printf ':%04X .* 0A ' "$port")" /proc/net/tcp /proc/net/tcp6
}
# serve KIND: start a server for one test; it listens when this returns
serve() {
	case $1 in
	iperf3) "$iperf3" -s -1 -p $port >server.out 2>server.err & ;;
	netgpu) netgpu bench --server --mode recv --one-off --port $port >server.out 2>server.err </dev/null & ;;
	*) python3 -c "$1" $port >server.out 2>server.err & ;;
	esac
	server=$!
	wait_for 5 listening
}
client() {
	timeout 40 netgpu bench --client 127.0.0.1 --mode recv --port $port "$@"
}
# moves KIND OPTION...: both ends say that something has moved, the sender no less than the receiver
moves() {
	local kind=$1
	serve "$kind" || return 1
	shift
	client --json "$@" >client.json || { cat client.json server.out server.err; kill "$server"; wait "$server"; return 1; }
	wait "$server" || { cat server.out server.err; return 1; }
	python3 - "$kind" "$@" <<-'PYTHON'
		import json, sys
		test = json.load(open("client.json"))
		end, start = test["end"], test["start"]["test_start"]
		def moved(suffix):
		    sent, received = (end[name + suffix]["bytes"] for name in ("sum_sent", "sum_received"))
		    print("sent", sent, "received", received)
		    # -n ends both ways as soon as one is done, and -O leaves out other bytes at each end
		    if not (start["bidir"] and start["bytes"]) and not start["omit"]:
		        # the end of a test may find iperf3 in the middle of a write, which it does not count
		        slack = start["num_streams"] * start["blksize"] * (sys.argv[1] == "iperf3" and (suffix != "" or start["reverse"]))
		        assert 0 < received <= sent + slack and sent < received + (start["num_streams"] << 26)
		    return sent
		sent = moved("")
		if "-b" in sys.argv:    # the socket has taken more
		    rate = end["sum_received"]["bits_per_second"] / 50e6
		    print(f"{rate:.2f} of the rate")
		    assert 0.3 < rate < 1.4
		if start["bidir"]:
		    moved("_bidir_reverse")
		elif start["bytes"]:
		    assert start["bytes"] <= sent < start["bytes"] + start["blksize"] + (start["reverse"] << 24)
		assert bool(start["reverse"]) == ("-R" in sys.argv) and bool(start["bidir"]) == ("--bidir" in sys.argv)
		assert len(end["streams"]) == start["num_streams"] * (2 if start["bidir"] else 1)
		assert ("send" in test["netgpu"]) == (not start["reverse"])
	PYTHON
}
# says WORDS SERVER: the client fails with a sentence
says() {
	local words=$1 status
	serve "$2" || return 1
	client -n 1M >client.out 2>&1
	status=$?
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null
	if [ "$status" != 1 ] || ! grep -q "^netgpu: .*$words" client.out; then
		cat client.out
		return 1
	fi
}

# Much: iperf3 as a server counts only what it has read when its client says that it has sent all, and sockets take 8 MiB.
options=(
	"-n 64M" "-n 64M -P 4" "-t 1" "-t 1 -P 8" "-n 16M -l 1000" "-n 64M -l 1M" "-b 50M -t 1" "-n 4M -w 64K" "-n 64M -M 1000" "-t 1 -O 1"
	"-R -n 16M" "-R -n 4M -P 4" "-R -t 1" "-R -t 1 -P 8" "-R -n 1M -l 1000" "-R -b 50M -t 1" "-R -t 1 -O 1"
	"--bidir -n 4M" "--bidir -t 1" "--bidir -t 1 -P 4"
)
hello='
import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
c = s.accept()[0]
'
ktap_plan $((2 * ${#options[@]} + 12))
for kind in iperf3 netgpu; do
	for line in "${options[@]}"; do
		read -ra words <<<"$line"
		ktap_run "of $kind: $line" moves $kind "${words[@]}"
	done
done

serve netgpu
client -n 2M -R >client.out
wait $server
ktap_ok "text: what iperf3 says" "$(grep -q '^Connecting to host 127.0.0.1, port' client.out && grep -q '2.00 MBytes .* sender$' client.out &&
	grep -q '2.00 MBytes .* receiver$' client.out; echo $?)"
client -n 1M >client.out 2>&1
ktap_ok "nobody listens: it says what should" "$([ $? = 1 ] && grep -q 'Connection refused: is an iperf3 server, or' client.out; echo $?)"
ktap_run "who is busy says so" says "busy with another test" "$hello"'c.send(b"\xff"); time.sleep(30)'
ktap_run "an error is told" says "error 8 of iperf3.s: No such file" "$hello"'c.send(b"\xfe\0\0\0\x08\0\0\0\x02"); time.sleep(30)'
ktap_run "half an error, and gone" says "unexpectedly closed" "$hello"'c.recv(64); c.send(b"\xfe\0\0"); c.close()'
ktap_run "gone at once" says "unexpectedly closed\|reset" "$hello"'c.recv(64); c.close()'
ktap_run "gone in the middle" says "unexpectedly closed\|reset" "$hello"'c.recv(64); c.send(b"\x09"); c.recv(4096); c.close()'
ktap_run "no stream can be opened" says "streams could be opened" "$hello"'s.close(); c.send(b"\x09\x0a"); time.sleep(30)'
ktap_run "something out of order" says "does not belong here" "$hello"'c.send(b"\x0d"); time.sleep(30)'
ktap_run "the server is told to end" says "server has terminated" "$hello"'c.send(b"\x09\x0b"); time.sleep(30)'
ktap_run "silence" says "does not answer" "$hello"'time.sleep(60)'
serve netgpu
rm -f client.out
netgpu bench --client 127.0.0.1 --mode recv --port $port -t 30 >client.out 2>&1 &
lasting=$!
wait_for 10 grep -q "sec .*Bytes" client.out
kill -TERM $lasting
wait $lasting
status=$?
wait $server
ktap_ok "a client that is told to end ends with 1, and tells the server" "$([ "$status" = 1 ] && grep -q 'client has terminated' server.err; echo $?)"
ktap_end

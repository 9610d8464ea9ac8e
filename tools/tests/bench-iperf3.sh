#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu bench as a server of stock iperf3, on the loopback: every option that a client may send, what is refused,
# every order of closing, and clients that mean ill. IPERF3 names another iperf3 to test with.
# lab: machine=none
# lab: timeout=200
# lab: more=300
if [ -z "${BENCH_NETNS:-}" ] && unshare -n true 2>/dev/null; then
	BENCH_NETNS=1 exec unshare -n bash "$0"
fi
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools:$top/build/tools/tests
iperf3=${IPERF3:-iperf3}
need_programs netgpu control python3 "$iperf3"
[ -z "${BENCH_NETNS:-}" ] || ip link set lo up
port=5203
dir=$(mktemp -d)
undo rm -rf "$dir"
cd "$dir" || exit 1
head -c 3000000 /dev/urandom >data
has() { # OPTION: does this iperf3 know it?
	"$iperf3" --help 2>&1 | grep -q -e "$1"
}

# serve OPTION...: start a server; it listens when this returns
serve() {
	netgpu bench --server --port $port "$@" >server.out 2>>server.err </dev/null &
	server=$!
	wait_for 5 listening
}
listening() {
	grep -q "$(printf ':%04X .* 0A ' "$port")" /proc/net/tcp /proc/net/tcp6
}
# stop: the server must still be there, and end well
stop() {
	kill -0 "$server" 2>/dev/null && kill -TERM $server && wait $server
}
client() {
	timeout 25 "$iperf3" -c "${host:-127.0.0.1}" -p $port "$@"
}

# A test must move bytes, all that were sent, and end with 0. A client that stops in the middle of a write does not
# count that one, so a little more may come; and one that stops to read does not count what comes behind.
# (iperf3 3.22 hangs by itself with -i 0 -n, and with -n -P 128; 3.12 may have read nothing of what comes back when it
# has sent 1 MiB and stops.)
moves() {
	client -J "$@" >client.json || { grep '"error"' client.json; return 1; }
	python3 "$top/tools/tests/moved.py" client.json
}
# With -O the two ends do not leave out the same bytes.
omits() {
	client -J "$@" >client.json || { grep '"error"' client.json; return 1; }
	python3 - <<-'PYTHON'
		import json, sys
		end = json.load(open("client.json"))["end"]
		sys.exit(not (end["sum_sent"]["bytes"] and end["sum_received"]["bytes"]))
	PYTHON
}
# lasting: a client that is to be disturbed, its process is $lasting; back when its data flows
lasting() {
	rm -f lasting.out # or the last one's lines are taken for those of this one
	"$iperf3" -c 127.0.0.1 -p $port -t 60 >lasting.out 2>&1 &
	lasting=$!
	wait_for 10 grep -q "sec .*Bytes" lasting.out
}
says() { # WORDS OPTION...: the client fails with a sentence
	local words=$1
	shift
	client "$@" >client.out 2>&1
	local status=$?
	if [ "$status" -eq 0 ] || [ "$status" -eq 124 ] || ! grep -q "$words" client.out; then
		cat client.out
		return 1
	fi
}

options=(
	"-n 1M" "-n 4M -P 8" "-t 1 -P 128" "-t 1 -P 3" "-k 20 -l 1000" "-F data" "-n 8M -l 1M" "-n 1M -w 64K" "-6 -n 1M" "-n 1M -Z"
	"-n 1M --get-server-output" "-b 50M -t 1" "-R -n 4M -P 4" "-R -t 1 -P 16" "-R -k 20 -l 1000" "-R -b 50M -t 1"
	"-R -n 3000000 -F got" "--bidir -t 1 -P 4" "--bidir -n 64M -P 2"
)
longer=(
	"-n 1M -P 2" "-t 1" "-k 20" "-F data -P 2" "-n 100K -l 1K" "-n 1M -w 4M" "-i 0.1 -t 1" "-i 0 -t 1" "-4 -n 1M" "-n 1M -N"
	"-n 1M -C cubic" "-n 1M -C reno" "-n 1M -M 1000" "-n 1M --connect-timeout 2000" "-n 1M --extra-data words" "-n 1M -T title"
	"-b 50M/10 -t 1" "-n 1M --fq-rate 1G" "-n 1M -S 0x10" "-R -n 1M" "-R -t 1" "-R -k 20" "-R -n 8M -l 1M" "-R -n 1M -w 64K"
	"-R -6 -n 1M" "-R -n 1M -M 1000" "-R -n 1M -C reno" "-R -n 1M --get-server-output" "-R -n 1M --fq-rate 1G" "--bidir -n 64M"
	"--bidir -t 1" "--bidir -n 16M -l 1000" "-n 1M --dscp af11" "-n 1M --cport 21000 -P 2" "-n 1M -A 0"
	"-n 1M --repeating-payload" "-n 1M -L 7 -6"
)
[ -z "$MORE" ] || options+=("${longer[@]}")
mapfile -t cases < <(control list)
ktap_plan $((${#options[@]} + ${#cases[@]} + 40))

serve --mode recv
for line in "${options[@]}"; do
	host=127.0.0.1
	case $line in *-6*) host=::1 ;; esac
	read -ra words <<<"$line"
	ktap_run "iperf3 $line" moves "${words[@]}"
done
host=127.0.0.1
ktap_run "iperf3 -t 1 -O 1" omits -t 1 -O 1
ktap_run "iperf3 -t 1 -O 1 -P 2" omits -t 1 -O 1 -P 2
ktap_run "iperf3 -t 1 -O 1 -R" omits -t 1 -O 1 -R
client -n 1M --get-server-output >client.out 2>&1
ktap_ok "--get-server-output brings the server's lines" "$(grep -q '^\[netgpu\] mode recv' client.out; echo $?)"
if has --json-stream; then
	ktap_run "iperf3 --json-stream" client -n 1M --json-stream
else
	ktap_skip "iperf3 --json-stream" "this iperf3 has none"
fi
bad=0
for _ in {1..8}; do client -n 10K >client.out 2>&1 || { bad=1; ktap_say "$(cat client.out)"; }; done
ktap_ok "one test after another, at once" $bad

ktap_run "refused: UDP" says "Protocol not supported" -u -t 1
client --sctp -t 1 >client.out 2>&1
if grep -q "Protocol not supported\|unrecognized\|SCTP" client.out; then
	ktap_ok "refused: SCTP" 0
else
	ktap_skip "refused: SCTP" "this iperf3 has none"
fi
cat >key <<'KEY'
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvfnhCVBUdW4O4WDcafyZ
YoQ44Te9L7twrhzR+nlyxfEoZIw9egCCsa2E/++aMqdQbOTq27ncdP2I9+yhtfyq
a0ReF9dEr9uhfwEWibAOJkZPZdKXPpD3Ep/P8HF9ilj4zxWXGRSf/PwodXVR9Sqr
9yuKTIr0SuN7zkqyY84yhPS9X36vD2y7za4OhTxIm7hHrX1fsfe4BlOhogLRhP6I
mcHE6ROJCsqmLzXQVQNbLMqze55ZhAHcsQeJ4CczF5T1IXMOpc8c5uzW9CIEdNe/
d+0g87xDx/BWSGK9iz0vU++IG2WYRxKB/MeNjbUnMjzrUIBKB/1iwAdDHuAahAsB
5QIDAQAB
-----END PUBLIC KEY-----
KEY
IPERF3_PASSWORD=secret ktap_run "refused: authentication" says "authorization failed" -t 1 --username me --rsa-public-key-path key
ktap_ok "every refusal is a sentence of the server's, too" "$([ "$(grep -c 'the client asked\|the client wants' server.err)" -ge 2 ]; echo $?)"
ktap_run "and the server goes on" moves -n 1M

for name in "${cases[@]}"; do
	ktap_run "a rude client: $name" timeout 25 control $port "$name"
done
ktap_run "and the server goes on" moves -n 1M

ktap_ok "of a client that did not wait for its results the server says so" "$(grep -q 'did not wait for its results' server.err; echo $?)"
ktap_ok "what clients have named does nothing to a terminal" "$(grep -q $'\e' server.out server.err; echo $((! $?)))"

# Orders of closing. The cases above have left their own sentences.
: >server.err
lasting
ktap_run "a second client is told that the server is busy" says "busy running a test" -n 1M
kill -KILL $lasting
wait $lasting 2>/dev/null
wait_for 5 grep -q "unexpectedly closed" server.err
ktap_ok "a client is killed: the server says so" $?
ktap_run "and goes on" moves -n 1M
lasting
kill -TERM $lasting
wait $lasting
wait_for 5 grep -q "the client has terminated" server.err
ktap_ok "a client is told to end: the server says so" $?
ktap_run "and goes on" moves -n 1M
stop
ktap_ok "an idle server told to end ends with 0" $?
ktap_ok "no connection is left" "$(ss -Htn state established "sport = :$port" 2>/dev/null | wc -l)"

serve --mode recv
lasting
kill -TERM $server
wait $server
ktap_ok "a server told to end in a test ends with 1" $(($? != 1))
wait $lasting
ktap_ok "and its client is told" "$(grep -q 'server has terminated' lasting.out; echo $?)"

serve --mode recv
lasting
kill -KILL $server
wait $server 2>/dev/null
wait $lasting
status=$?
ktap_ok "a server is killed: the client ends" $((status == 0 || status == 124))

serve --mode recv --one-off
ktap_run "--one-off: a test" moves -n 1M
ended() { ! kill -0 "$server" 2>/dev/null; }
wait_for 5 ended
wait $server
ktap_ok "--one-off: the server ends with 0" $?
serve --mode recv --one-off
lasting
kill -KILL $lasting
wait $lasting 2>/dev/null
wait $server
ktap_ok "--one-off: with 1 when the client is gone" $(($? != 1))

serve --mode recv --one-off --rcv-timeout 500
ktap_run "--rcv-timeout: a test in which nothing comes is ended" says "server has terminated" -t 10 -b 8 -l 1
wait_for 5 ended
serve --mode recv --idle-timeout 1
ktap_ok "--idle-timeout is another option of iperf3's, and not here" "$(grep -q "unrecognized option '--idle-timeout" server.err; echo $?)"

# JSON as iperf3's.
serve --mode recv --one-off --json -i 0.5
client -n 2M -P 2 -T title >/dev/null
wait $server
ktap_run "--json has iperf3's names" python3 - <<'PYTHON'
import json
d = json.load(open("server.out"))
assert d["title"] == "title"
s = d["start"]
assert len(s["connected"]) == 2 and s["connected"][0]["local_port"] and s["cookie"] and s["timestamp"]["timesecs"]
assert s["test_start"]["protocol"] == "TCP" and s["test_start"]["num_streams"] == 2 and s["test_start"]["bytes"] == 2 << 20
for i in d["intervals"]:
    assert {"start", "end", "seconds", "bytes", "bits_per_second", "omitted", "sender"} <= set(i["sum"])
    assert len(i["streams"]) == 2 and {"socket", "bytes"} <= set(i["streams"][0])
moved = d["end"]["sum_received"]["bytes"]
assert sum(i["sum"]["bytes"] for i in d["intervals"]) == moved >= 2 << 20
assert d["end"]["sum_sent"]["bytes"] == moved and "host_total" in d["end"]["cpu_utilization_percent"]
# -n is shared: on a busy machine one stream may have sent all of it before the other begins
assert len(d["end"]["streams"]) == 2 and sum(s["receiver"]["bytes"] for s in d["end"]["streams"]) == moved
assert d["netgpu"]["mode"] == "recv" and d["netgpu"]["bytes"] == moved
PYTHON

serve --mode recv --one-off --json
client -n 2M -R >/dev/null
wait $server
ktap_run "--json of what is sent" python3 - <<'PYTHON'
import json
d = json.load(open("server.out"))
end = d["end"]
assert d["start"]["test_start"]["reverse"] == 1
assert end["sum_sent"]["bytes"] == end["sum_received"]["bytes"] == 2 << 20, end
assert end["sum_sent"]["sender"] and "retransmits" in end["sum_sent"] and "retransmits" in d["intervals"][0]["sum"]
assert d["netgpu"]["send"] == {"bytes": 2 << 20, "sends": 16, "program_copy_bytes": 0}, d["netgpu"]
PYTHON
serve --mode recv-copy --gpu host --region-size 1M --one-off --json
ktap_run "recv-copy: -R" moves -R -n 3M -F got
wait $server
ktap_run "recv-copy: all that was sent was copied first" python3 - <<'PYTHON'
import json
assert json.load(open("server.out"))["netgpu"]["send"] == {"bytes": 3 << 20, "sends": 24, "program_copy_bytes": 3 << 20}
PYTHON

# recv-copy: every byte copied, and the record says where to.
serve --mode recv-copy --gpu host --region-size 1M --one-off --json --record record
ktap_run "recv-copy" moves -F data
wait $server
ktap_ok "recv-copy: the server ends with 0" $?
ktap_run "the record covers the stream" python3 - <<'PYTHON'
import json
d = json.load(open("server.out"))["netgpu"]
records = [json.loads(line) for line in open("record")]
at = 0
for r in records:
    assert r["stream"] == 1 and r["offset"] == at and r["length"] > 0 and 0 <= r["region"] and r["region"] + r["length"] <= 1 << 20
    at += r["length"]
assert at == d["bytes"] == d["program_copy_bytes"] == d["bytes_copied_by_cpu"], (at, d)
assert d["memory"] == "host" and d["placement"] == "host"
PYTHON

# --hold
mkfifo go
netgpu bench --server --port $port --mode recv --hold --one-off <>go >server.out 2>>server.err &
server=$!
wait_for 5 listening
ktap_run "--hold: a test" moves -n 1M
wait_for 5 grep -qx holding server.out
ktap_ok "--hold: the server says that it holds" $?
ktap_run "--hold: nobody else is served" says "busy running a test" -n 1M
echo go >go
wait_for 5 ended
wait $server
ktap_ok "--hold: and ends when told" $?
ktap_end

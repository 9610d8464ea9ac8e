#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The parts of the proof, on files: marks are found wherever they are, and only a VRAM that holds every byte matches.
# lab: machine=none
# lab: timeout=120
. "$(dirname "$0")/../../selftests/lib.sh"
need_programs marks python3
lab=$(cd "$(dirname "$0")/../lab" && pwd)
dir=$(mktemp -d)
undo rm -rf "$dir"
cd "$dir" || exit 1

marks_in() { # FILE: how many, and how many whole
	marks scan "$1" key | sed 's/.*"marks": \([0-9]*\), "whole": \([0-9]*\),.*/\1 \2/'
}
put() { # FILE OFFSET [BYTES [SKIP]]: bytes of the data into a file
	dd if=data of="$1" bs=1 seek="$2" count="${3:-64}" skip="${4:-0}" conv=notrunc status=none
}

ktap_plan 13
ktap_run "marked data is made" marks make data 65536 key
ktap_ok "every block of it is a mark" "$([ "$(marks_in data)" = "1024 1024" ]; echo $?)"

head -c 1M /dev/urandom >noise
ktap_ok "random memory has none" "$([ "$(marks_in noise)" = "0 0" ]; echo $?)"

bad=0
for offset in {0..70} 4064 4065 4095 4096 1048511 1048512; do
	cp noise ram
	put ram "$offset" 64 128
	[ "$(marks_in ram)" = "1 1" ] || bad=1
done
ktap_ok "one block is found at any alignment, at both ends too" $bad

bad=0
for start in {0..63}; do
	cp noise ram
	put ram 12345 39 $((640 + start))
	read -r found _ < <(marks_in ram)
	[ "$found" -ge 1 ] || bad=1
done
ktap_ok "any 39 bytes of the stream are found" $bad

truncate -s 64M hole
put hole 33554431
ktap_ok "holes of the image are passed over, data between them is not" "$([ "$(marks_in hole)" = "1 1" ]; echo $?)"

cp noise ram
put ram 1000
python3 -c 'f = open("ram", "r+b"); f.seek(1020); b = f.read(1)[0]; f.seek(1020); f.write(bytes([b ^ 1]))'
ktap_ok "a block with a changed byte is a mark, not a whole one" "$([ "$(marks_in ram)" = "1 0" ]; echo $?)"

marks make other 65536 otherkey
ktap_ok "marks of another run do not count" "$([ "$(marks scan other key | grep -c '"marks": 0,')" = 1 ]; echo $?)"

cp noise ram
put ram 1000 640 128
put ram 5000 100 6400
marks make other 65536 otherkey
[ "$(marks replace ram key otherkey)" = '{"replaced": 11}' ] && [ "$(marks_in ram)" = "1 0" ] &&
	[ "$(marks scan ram otherkey | sed 's/.*"whole": \([0-9]*\),.*/\1/')" = 11 ] &&
	[ "$(dd if=ram bs=1 skip=1000 count=640 status=none | cmp - <(dd if=other bs=1 skip=128 count=640 status=none); echo $?)" = 0 ]
ktap_ok "marks are replaced by those of another run, whole ones only" $?

# compare EDIT EXPECTATION: VRAM of 256 KiB with the data in pieces of 4096 at 16384, the second half first
compare() {
	PYTHONPATH=$lab python3 - "$1" "$2" <<-'PYTHON'
		import sys
		from proof import compare
		data = open("data", "rb").read()
		half = len(data) // 2
		vram = bytearray(256 * 1024)
		records = []
		for offset in range(0, len(data), 4096):
		    region = (offset + half) % len(data)
		    records.append({"stream": 1, "offset": offset, "region": region, "length": 4096})
		    vram[16384 + region:16384 + region + 4096] = data[offset:offset + 4096]
		exec(sys.argv[1])
		result = compare(data, memoryview(vram), 16384, records)
		print(result)
		sys.exit(not (result["match"] == (sys.argv[2] == "match") and (result["match"] or sys.argv[2] in result["why"])))
	PYTHON
}
ktap_run "VRAM that holds the stream matches" compare "" match
bad=0
for at in 16384 50000 81919; do
	compare "vram[$at] ^= 1" "stands" >/dev/null || bad=1
done
ktap_ok "one flipped bit does not match" $bad
ktap_run "a missing completion does not match" compare "del records[3]" "leave out"
bad=0
compare "records.pop()" "cover" >/dev/null || bad=1
compare "records[1]['region'] = records[2]['region']" "two completions" >/dev/null || bad=1
compare "records[1]['region'] = None" "did not come into the region" >/dev/null || bad=1
compare "records[1]['region'] = 1 << 20" "VRAM ends" >/dev/null || bad=1
ktap_ok "short, double, stray and impossible completions do not match" $bad
ktap_end

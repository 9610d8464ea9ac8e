#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make series: each patch is in one series, each series applies over what it says it needs, all of them give the files that the lab
# builds, and what was written is as reviewers want it.
# lab: machine=none
# lab: packages=git
# lab: timeout=600
# lab: more=1200
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
need_programs git perl python3 patch
linux=$top/build/linux/netgpu
[ -d "$linux/.lab/orig" ] || skip_all "the lab's kernel has no source here: make kernel"

# A copy of the repository, so that it can be broken, over the same source.
dir=$(mktemp -d)
undo rm -rf "$dir"
mkdir -p "$dir/repository/build/linux"
tar -C "$top" -c --exclude=./build --exclude=./.git . | tar -C "$dir/repository" -x
ln -s "$linux" "$dir/repository/build/linux/netgpu"
export LAB_TOP="$dir/repository" PYTHONPATH="$dir/repository/tools/lab" PYTHONDONTWRITEBYTECODE=1
written=$dir/repository/build/series
lab=$dir/lab
cd "$dir/repository" || exit 1

series() {
	python3 tools/lab/series.py
}

# lint PART: without a finding
lint() {
	python3 tools/lab/lint.py "nipa-$1"
}

# fails WORDS: make series fails, and says so in one sentence with these words
fails() {
	local words=$1 text
	text=$(series 2>&1) && echo "it does not fail" && return 1
	grep -q "^netgpu: .*$words" <<<"$text" && return
	echo "$text"
	return 1
}

numbered() {
	local directory count file number left=0
	for directory in "$written"/[0-9]*/; do
		count=$(find "$directory" -name '[0-9]*.patch' ! -name '0000-*' | wc -l)
		number=0
		for file in "$directory"[0-9]*.patch; do
			if [[ $(basename "$file") != $(printf '%04d' "$number")-* ]] || ! grep -qE "^Subject: \[PATCH ([a-z-]+ )?0*$number/$count\] " "$file"; then
				echo "$file is not number $number of $count"
				left=1
			fi
			number=$((number + 1))
		done
		[ "$number" -eq $((count + 1)) ] || { echo "$directory has no cover letter"; left=1; }
		[ -s "$directory/to-cc.txt" ] || { echo "$directory does not say to whom"; left=1; }
	done
	return "$left"
}

letters() {
	local file left=0
	for file in "$written"/*/0000-cover-letter.patch; do
		grep -nE '\*\*\*|^@|\{|TODO|XXX' "$file" && echo "$file has a place to be filled in" && left=1
		grep -q '^This applies to Linux 7.3' "$file" || { echo "$file does not say what it applies to"; left=1; }
	done
	return "$left"
}

unsigned() {
	! grep -rn '^Signed-off-by:' "$written"
}

# To the byte, and not by the code that has made them
same() {
	local name tree=$dir/tree left=0 count=0 patches
	mkdir "$tree"
	git -c init.defaultBranch=base init -q "$tree"
	while read -r name; do
		[ ! -e "$linux/.lab/absent/$name" ] || continue
		mkdir -p "$tree/$(dirname "$name")"
		cp "$linux/.lab/orig/$name" "$tree/$name" 2>/dev/null || cp "$linux/$name" "$tree/$name"
	done < <(sed -n 's#^--- a/##p' "$written"/*/*.patch | sort -u)
	git -C "$tree" -c user.name=x -c user.email=x@example.org add -A -f
	git -C "$tree" -c user.name=x -c user.email=x@example.org commit -q -m base
	mapfile -t patches < <(printf '%s\n' "$written"/*/[0-9]*.patch | grep -v /0000-)
	git -C "$tree" -c user.name=x -c user.email=x@example.org am -q --whitespace=nowarn "${patches[@]}" || return 1
	while read -r name; do
		count=$((count + 1))
		[ "$name" != net/netgpu/Makefile ] || continue # of which a kernel has the part for kbuild
		cmp -s "$tree/$name" "$lab/$name" || { echo "$name differs"; left=1; }
	done < <(git -C "$tree" ls-files)
	echo "$count files"
	[ "$left" -eq 0 ] && [ "$count" -gt 300 ]
}

# What the lab places in its kernel's tree, of the patches and files as they are now
place() {
	mkdir "$lab"
	cp -r "$linux/.lab" "$lab/.lab"
	rm -rf "$lab/.lab/work"
	cp -r "$linux/.lab/orig/." "$lab/"
	python3 - "$lab" "$linux" <<-'END'
		import shutil, sys
		from pathlib import Path
		import patched
		lab, linux = map(Path, sys.argv[1:])
		for name in {name for patch in patched.series() for name in patched.touched(patch)}:
		    if not any((lab / ".lab" / kind / name).is_file() for kind in ("orig", "absent")) and (linux / name).is_file():
		        (lab / name).parent.mkdir(parents=True, exist_ok=True)
		        shutil.copy(linux / name, lab / name)
		patched.Tree(lab).place(patched.series(), patched.own_files())
	END
}

ktap_plan $((MORE ? 14 : 13))
ktap_run "the series are written" series
ktap_run "numbers, cover letters, and who gets them" numbered
ktap_run "nothing is left to be filled in" letters
ktap_run "nobody has signed" unsigned
ktap_run "what the lab places" place
ktap_run "all of them give that, to the byte" same
for part in ${MORE:+checkpatch} subject length fixes; do
	ktap_run "as reviewers want it: $part" lint "$part"
done

cp patches/lists "$dir/lists"
sed -i '0,/^patch /{/^patch /d}' patches/lists
ktap_run "a patch that is in no series" fails "0 times"
cp "$dir/lists" patches/lists
sed -i 's/^after zero-copy-fixes$/after/' patches/lists
ktap_run "a series that does not say what it needs" fails "does not apply"
cp "$dir/lists" patches/lists
sed -i '0,/^long /{/^long /d}' patches/lists
ktap_run "too many patches, and no reason" fails "split it, or say why"
cp "$dir/lists" patches/lists
sed -i 's/^@cost .*/@speed all/' patches/cover/attach.txt
ktap_run "figures that nobody measures" fails "figures of speed"
ktap_end

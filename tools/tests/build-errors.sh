#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What keeps the lab from building its kernel ends with one sentence that says what, and what to do.
# lab: machine=none
# lab: timeout=60
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
[ -d "$top/build/linux/netgpu/.lab/orig" ] || skip_all "the lab's kernel is not built"
need_programs make rsync patch python3 mount

dir=$(mktemp -d)
undo rm -rf "$dir"
mkdir "$dir/repository" "$dir/bin" "$dir/none"
tar -C "$top" -c --exclude=./build --exclude=./.git . | tar -C "$dir/repository" -x
export LAB_SPACE=host LAB_NO_SPACE_CHECK=1
unset KSRC

# The source, as far as the patches touch it. It ends in an error of its own when they all apply.
source=$dir/source
mkdir "$source"
cp -r "$top/build/linux/netgpu/.lab/orig/." "$source"
printf 'VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n$(error this is not all of it)\n' >"$source/Makefile"
touch "$source/Kbuild"

# ends WORDS [VARIABLE=VALUE...]: make kernel fails; its last words are one sentence of ours, with these words
ends() {
	local words=$1 out status
	shift
	out=$(make -C "${where:-$dir/repository}" kernel "$@" 2>&1)
	status=$?
	out=$(grep -v '^make' <<<"$out")
	[ "$status" -ne 0 ] && [ "$(grep -c '^netgpu: ' <<<"$out")" -eq 1 ] && ! grep -q Traceback <<<"$out" &&
		grep -q "^netgpu: .*$words.*\.$" <<<"$(tail -n 1 <<<"$out")" && return
	echo "status $status, $out"
	return 1
}

ktap_plan 10
printf '#!/bin/sh\necho aarch64\n' >"$dir/bin/uname"
chmod +x "$dir/bin/uname"
PATH=$dir/bin:$PATH ktap_run "another architecture" ends "this machine is aarch64: use another"
mkdir "$dir/a blank"
cp -r "$dir/repository" "$dir/a blank/"
where="$dir/a blank/repository" ktap_run "a blank in the path" ends "holds a blank.*: move the repository"

ktap_run "KSRC that is not there" ends "is not a Linux source: name the directory" KSRC="$dir/nowhere"
ktap_run "KSRC that is no kernel" ends "is not a Linux source: name the directory" KSRC="$dir/none"
sed -i 's/^VERSION.*/VERSION = 6/; s/^PATCHLEVEL.*/PATCHLEVEL = 12/' "$source/Makefile"
ktap_run "an old kernel" ends "is Linux 6\.12, .* made for 7\.3: " KSRC="$source"
sed -i 's/^VERSION.*/VERSION = 7/; s/^PATCHLEVEL.*/PATCHLEVEL = 3/' "$source/Makefile"

ktap_run "a kernel that does not build" ends "the kernel netgpu does not build.*: the whole output is in" KSRC="$source"
sed -i 's/\<netdev\>/device/g; s/\<ifq\>/queue/g' "$source/io_uring/zcrx.c"
ktap_run "a patch that does not apply" ends "no longer applies (.*zcrx.c): mend it" KSRC="$source"

rm -rf "$dir/repository/build"
mkdir "$dir/repository/build"
if mount -t tmpfs -o size=256k full "$dir/repository/build" 2>/dev/null; then
	undo umount "$dir/repository/build"
	LAB_NO_SPACE_CHECK='' ktap_run "a small disk" ends "MiB free and a kernel takes about .*: free some" KSRC="$source"
	ktap_run "a disk that is full before the source is copied" ends "could not be copied .*full.*: free some" KSRC="$source"
	rm -rf "$dir/repository/build"/*
	mount -o remount,nr_inodes=2 "$dir/repository/build"
	ktap_run "a disk that is full at once" ends "the disk of .* is full: free some" KSRC="$source"
else
	ktap_skip "a small disk" "none can be mounted"
	ktap_skip "a disk that is full before the source is copied" "none can be mounted"
	ktap_skip "a disk that is full at once" "none can be mounted"
fi
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel's selftests are built, installed and run as kselftests, and where nothing is that they want, each is skipped with
# a reason, as root and as an ordinary user, and leaves the machine as it was.
# lab: long=selftests-undo
# lab: machine=none
# lab: kernel=netgpu
# lab: timeout=1200
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/machine_state.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
linux=$top/build/linux/netgpu
[ -e "$linux/obj/usr/include/linux/netgpu.h" ] || skip_all "the lab's kernel is not there"
need_programs make gcc rsync unshare
if [ -z "${SKIP_INSIDE:-}" ]; then
	# a network, and a /tmp, that no other test changes meanwhile
	unshare -nm true 2>/dev/null || skip_all "this user may not make namespaces"
	export SKIP_INSIDE=1
	rm -rf "$tmp"
	exec unshare -nm --propagation private bash "$0"
fi
unset TMPDIR
rm -rf "$tmp"
[[ $top/ = /tmp/* ]] || mount -t tmpfs -o mode=1777 tmp /tmp
tmp=$(mktemp -d)
mount -t sysfs sysfs /sys 2>/dev/null # whose interfaces are those of this network
unset NETIF REMOTE_TYPE VRAM_PCI GPU_PCI LAB_GPU LAB_KERNEL
PATH=/usr/sbin:/usr/bin:/sbin:/bin

# A kernel tree, as far as kselftest wants it.
chmod 755 "$tmp" # for another user
tree=$tmp/linux
here=$tree/tools/testing/selftests
mkdir -p "$here/drivers/net"
(cd "$linux/tools/testing/selftests" && cp -r lib.mk Makefile kselftest kselftest*.h run_kselftest.sh "$here")
cp -r "$linux/tools/scripts" "$tree/tools/"
mkdir "$tree/scripts"
cp "$linux/scripts/subarch.include" "$tree/scripts/"
cp -r "$top/selftests" "$here/drivers/net/netgpu"
cp "$top/tools/lib/zcrx_abi.h" "$here/drivers/net/netgpu/"
installed=$tmp/installed
group=drivers/net/netgpu

kselftest() { # TARGET [VARIABLE=VALUE...]
	make -s -C "$here" TARGETS="$group" KHDR_INCLUDES="-isystem $linux/obj/usr/include" KSFT_INSTALL_PATH="$installed" "$@" 2>&1
}

# all_skip COMMAND...: each test, run with COMMAND, ends with 4 and a sentence, and the machine is as it was
all_skip() {
	local test out status bad=0
	machine_state >"$tmp/before"
	cd "$installed/$group" || return
	while read -r test; do
		out=$("$@" timeout -k 5 60 "$test" 2>&1 </dev/null)
		status=$?
		if [ "$status" -ne 4 ] || ! grep -q '^1\.\.0 # SKIP ....' <<<"$out" || grep -q '^\(not \)\?ok' <<<"$out"; then
			echo "$test: status $status: $out"
			bad=1
		fi
		machine_state >"$tmp/after"
		if diff "$tmp/before" "$tmp/after" | head -n 20 | grep .; then
			echo "$test: has left that"
			bad=1
		fi
	done < <(grep -l '^# lab: ' ./*.sh)
	return "$bad"
}

# all_there: what is a test is in kselftest's list, and what it reads is beside it, as is each program
all_there() {
	local test file program bad=0
	while read -r test; do
		grep -qx "$group:$test" "$installed/kselftest-list.txt" || { echo "$test is not in kselftest's list"; bad=1; }
		[ -x "$installed/$group/$test" ] || { echo "$test cannot be run"; bad=1; }
	done < <(cd "$top/selftests" && grep -l '^# lab: ' ./*.sh | sed 's#./##')
	for file in $(sed -n 's/.*\. "$(dirname "$0")\/\([^"]*\)".*/\1/p' "$installed/$group"/*.sh "$installed/$group/netgpu-hwtest") config settings corpus/query; do
		[ -e "$installed/$group/$file" ] || { echo "$file is not installed"; bad=1; }
	done
	for program in $(cd "$top/selftests" && grep -l '^int main' ./*.c); do
		program=$(basename "$program" .c)
		[ "$program" != amdgpu ] || pkg-config --exists libdrm_amdgpu || continue
		[ -x "$installed/$group/$program" ] || { echo "the program $program is not installed"; bad=1; }
	done
	return "$bad"
}

# left_out: without its library a program is not built, and that is said
left_out() {
	local out
	kselftest clean >/dev/null
	out=$(kselftest all HAVE_MNL='' HAVE_URING='' DRM_LIBS='') || { echo "$out"; return 1; }
	[ -x "$here/$group/flood" ] && [ ! -e "$here/$group/zcrx_recv" ] && [ ! -e "$here/$group/queues" ] &&
		grep -q 'what needs liburing is left out' <<<"$out" && return
	echo "$out"
	return 1
}

ktap_plan 7
ktap_run "they are installed as kselftests" kselftest install USERCFLAGS=-O0
ktap_run "with all that they read, and all programs" all_there
ktap_run "where nothing is, each is skipped, and nothing is left" all_skip
if setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
	ktap_run "the same as an ordinary user" all_skip setpriv --reuid 65534 --clear-groups
else
	ktap_skip "the same as an ordinary user" "there is no other user in this namespace"
fi
ip link add e0 type veth peer name e1 2>/dev/null
ktap_run "the same with an interface, and another side that does not answer" \
	all_skip env NETIF=e0 LOCAL_V4=192.0.2.1 REMOTE_V4=192.0.2.2 REMOTE_TYPE=ssh REMOTE_ARGS=nobody@192.0.2.2
out=$(cd "$installed" && ./run_kselftest.sh -t $group:gpu-receive.sh -t $group:kunit-netgpu.sh 2>&1)
status=$?
[ $status -eq 0 ] && [ "$(grep -c '^ok [12] selftests: drivers/net/netgpu: .*# SKIP' <<<"$out")" -eq 2 ]
status=$?
[ $status -eq 0 ] || ktap_say "$out"
ktap_ok "run_kselftest.sh runs them" $status
ktap_run "without its library a program is left out" left_out
ktap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# libfabric's own tests of its providers, with ours, on the loopback: host memory and ordinary sockets.
# lab: machine=none
# lab: source=libfabric
# lab: timeout=900
# lab: more=1500
if [ -z "${FAB_NS:-}" ] && unshare -n -p true 2>/dev/null; then
	FAB_NS=1 exec unshare -n -p -f --mount-proc --kill-child bash "$0" # runfabtests.sh ends what is named fi_*
fi
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../libfabric/fabtests/fabtests.sh"
[ -n "${FAB_NS:-}" ] || skip_all "no namespaces can be made here, and fabtests end all processes that are named as theirs are"
[ -x "$top/build/fabtests/fi_msg" ] || skip_all "fabtests are not built: libfabric's source could not be fetched"
ip link set lo up
hosts=()
excluded=$(mktemp) && undo rm -f "$excluded"
cp "$top/tools/libfabric/fabtests/exclude" "$excluded"
least=(10 37 31)
if [ -z "${MORE:-}" ]; then # of each kind one, and of the bandwidths those that look at each byte; nothing goes to and fro
	printf '%s\n' ' -U' ' -Q' threading 'inject_test -N' inj_complete multi_ep 'atomic.*all$' pingpong '_bw -I 5$' \
		'rma_bw -e rdm -o read' 'rma_bw -e rdm -o writedata' 'rma_bw -e msg -o writedata' >>"$excluded"
	least=(10 17 7)
fi

ktap_plan 4
i=0
for part in unit functional short; do
	fab_run "$part" -t "$part" -T 120 -p "$top/build/fabtests"
	ktap_ok "fabtests, $part: $fab_passed passed, all that are not excluded" $((fab_wrong > 0 || fab_passed < least[i]))
	i=$((i + 1))
done
# Once more with the provider's own thread, as with a network device.
FI_NETGPU_THREAD=1 fab_run "functional, thread" -t functional -T 120 -p "$top/build/fabtests"
ktap_ok "fabtests, functional, with a thread: $fab_passed passed, all that are not excluded" $((fab_wrong > 0 || fab_passed < least[1]))
ktap_end

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # tmp is lib.sh's
# Sourced by suites-answers.sh and suites-answers-upstream.sh: the kernel's own python suites for zero-copy receive and device memory,
# unmodified but for how long they wait, with the answers that they get on a kernel without netgpu. igb has no flow rules by port,
# and no RSS contexts: a rule steers all flows here, who wants contexts fails. Nor does it split what is too small, which fails two
# of devmem's.

need_netif
need_programs ethtool iou-zcrx ncdevmem python3
[ "${REMOTE_TYPE:-}" = lab ] || skip_all "the suites run by themselves elsewhere: tools/testing/selftests/drivers/net/hw"
tree=$(dirname "$0")/../build/linux/netgpu
[ -d "$tree/tools/testing/selftests" ] || skip_all "the kernel's sources are not here"

suites="$tmp/suites"
hw=$suites/tools/testing/selftests/drivers/net/hw
for part in tools/net/ynl/pyynl tools/testing/selftests/net/lib/py tools/testing/selftests/drivers/net/lib/py \
	Documentation/netlink/specs; do
	mkdir -p "$suites/${part%/*}"
	cp -r "$tree/$part" "$suites/$part"
done
mkdir -p "$hw/lib"
cp -r "$tree/tools/testing/selftests/drivers/net/hw/lib/py" "$hw/lib/"
cp "$tree"/tools/testing/selftests/drivers/net/hw/{iou-zcrx,devmem,devmem_lib}.py "$hw/"
# On a kernel that is slower they wait longer.
# shellcheck disable=SC2154 # slower is from lib.sh
patience=$((5 * slower))
sed -i "s/deadline=5\b/deadline=$patience/" "$suites/tools/testing/selftests/net/lib/py/utils.py"
sed -i "s/time\.time() + 5\b/time.time() + $patience/" "$hw/iou-zcrx.py"
for program in iou-zcrx ncdevmem; do ln -s "$(command -v $program)" "$hw/$program"; done
# How these suites reach the other side, in the lab.
cat >"$suites/tools/testing/selftests/drivers/net/lib/py/remote_lab.py" <<'EOF'
import os
import subprocess


class Remote:
    def __init__(self, name, dir_path):
        pass

    def cmd(self, comm):
        return subprocess.Popen(["remote", comm], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def deploy(self, what):
        return os.path.basename(what)
EOF
mkdir "$suites/bin"
cat >"$suites/bin/ethtool" <<EOF
#!/bin/bash
real=$(command -v ethtool)
EOF
cat >>"$suites/bin/ethtool" <<'EOF'
case "$*" in
-N*delete*) exec "$real" -X "$2" default ;;
-N*context*) ;;
-N*) "$real" -X "$2" start "${!#}" equal 1 && echo "Added rule with ID 1"; exit ;;
"--json -k "*) "$real" "$@" | sed '/"ntuple-filters"/,/}/s/"active": false/"active": true/'; exit ;;
esac
exec "$real" "$@"
EOF
chmod +x "$suites/bin/ethtool"
export PATH=$suites/bin:$PATH
export REMOTE_ARGS=lab PYTHONDONTWRITEBYTECODE=1

# suite NAME: run it; a line for each of its results, without numbers, in $tmp/NAME
suite() {
	(cd "$hw" && python3 "./$1.py" </dev/null) >"$tmp/$1.out" 2>&1
	sed -nE 's/^(ok|not ok) [0-9]+ ([^#]*[^# ]) *(# SKIP.*)?$/\1 \2 \3/p' "$tmp/$1.out" | sed 's/ *$//; s/ # SKIP.*/ skipped/' >"$tmp/$1"
}

# answers NAME: what it said is what it says without netgpu
answers() {
	suite "$1"
	ktap_say "$(cat "$tmp/$1")"
	diff <(cat) "$tmp/$1" && return
	ktap_say "$(cat "$tmp/$1.out")"
	return 1
}

ktap_plan 3
answers iou-zcrx <<'EOF'
ok iou-zcrx.test_zcrx.single
not ok iou-zcrx.test_zcrx.rss
ok iou-zcrx.test_zcrx_oneshot.single
not ok iou-zcrx.test_zcrx_oneshot.rss
ok iou-zcrx.test_zcrx_large_chunks
EOF
ktap_ok "io_uring's zero-copy receive: as on a kernel without netgpu" $?
answers devmem <<'EOF'
ok devmem.check_rx
ok devmem.check_tx
ok devmem.check_tx_chunks
not ok devmem.check_rx_hds
not ok devmem.check_rx_large_niov
EOF
ktap_ok "device memory TCP: as on a kernel without netgpu" $?
ping -q -c 2 -W 5 "$REMOTE_V4" >/dev/null && ping -q -c 2 -W 5 "$REMOTE_V6" >/dev/null
ktap_ok "ordinary traffic afterwards" $?
ktap_end

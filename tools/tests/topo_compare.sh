# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the tests of netgpu topo on the lab's machines: what it expects, what the kernel answers, and what then happens are the same.
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/../../selftests/gpu.sh"

BYTES=$((8 << 20))

# pair FILE DIRECTION: "OK PLACEMENT PATH DISTANCE" of it
pair() {
	python3 - "$1" "$2" "$NETIF" "$name" <<-'EOF'
		import json, sys
		file, direction, nic, gpu = sys.argv[1:]
		pair, = [p for p in json.load(open(file))["pairs"] if (p["nic"], p["gpu"]) == (nic, gpu)]
		v = pair[direction]
		print(v["ok"], v["placement"], v["path"], v["distance"], "asked" if v["asked"] else "expected", sep="\t")
	EOF
}

# topo_compares OK PLACEMENT PATH: of the NIC with the GPU that there is, or with what vfio-pci drives
topo_compares() {
	local asks="" memory found status
	need_programs netgpu python3 setpriv
	ktap_plan 8
	if [ -n "$LAB_GPU" ]; then
		gpu_receives
		name=${node##*/} memory=gpu:$node
	else
		vram_bind
		name="vfio $VRAM_PCI" memory=vfio:$VRAM_PCI asks=--vfio
	fi
	netgpu topo $asks | sed 's/^/# /'
	netgpu topo --json $asks >"$tmp/before"
	[ "$(pair "$tmp/before" receive | cut -f 1)" = False ] && [ "$(pair "$tmp/before" receive | cut -f 5)" = asked ]
	ktap_ok "header and data are not split: it cannot receive, says the kernel" $?
	netgpu topo --expect --fix >"$tmp/fix"
	if [ "$1" = False ]; then
		ktap_run "netgpu setup" netgpu setup "$NETIF" --queue 1 --all-flows
	else
		grep -qx "netgpu setup $NETIF --queue 1 --all-flows" "$tmp/fix" && bash "$tmp/fix" | sed 's/^/# /'
		ktap_ok "what would help is printed, and can be run" "${PIPESTATUS[0]}"
	fi
	undo netgpu reset "$NETIF"
	wait_for_carrier

	netgpu topo --json $asks >"$tmp/asked" && netgpu topo --json --expect >"$tmp/expected"
	for direction in receive send; do
		found=$(pair "$tmp/expected" $direction | cut -f 1-4 | tr '\t' ' ')
		[ "$found asked" = "$(pair "$tmp/asked" $direction | tr '\t' ' ')" ]
		ktap_ok "$direction: the kernel says what is expected: $found" $?
	done
	[ "$(pair "$tmp/expected" receive | cut -f 1-3 | tr '\t' ' ')" = "$*" ]
	ktap_ok "which is: $*" $?

	receive run -p 9002 -m "$memory" -s $((2 * BYTES)) -r && remote pattern_send "$LOCAL_V4" 9002 $BYTES && wait "$receiver"
	if [ "$1" = False ]; then
		[ -n "$(said run error)" ] && [ "$(said run error)" != 0 ]
	else
		[ "$(said run received)" = $BYTES ] && [ "$(said run placement)" = "$2" ]
	fi
	status=$? found="$(said run error), $(said run placement)"
	ktap_ok "and what happens: $found" $status
	setpriv --reuid=65534 --clear-groups --inh-caps=-all --bounding-set=-all netgpu topo --json --svg /dev/null >"$tmp/unprivileged"
	found=$(pair "$tmp/unprivileged" receive | tr '\t' ' ')
	[ "${found##* }" = expected ]
	ktap_ok "who has no rights gets what is to be expected: $found" $?
	nothing_left
	ktap_ok "nothing is left" $?
	ktap_end
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # receiver, slower and NETIF are those of who sources this
# Sourced by tests that take apart what devmem TCP uses in different orders. Sets port; $memory is what is received into.

nic=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")
keep_addresses
mtu=$(cat "/sys/class/net/$NETIF/mtu")
driver=$(basename "$(readlink "/sys/class/net/$NETIF/device/driver")")
port=9000
# All of SENT fits into a socket that is not read from.
undo eval "echo '$(cat /proc/sys/net/ipv4/tcp_rmem)' >/proc/sys/net/ipv4/tcp_rmem"
echo 4096 4194304 8388608 >/proc/sys/net/ipv4/tcp_rmem
HELD=$((256 << 10))
SENT=$((1 << 20))

nic_goes() {
	echo "$nic" >"/sys/bus/pci/drivers/$driver/unbind" && [ ! -e "/sys/class/net/$NETIF" ]
}

# It gets what it had.
nic_comes() {
	echo "$nic" >"/sys/bus/pci/drivers/$driver/bind" && wait_for 20 test -e "/sys/class/net/$NETIF" &&
		ip link set "$NETIF" mtu "$mtu" up || return 1
	addresses_back
	steer_to_queue 1
}

# start NAME OPTION...: a receiver that does what step says
start() {
	local name=$1
	shift
	port=$((port + 1))
	rm -f "$tmp/steps" "$tmp/$name"
	mkfifo "$tmp/steps"
	exec 7<>"$tmp/steps"
	devmem_recv -i "$NETIF" -q 1 -p $port -t $((100 * slower)) -m "$memory" -s "${size:-$((4 << 20))}" -x "${how:-disable}" \
		-a $HELD -c "$tmp/steps" "$@" >"$tmp/$name" 2>&1 7>&- &
	receiver=$!
}

# hold NAME: it keeps what it was given first, and more is queued in its socket
hold() {
	start "$1"
	wait_for 20 grep -q '^listening' "$tmp/$1" || { sed 's/^/# /' "$tmp/$1"; return 1; }
	remote -b pattern_send -w $((100 * slower)) "$LOCAL_V4" $port $SENT >/dev/null
	wait_for 20 grep -q '^holding' "$tmp/$1" && wait_for 20 flows $port $((SENT - 1))
}

# step NAME STEP: it has done it
step() {
	echo "$2" >&7
	wait_for 20 grep -q "^done $2" "$tmp/$1"
}

# more NAME: what is queued comes as device memory, without an error
more() {
	step "$1" more && [ "$(said "$1" more)" = "$((SENT - $(said "$1" holding))) EAGAIN" ]
}

# let_all_go NAME: it closes its sockets, and ends; every byte that it was given was right
let_all_go() {
	echo end >&7
	wait "$receiver" && [ "$(said "$1" correct)" = 1 ]
}

# mapped BYTES: so much is mapped for devices
mapped() {
	[ "$(region_count mapped)" = "$1" ]
}

given_back() { :; }

# over NAME: what is there at the end of each order
over() {
	step "$1" socket && let_all_go "$1"
	ktap_ok "$1: the TCP socket is closed, the receiver ends" $?
	nic_comes && given_back && nothing_left && ordinary_traffic
	ktap_ok "$1: all is back, nothing is left, ordinary traffic" $?
}

# devmem_orders: 27 results. "taken NAME" has the exporter take the memory, "given_back" gives it back.
devmem_orders() {
	freed_without_network
	hold revoked-first
	ktap_ok "revoked-first: a socket has data, and more is queued" $?
	taken revoked-first && wait_for 10 mapped 0
	ktap_ok "revoked-first: the memory is taken, and not mapped any more" $?
	step revoked-first more && [ "$(said revoked-first more)" = "0 ENODEV" ]
	ktap_ok "revoked-first: what is queued is lost: ENODEV" $?
	nic_goes
	ktap_ok "revoked-first: the NIC goes" $?
	step revoked-first netlink
	ktap_ok "revoked-first: the netlink socket is closed" $?
	over revoked-first

	hold dropped-first
	ktap_ok "dropped-first: a socket has data, and more is queued" $?
	step dropped-first netlink && mapped 0
	ktap_ok "dropped-first: the netlink socket is closed: nothing is mapped" $?
	nic_goes
	ktap_ok "dropped-first: the NIC goes" $?
	more dropped-first
	status=$?
	ktap_ok "dropped-first: what is queued can be had ($(said dropped-first more))" $status
	taken dropped-first
	ktap_ok "dropped-first: the memory is taken" $?
	over dropped-first

	hold nic-first
	ktap_ok "nic-first: a socket has data, and more is queued" $?
	nic_goes && mapped 0
	ktap_ok "nic-first: the NIC goes: nothing is mapped" $?
	more nic-first
	status=$?
	ktap_ok "nic-first: what is queued can be had ($(said nic-first more))" $status
	taken nic-first
	ktap_ok "nic-first: the memory is taken" $?
	step nic-first netlink
	ktap_ok "nic-first: the netlink socket is closed" $?
	over nic-first

	hold dropped-revoked
	ktap_ok "dropped-revoked: a socket has data, and more is queued" $?
	step dropped-revoked netlink
	ktap_ok "dropped-revoked: the netlink socket is closed" $?
	taken dropped-revoked
	ktap_ok "dropped-revoked: the memory is taken" $?
	nic_goes
	ktap_ok "dropped-revoked: the NIC goes" $?
	over dropped-revoked
}

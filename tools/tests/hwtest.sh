#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netgpu-hwtest: its report does not say whose machine it is, and it leaves alone what the machine is reached by.
# lab: machine=none
# lab: timeout=60
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) && undo rm -rf "$work"

# its functions, one by one
for name in anonymous ssh_address below used_for; do
	eval "$(sed -n "/^$name() {/,/^}/p" "$top/selftests/netgpu-hwtest")"
done

ip() {
	case "$*" in
	"-o addr show") printf '%s\n' "2: eth0 inet 192.0.2.2/24 scope global" "2: eth0 inet6 fd00:aB::2/64 scope global" "3: eth1 inet 198.51.100.7/24" ;;
	*"route show table all default") [ "$1 $2" != "-o -4" ] || echo "$default" ;;
	*) echo "fd00:ab::/64 dev eth0" ;;
	esac
}
uname() {
	echo myhost.example.org
}
below() { # no device is made of others
	echo "$1"
}
ssh_address() {
	echo "$session"
}

# becomes LINE WORDS
becomes() {
	local now
	now=$(REMOTE_ARGS=root@gpubox anonymous <<<"$1")
	[ "$now" = "$2" ] && return
	echo "$1: $now"
	return 1
}
uses() { # INTERFACE WORDS
	local now
	now=$(used_for "$1")
	[ "$now" = "$2" ] && return
	echo "$1: $now"
	return 1
}

ktap_plan 10
ktap_run "an address before a colon, a dot, another one" becomes "AF=2 192.0.2.2:5201, to 192.0.2.2. 192.0.2.2 192.0.2.2 192.0.2.2" \
	"AF=2 ADDRESS:5201, to ADDRESS. ADDRESS ADDRESS ADDRESS"
ktap_run "IPv6, in capitals, in brackets, a prefix, of the link" becomes "FD00:AB::2 [fd00:ab::2]:80 fd00:ab::/64 fe80::1ff:fe23" \
	"ADDRESS [ADDRESS]:80 ADDRESS/64 ADDRESS"
ktap_run "MAC addresses, and names that are made of them" becomes "00:1b:21:3a:4f:05 enx00e04c680001" "MAC enxMAC"
ktap_run "names of both machines" becomes "myhost myhost.example.org gpubox root@gpubox" "HOST HOST HOST HOST"
ktap_run "what is none stays" becomes "1192.0.2.25 0000:03:00.0 7.3.4" "1192.0.2.25 0000:03:00.0 7.3.4"
default="default nhid 1 proto static nexthop via 192.0.2.1 dev eth0 weight 1 nexthop via 198.51.100.1 dev eth1 weight 1" session=""
ktap_run "each way of a default route that has two: the first" uses eth0 "the default route"
ktap_run "and the second" uses eth1 "the default route"
default="" session=198.51.100.7
ktap_run "the ssh session's interface" uses eth1 "the ssh session"
ktap_run "another one is free" uses eth0 ""
session=203.0.113.1
ktap_run "an ssh session that comes nobody knows where" uses eth0 "the ssh session"
ktap_end

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # tmp is lib.sh's
# Sourced by tests that receive into the memory of a PCI device.

# need_vram: a device whose memory vfio-pci can export; the lab has one, others name it by VRAM_PCI, which takes it from its driver
need_vram() {
	need_root
	[ -n "${VRAM_PCI:-}" ] || skip_all "VRAM_PCI does not name a PCI device whose memory vfio-pci may export"
	[ -e "/sys/bus/pci/devices/$VRAM_PCI" ] || skip_all "there is no PCI device $VRAM_PCI"
	[ -d /sys/bus/pci/drivers/vfio-pci ] || modprobe -nq vfio-pci 2>/dev/null || skip_all "the kernel has no vfio-pci"
}

# need_queue: $NETIF splits headers from data, and has a second queue that can be given to another memory
need_queue() {
	local queues
	need_netif
	need_programs ethtool ss zcrx_recv region_count page_pools pattern_send
	[ -n "$(split)" ] || skip_all "the driver of $NETIF does not split headers from data (tcp-data-split)"
	queues=("/sys/class/net/$NETIF/queues"/rx-*)
	[ ${#queues[@]} -gt 1 ] || skip_all "$NETIF has one receive queue, and queue 1 is what is tested (ethtool -L)"
	[ "$(rss_table | wc -l)" -gt 0 ] || skip_all "$NETIF has no table of receive queues (ethtool -x)"
}

# The device at $VRAM_PCI becomes vfio-pci's, until the test ends.
vram_bind() {
	local dev=/sys/bus/pci/devices/$VRAM_PCI

	modprobe vfio
	modprobe vfio_iommu_type1 2>/dev/null
	if [ ! -e "$dev/iommu_group" ] || [ "$(cat "$dev/iommu_group/name" 2>/dev/null)" = vfio-noiommu ]; then
		vfio_allows vfio enable_unsafe_noiommu_mode
	fi
	vfio_allows vfio_iommu_type1 allow_unsafe_interrupts
	modprobe vfio-pci
	[ "$(basename "$(readlink "$dev/driver")")" = vfio-pci ] && return
	if [ -z "${vram_bound:-}" ]; then
		vram_override=$(cat "$dev/driver_override")
		[ "$vram_override" != "(null)" ] || vram_override=
		undo vram_back
	fi
	vram_bound=1
	[ ! -e "$dev/driver" ] || echo "$VRAM_PCI" >"$dev/driver/unbind"
	echo vfio-pci >"$dev/driver_override"
	echo "$VRAM_PCI" >/sys/bus/pci/drivers_probe
}

# vfio_allows MODULE PARAMETER: is switched on, until the test ends
vfio_allows() {
	local file=/sys/module/$1/parameters/$2
	[ "$(cat "$file")" = N ] || return
	undo eval "echo N >$file"
	echo Y >"$file"
}

# vram_back: the device is its own driver's again. Who still has its memory open holds up the unbind, not the test.
vram_back() {
	local dev=/sys/bus/pci/devices/$VRAM_PCI
	echo "$vram_override" >"$dev/driver_override"
	[ -e "$dev/driver" ] || echo "$VRAM_PCI" >/sys/bus/pci/drivers_probe # vfio-pci has not taken it
	[ "$(basename "$(readlink "$dev/driver")")" = vfio-pci ] || return
	(
		echo "$VRAM_PCI" >/sys/bus/pci/drivers/vfio-pci/unbind
		echo "$VRAM_PCI" >/sys/bus/pci/drivers_probe
	) &
	wait_for 10 eval '[ -z "$(jobs -pr)" ]'
}

# need_tracing: trace events below $tracing, or skip
need_tracing() {
	tracing=/sys/kernel/tracing
	if ! mountpoint -q $tracing && mount -t tracefs tracefs $tracing 2>/dev/null; then
		undo umount $tracing
	fi
	[ -d $tracing/events/netgpu ] || skip_all "the kernel has no CONFIG_FTRACE"
}

# split: whether $NETIF splits headers from data; nothing where its driver cannot
split() {
	ethtool -g "$NETIF" 2>/dev/null | sed -n 's/^TCP data split:[[:space:]]*\(on\|off\)$/\1/p' | tail -n 1
}
# threshold: the bytes below which it does not; nothing where that cannot be set
threshold() {
	ethtool -g "$NETIF" 2>/dev/null | sed -n 's/^HDS thresh:[[:space:]]*\([0-9]*\)$/\1/p' | tail -n 1
}
# rx_ring: its descriptors
rx_ring() {
	ethtool -g "$NETIF" 2>/dev/null | sed -n 's/^RX:[[:space:]]*\([0-9]*\)$/\1/p' | tail -n 1
}
# channels: its queues, as ethtool -L sets them: "combined 2", "rx 2 tx 2"; nothing where that cannot be set
channels() {
	ethtool -l "$NETIF" 2>/dev/null | awk '/^Current hardware settings:/ { current = 1 }
		current && $2 ~ /^[1-9]/ && /^(RX|TX|Combined):/ { sub(":", "", $1); printf "%s%s %s", sep, tolower($1), $2; sep = " " }'
}
# private_flags: of its driver, as ethtool --set-priv-flags sets them
private_flags() {
	ethtool --show-priv-flags "$NETIF" 2>/dev/null | sed -n 's/^\([^ ]*\) *: \(on\|off\)$/\1 \2/p' | paste -sd' '
}
# is_up: whether it is to be up, with or without a carrier
is_up() {
	[ $(($(cat "/sys/class/net/$NETIF/flags") & 1)) = 1 ]
}
# features: those that tests change and that can be changed here, as ethtool -K sets them
features() {
	ethtool -k "$NETIF" 2>/dev/null | sed -nE 's/^rx-checksumming: (on|off)$/rx \1/p; s/^tx-checksumming: (on|off)$/tx \1/p
		s/^scatter-gather: (on|off)$/sg \1/p; s/^tcp-segmentation-offload: (on|off)$/tso \1/p
		s/^generic-receive-offload: (on|off)$/gro \1/p; s/^rx-vlan-offload: (on|off)$/rxvlan \1/p
		s/^rx-gro-hw: (on|off)$/rx-gro-hw \1/p' | paste -sd' '
}
# routes: through it, that are not there by themselves
routes() {
	ip -4 route show dev "$NETIF" | sed '/proto kernel/d; s/^/-4 /'
	ip -6 route show dev "$NETIF" | sed '/proto \(kernel\|ra\)/d; s/^/-6 /'
}
# gro_hw: on or off, where that can be changed
gro_hw() {
	ethtool -k "$NETIF" 2>/dev/null | sed -n 's/^rx-gro-hw: \(on\|off\)$/\1/p'
}
# rss_table: the queue of each entry
rss_table() {
	ethtool -x "$NETIF" 2>/dev/null | awk '/^RSS hash key/ { exit } /^ *[0-9]+:/ { for (i = 2; i <= NF; i++) print $i }'
}

# keep_settings: of $NETIF, which gets them back when the test ends
keep_settings() {
	[ -z "${kept_split:-}" ] || return
	kept_split=$(split)
	kept_split=${kept_split:-none}
	kept_threshold=$(threshold)
	kept_rx_ring=$(rx_ring)
	kept_features=$(features)
	kept_channels=$(channels)
	kept_flags=$(private_flags)
	kept_up=down
	! is_up || kept_up=up
	kept_table=$(rss_table)
	kept_mtu=$(cat "/sys/class/net/$NETIF/mtu")
	kept_nic=$(basename "$(readlink -f "/sys/class/net/$NETIF/device")")
	keep_addresses
	kept_addresses=$addresses
	kept_routes=$(routes)
	undo settings_back
}
settings_back() {
	local net=/sys/class/net/$NETIF dev=/sys/bus/pci/devices/$kept_nic
	if [ ! -e "$net" ]; then # the test has ended between taking the device away and giving it back
		[ -e "$dev" ] || echo 1 >/sys/bus/pci/rescan
		[ -e "$dev" ] || return
		[ -e "$dev/driver" ] || echo "$kept_nic" >/sys/bus/pci/drivers_probe
		wait_for 10 test -e "$net" || return
	fi
	[ "$(cat "$net/mtu")" = "$kept_mtu" ] || ip link set "$NETIF" mtu "$kept_mtu"
	# A flag may go with one state of the split, and be refused in the other.
	settings_back_once
	settings_back_once
	if [ "$(rss_table)" != "$kept_table" ]; then
		ethtool -X "$NETIF" default
		# as many entries for each queue, where it was not the driver's own
		# shellcheck disable=SC2046 # numbers
		[ "$(rss_table)" = "$kept_table" ] || ethtool -X "$NETIF" weight $(sort -n <<<"$kept_table" | uniq -c |
			awk '{ while (n < $2) { print 0; n++ } print $1; n++ }')
	fi
	ip link set "$NETIF" "$kept_up"
	addresses=$kept_addresses
	addresses_back
	routes_back
}
# routes_back: those that went with the link or the device; not while it is down
routes_back() {
	local now route
	now=$(routes)
	while read -r route; do
		# shellcheck disable=SC2086 # words
		[ -z "$route" ] || grep -qxF -- "$route" <<<"$now" || ip ${route%% *} route replace ${route#* } dev "$NETIF"
	done <<<"$kept_routes"
}

settings_back_once() {
	if [ "$(channels)" != "$kept_channels" ]; then
		ethtool -X "$NETIF" default # which may name a queue that is to go
		# shellcheck disable=SC2086 # words
		ethtool -L "$NETIF" $kept_channels
	fi
	[ "$(split)" = "$kept_split" ] || ethtool -G "$NETIF" tcp-data-split "$kept_split"
	[ "$(threshold)" = "$kept_threshold" ] || ethtool -G "$NETIF" hds-thresh "$kept_threshold"
	[ "$(rx_ring)" = "$kept_rx_ring" ] || ethtool -G "$NETIF" rx "$kept_rx_ring"
	# shellcheck disable=SC2086 # words
	[ "$(features)" = "$kept_features" ] || ethtool -K "$NETIF" $kept_features
	# shellcheck disable=SC2086 # words
	[ "$(private_flags)" = "$kept_flags" ] || ethtool --set-priv-flags "$NETIF" $kept_flags
}

# neighbours permanent|reachable: the other side knows us for good and does not ask, or finds out by itself again
neighbours() {
	local there mac address
	there=$(remote ip -o route get "$LOCAL_V4" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
	mac=$(cat "/sys/class/net/$NETIF/address")
	for address in "$LOCAL_V4" "$LOCAL_V6"; do
		remote ip neigh replace "$address" lladdr "$mac" dev "$there" nud "$1" || return 1
	done
	[ "$1" != permanent ] || remote ip neigh flush dev "$there"
}

# self_test: the card's own, which fails, rightly, when another packet comes in while it runs (igb as it is does not even end then)
self_test() {
	local status
	undo neighbours reachable
	neighbours permanent
	for _ in 1 2 3; do ethtool -t "$NETIF" offline >/dev/null && break; done
	status=$?
	wait_for_carrier && neighbours reachable && return $status
}

# $NETIF splits headers from data, and RSS sends every hashed flow to queue $1.
steer_to_queue() {
	keep_settings
	split_on && wait_for_carrier &&
	ethtool -X "$NETIF" start "$1" equal 1
}

# split_on: as small a packet as the driver can is split. One may split only what it has put together itself, as mlx5 does.
split_on() {
	local arguments=(tcp-data-split on)
	[ -z "$(threshold)" ] || arguments+=(hds-thresh 0)
	ethtool -G "$NETIF" "${arguments[@]}" && return
	[ "$(gro_hw)" = off ] && ethtool -K "$NETIF" rx-gro-hw on && ethtool -G "$NETIF" "${arguments[@]}"
}

wait_for_carrier() {
	for _ in $(seq $((200 * ${slower:-1}))); do
		[ "$(cat "/sys/class/net/$NETIF/operstate" 2>/dev/null)" = up ] && return 0
		sleep 0.05
	done
	return 1
}

# both_mtu BYTES: of $NETIF and what sends to it
both_mtu() {
	local there
	there=$(remote_device)
	if [ -z "${kept_remote_mtu:-}" ]; then
		keep_settings
		kept_remote_mtu=$(remote cat "/sys/class/net/$there/mtu")
		undo remote ip link set "$there" mtu "$kept_remote_mtu"
	fi
	ip link set "$NETIF" mtu "$1" && remote ip link set "$there" mtu "$1" && wait_for_carrier
}

# Ordinary receive works, both families where there are both.
ordinary_traffic() {
	ping -q -c 2 -W 2 "${REMOTE_V4:-}" >/dev/null || return
	[ -z "${REMOTE_V6:-}" ] || ping -q -c 2 -W 2 "$REMOTE_V6" >/dev/null
}

# receive NAME ARG...: start zcrx_recv (or $receive_with) with ARGs, wait until it
# listens. Its output is in $tmp/NAME, its process id in $receiver.
receive() {
	local name=$1
	shift

	# Not what one of that name has said before.
	rm -f "$tmp/$name"
	"${receive_with:-zcrx_recv}" -i "$NETIF" -q 1 -t $((60 * slower)) "$@" >"$tmp/$name" 2>&1 &
	receiver=$!
	for _ in $(seq $((200 * ${slower:-1}))); do
		grep -q '^listening' "$tmp/$name" && return 0
		kill -0 "$receiver" 2>/dev/null || break
		sleep 0.05
	done
	sed 's/^/# /' "$tmp/$name"
	return 1
}

# how often queue 1 wanted a buffer and got none
asked_in_vain() {
	ethtool -S "$NETIF" | sed -n 's/.*rx_queue_1_alloc_failed: //p'
}

# came PORT: how many bytes, on the connection to the port that has most
came() {
	ss -tinH "sport = :$1" | sed -n 's/.* bytes_received:\([0-9]*\).*/\1/p' | sort -n | tail -n 1
}
# flows PORT BYTES: more than so much has come
flows() {
	local bytes
	bytes=$(came "$1")
	[ "${bytes:-0}" -gt "$2" ]
}

# said NAME KEY: the value that zcrx_recv printed.
said() {
	sed -n "s/^$2 //p" "$tmp/$1"
}

# freed_without_network: what TCP frees late is freed, though the network is gone. A closed connection stays until TCP gives up on
# a peer that does not answer, which takes two minutes, and with it payload that came out of order. And an skb waits on the CPU that
# allocated it until that one's next work on the network. With each stays the region, unmapped.
freed_without_network() {
	local net=/proc/sys/net file
	for file in $net/ipv4/tcp_orphan_retries $net/core/skb_defer_max; do
		undo eval "echo $(cat "$file") >$file"
	done
	echo 1 >$net/ipv4/tcp_orphan_retries
	echo 0 >$net/core/skb_defer_max
}

# nothing_left [SECONDS]: all regions and all page pools of memory providers are
# gone by then (60).
nothing_left() {
	local end=$((SECONDS + ${1:-60} * slower))

	while [ $SECONDS -lt $end ]; do
		[ "$(region_count regions)" = 0 ] &&
		[ "$(region_count mapped)" = 0 ] &&
		[ "$(page_pools leaked)" = 0 ] && return 0
		sleep 0.05
	done
	echo "# regions $(region_count regions), page pools leaked $(page_pools leaked)"
	return 1
}

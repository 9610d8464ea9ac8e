#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR MIT
# The guest's part of make bench: cost.sh [-p] BYTES ROW.... A row is METHOD,MTU,FLOWS, or of what sends METHOD,MTU,FLOWS,BLOCK, in
# KiB that are sent by one call; each is measured once, in this order.
# What came out of the Nth goes to the sender's side, as $LAB_RUN/N-spin, -receiver and -sender. -p: and -stacks, of perf.
. "$(dirname "$0")/guest.sh"
top=$(cd "$(dirname "$0")/../../.." && pwd)
profiles=
[ "$1" != -p ] || { profiles=yes && shift; }
bytes=$1
shift

# perf records from now on: all of the kernel, and the receiver, but not the loop that spins. A sample for each 50,000
# instructions: the clock of a CPU is virtual here, too.
record() {
	local name
	perf=()
	: >/tmp/perf.said
	for name in kernel receiver; do
		rm -f /tmp/control /tmp/heard
		mkfifo /tmp/control /tmp/heard
		exec 6<>/tmp/control 7<>/tmp/heard
		if [ $name = kernel ]; then set -- -a -e cpu-clock:k; else set -- -p "$receiver" -e cpu-clock:u; fi
		perf record -q -g "$@" -F 20000 -m 4096 -D -1 --control fifo:/tmp/control,/tmp/heard -o /tmp/perf.$name >>/tmp/perf.said 2>&1 &
		perf+=($!)
		echo enable >&6
		read -r -t 60 -u 7 || fail "perf does not record: $(cat /tmp/perf.said)"
	done
}

# Lines of COMM;FUNCTION;FUNCTION... COUNT, the outermost function first.
stacks() {
	for name in kernel receiver; do
		perf script -i /tmp/perf.$name -F comm,ip,sym 2>>/tmp/perf.said
		echo
	done | awk '
		NF == 0 { if (comm != "") count[comm stack]++; comm = stack = ""; next }
		comm == "" { comm = $0; sub(/^ +/, "", comm); sub(/ +$/, "", comm); next }
		{ sub(/^[ \t]*[0-9a-f]+ /, ""); sub(/\+0x.*/, ""); stack = ";" $0 stack }
		END { if (comm != "") count[comm stack]++; for (s in count) print s, count[s] }'
}

memory_of() { # METHOD
	case $1 in
	*-host | send-zc) echo host ;;
	*-udmabuf) echo udmabuf ;;
	*-amdgpu | fi-*) echo /dev/dri/renderD128 ;;
	*) echo "vfio:$VRAM_PCI" ;;
	esac
}

# window [SIZES]: tcp_rmem; a connection begins with the second, of which about half is its window. Without, what it was
rmem=$(sysctl -n net.ipv4.tcp_rmem)
window() {
	sysctl -qw net.ipv4.tcp_rmem="${1:-$rmem}" || fail "the receiver's buffers stay as they are"
}

# receive METHOD: start what receives. Client says how it is sent to, and buffer is the most that a flow has under way.
receive() {
	local memory size stream most
	memory=$(memory_of "$1")
	client=(iperf3 -c "$LOCAL_V4" -n "$bytes" -P "$flows" --json)
	# When iperf3 has sent all, it waits for 10 s until that has arrived, by a clock that is faster than the one here.
	buffer=$(((flows > 1 ? 128 : 4096) << 10))
	case $1 in
	trunc | recv)
		splits off
		[ "$1" = recv ] || client+=(--skip-rx-copy)
		iperf3 -s -1 -i 0 --json --logfile /tmp/receiver &
		;;
	recv-copy)
		splits off
		netgpu bench --server --one-off -i 0 --json --logfile /tmp/receiver --mode recv-copy --gpu "$memory" --region-size 128M &
		;;
	devmem) # which prints and compares each fragment
		splits on
		# It takes payload that lies beside the headers for an error. That is what a closed window is probed with, so it stays open.
		buffer=$((1 << 20))
		window "4096 $((32 << 20)) $((32 << 20))"
		client=(socat -u "EXEC:head -c $((bytes / 8)) /dev/zero" "TCP:$LOCAL_V4:5201")
		ncdevmem -l -f "$NETIF" -s "$LOCAL_V4" -p 5201 -t 0 -q 1 -n >/tmp/receiver 2>/tmp/said &
		;;
	send)
		splits off
		client+=(-R -l "${block}K")
		iperf3 -s -1 -i 0 --json --logfile /tmp/receiver &
		;;
	send-copy)
		splits off
		client+=(-R -l "${block}K")
		netgpu bench --server --one-off -i 0 --json --logfile /tmp/receiver --mode recv-copy --gpu "$memory" --region-size 128M &
		;;
	send-zc | send-vram)
		splits on
		client+=(-R -l "${block}K")
		netgpu bench --server --one-off -i 0 --json --logfile /tmp/receiver --iface "$NETIF" --queue 0 --gpu "$memory" --region-size 128M &
		;;
	send-cmsg | send-devmem) # which connect themselves
		splits off
		case $1 in send-cmsg) way=cmsg ;; *) way=sendmsg ;; esac
		listener=$(remote -b socat -u 'TCP-LISTEN:5201,reuseaddr' OPEN:/dev/null)
		until remote "ss -Hltn sport = :5201 | grep -q ."; do sleep 0.1; done
		late=(zc_send -i "$NETIF" -a "$REMOTE_V4" -p 5201 -m "$memory" -s 0 -n "$bytes" -l $((block << 10)) -w "$way" -N)
		return
		;;
	fi-*) # libfabric's: messages into buffers that were posted
		size=$(numfmt --from=iec "$block") most=30000
		# Each order to the emulated engine takes its time.
		[[ $1 != *-sdma ]] || most=3000
		stream=(fi_stream recv "${method#fi-}" "$LOCAL_V4" 5201 "$size" "$((bytes / size < most ? bytes / size : most))")
		stream[2]=${stream[2]%-*}
		case $1 in
		*-copy) stream+=("$memory" copy) ;;
		*-sdma) stream+=("$memory") ;;
		*-place) stream+=("$memory" place) ;;
		esac
		client=("PATH=\$PATH:\$PWD/build/tools/measure FI_PROVIDER_PATH=\$PWD/build/tools ${stream[*]:0:7}")
		client[0]=${client[0]/ recv / send }
		export FI_PROVIDER_PATH=$top/build/tools
		if [[ $1 = *-place ]]; then
			splits on
			FI_NETGPU_DEVICE=$NETIF FI_NETGPU_QUEUE=1 FI_NETGPU_IN_PLACE=1 FI_LOG_LEVEL=info FI_LOG_PROV=netgpu \
				"${stream[@]}" >/tmp/receiver 2>/tmp/said &
		elif [[ $1 = *-sdma ]]; then
			splits on
			FI_NETGPU_DEVICE=$NETIF FI_NETGPU_QUEUE=0 FI_NETGPU_SDMA=$memory FI_LOG_LEVEL=info FI_LOG_PROV=netgpu \
				"${stream[@]}" >/tmp/receiver 2>/tmp/said &
		else
			splits off
			"${stream[@]}" >/tmp/receiver 2>/tmp/said &
		fi
		;;
	connections)
		splits on
		size=$((flows * (128 << 10)))
		size=$((size < bytes * 2 / 3 ? bytes * 2 / 3 : size))
		client=(many_send "$LOCAL_V4" 5201 "$flows" "$size")
		buffer=$((4 << 20))
		many_recv "$NETIF" 0 "$memory" $((128 << 20)) 5201 "$flows" >/tmp/receiver 2>/tmp/said &
		;;
	*)
		splits on
		netgpu bench --server --one-off -i 0 --json --logfile /tmp/receiver --iface "$NETIF" --queue 0 --gpu "$memory" --region-size 128M &
		;;
	esac
	receiver=$!
	waits $receiver ':1451 .* 0A ' /proc/net/tcp /proc/net/tcp6 # listens on 5201
}

# Nothing is thrown away, to come again: the link and the device have room for all that is under way, as QEMU's device loses a
# packet that is larger than a buffer when one is free; and what lies in the memory of a GPU is charged as the machine's own, which
# has as much for TCP as one of 16 GiB.
if ! remote ip link set tap0 txqueuelen 10000 || ! sysctl -qw net.ipv4.tcp_mem="190000 254000 381000"; then
	fail "the link and TCP have not more room"
fi
ethtool -G "$NETIF" rx 4096 || fail "the device has not more room"

{ remote cat /proc/sys/net/ipv4/tcp_congestion_control; cat /proc/sys/net/ipv4/tcp_congestion_control; } | keep congestion-control

# Payload has one queue to itself, and its buffers are no longer ahead than messages are announced.
if [[ " $* " = *-place,* ]]; then
	if ! ethtool -L "$NETIF" combined 2 || ! ethtool -X "$NETIF" weight 1 1 || ! ethtool -G "$NETIF" rx 256; then
		fail "payload gets no queue to itself"
	fi
	sleep 5 # igb's counters begin again within two seconds
fi

number=0
# or it finds that samples cost too much, and takes fewer
[ -z "$profiles" ] || sysctl -q kernel.perf_event_max_sample_rate=100000 kernel.perf_cpu_time_max_percent=0 || fail "perf cannot be set up"
[[ " $* " != *vram,* && " $* " != *recv-copy,* && " $* " != *send-copy,* && " $* " != *connections,* && " $* " != *cmsg,* && " $* " != *send-devmem,* ]] || vram
[[ " $* " != *-amdgpu,* && " $* " != *" fi-"* ]] || modprobe amdgpu || fail "amdgpu does not load"
for row; do
	IFS=, read -r method mtu flows block <<<"$row"
	mtu "$mtu"
	nothing_bound
	rm -f /tmp/receiver /tmp/said /tmp/spin /tmp/spinning /tmp/end
	late=() # what is to be started instead of the client
	window
	receive "$method"
	mkfifo /tmp/end
	exec 8<>/tmp/end
	direction=
	[[ $method != send* ]] || direction=tx
	spin "$NETIF" /tmp/spin $direction <&8 8<&- >/tmp/spinning &
	spinner=$!
	waits $spinner spinning /tmp/spinning
	sleep 0.2
	[ -z "$profiles" ] || record
	remote sysctl -qw net.ipv4.tcp_wmem="4096 16384 $buffer" || fail "the sender's buffers stay as they are"
	if [ ${#late[@]} -gt 0 ]; then
		"${late[@]}" >/tmp/receiver || fail "zc_send failed: $(cat /tmp/receiver)"
		remote -w "$listener" >/tmp/sender || fail "nobody has received it: $(cat /tmp/sender)"
	else
		remote "${client[@]}" >/tmp/sender || fail "the sender failed: $(cat /tmp/sender /tmp/said 2>/dev/null | tail -n 5)"
		wait "$receiver" || fail "the receiver failed: $(cat /tmp/receiver /tmp/said 2>/dev/null | tail -n 5)"
		[[ $method != *-sdma ]] || grep -q 'moved \([0-9]*\), of it by a DMA engine \1 bytes' /tmp/said ||
			fail "not all was moved by the engine: $(grep payload /tmp/said)"
	fi
	echo >&8
	wait $spinner || fail "spin failed"
	if [ -n "$profiles" ]; then
		kill -INT "${perf[@]}" 2>/dev/null # that of the receiver may have ended with it
		wait "${perf[@]}"
		stacks >/tmp/stacks
		[ -s /tmp/stacks ] || fail "perf has recorded nothing: $(cat /tmp/perf.said)"
		keep "$number-stacks" </tmp/stacks
	fi
	for name in spin receiver sender; do keep "$number-$name" <"/tmp/$name"; done
	echo "done $row"
	number=$((number + 1))
done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What selftests/lib.sh and vram.sh do around a test: net.config, the other machine and the programs it lacks, and all that is
# undone, however the test ends. The other machine is a script called ssh, the card one called ethtool.
# lab: machine=none
# lab: timeout=300
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
need_programs unshare ip setsid
if [ -z "${UNDO_INSIDE:-}" ]; then
	unshare -nm true 2>/dev/null || skip_all "this user may not make namespaces"
	export UNDO_INSIDE=1
	rm -rf "$tmp"
	exec unshare -nm --propagation private bash "$0"
fi
mount -t sysfs sysfs /sys 2>/dev/null || skip_all "sysfs cannot be mounted for another network"
unset NETIF REMOTE_TYPE REMOTE_ARGS LOCAL_V4 REMOTE_V4
work=$(mktemp -d) && undo rm -rf "$work"
cp -r "$top/selftests" "$work/"
mkdir "$work/bin" "$work/card" "$work/tmp"
cd "$work" || exit 1
# how long what runs on and on sleeps, by which it is found
export LEFT=7$$ KILLED=8$$
export CARD=$work/card OTHER=$work PATH=$work/bin:$PATH TMPDIR=$work/tmp

# ssh: the line is run by another shell, which does not have our PATH
cat >bin/ssh <<'END'
#!/bin/bash
[ ! -e "$OTHER/off" ] || exit 255
exec env -i PATH=/usr/bin:/bin OTHER="$OTHER" TMPDIR="$TMPDIR" bash -c "${!#}"
END
# ethtool: a card that splits when it may put packets together itself, as mlx5, or that knows a threshold, as bnxt
cat >bin/ethtool <<'END'
#!/bin/bash
has() { cat "$CARD/$1"; }
case $1 in
-g) printf 'Pre-set maximums:\nRX:\t\t8192\nCurrent hardware settings:\nRX:\t\t%s\nTCP data split:\t%s\nHDS thresh:\t\t%s\n' "$(has rx)" "$(has split)" "$(has threshold)" ;;
-k) echo "rx-gro-hw: $(has gro)" ;;
-l) printf 'Channel parameters for e0:\nPre-set maximums:\nRX:\t\tn/a\nCombined:\t8\nCurrent hardware settings:\nRX:\t\tn/a\nTX:\t\tn/a\nOther:\t\t1\nCombined:\t%s\n' "$(has channels)" ;;
-L) # not without a queue that somebody has named; else the table is the driver's own again
	[ ! -e "$CARD/asked" ] || tr ' ' '\n' <"$CARD/table" | awk -v n="$4" '$1 >= n { bad = 1 } END { exit bad }' || exit 1
	echo "$4" >"$CARD/channels"
	[ -e "$CARD/asked" ] || "$0" -X e0 default ;;
--show-priv-flags) printf 'Private flags for e0:\nlegacy-rx  : %s\nrx-other   : on\n' "$(has legacy)" ;;
--set-priv-flags)
	while [ "$3" != legacy-rx ]; do shift 2; done
	[ "$(has split)$4" != onon ] || exit 1
	echo "$4" >"$CARD/legacy" ;;
-x) echo 'RX flow hash indirection table for e0 with 2 RX ring(s):'
	awk '{ printf "    0:  "; for (i = 1; i <= NF; i++) printf "    %d", $i; print "" }' "$CARD/table"
	printf 'RSS hash key:\n60:5a:00\n' ;;
-G) shift 2
	while [ $# -gt 0 ]; do
		case $1 in
		tcp-data-split) [ "$2" = off ] || [ "$(has gro),$(has legacy)" = on,off ] || [ "$(has gro),$(has legacy)" = n/a,off ] || exit 1; echo "$2" >"$CARD/split" ;;
		hds-thresh) [ "$(has threshold)" != n/a ] || exit 1; echo "$2" >"$CARD/threshold" ;;
		rx) echo "$2" >"$CARD/rx" ;;
		esac
		shift 2
	done ;;
-K) echo "$4" >"$CARD/gro" ;;
-X) [ "$3" = default ] && rm -f "$CARD/asked" || touch "$CARD/asked"
	case $3 in
	default) awk '{ for (i = 0; i < 8; i++) printf "%d ", i % $1; print "" }' "$CARD/channels" ;;
	start) echo "$4 $4 $4 $4 $4 $4 $4 $4" ;;
	weight) shift 3; for ((queue = 0; $# > 0; queue++)); do for ((i = 0; i < $1; i++)); do printf '%d ' $queue; done; shift; done; echo ;;
	esac >"$CARD/table" ;;
esac
END
chmod 755 bin/ssh bin/ethtool
card() { # SPLIT THRESHOLD GRO RX TABLE [LEGACY]
	echo "$1" >card/split; echo "$2" >card/threshold; echo "$3" >card/gro; echo "$4" >card/rx; echo "$5" >card/table; echo "${6:-off}" >card/legacy
	echo 2 >card/channels
}
same_card() { # as given
	local now
	now=$(cat card/split card/threshold card/gro card/rx; tr -s ' ' <card/table | sed 's/ $//'; cat card/legacy card/channels)
	[ "$now" = "$1"$'\n'"$2"$'\n'"$3"$'\n'"$4"$'\n'"$5"$'\n'"${6:-off}"$'\n2' ] && return
	echo "$now"
	return 1
}
ip link add e0 numrxqueues 2 type veth peer name e1 2>/dev/null || skip_all "the kernel has no veth"
ip link set e0 mtu 1400 up
ip link set e1 up

# a test of these lines, in $pid, when it has come to "ready"
begin() {
	rm -f ready ended
	printf '%s\n' '#!/bin/bash' '. "$(dirname "$0")/lib.sh"' '. "$(dirname "$0")/vram.sh"' "$@" >selftests/a_test.sh
	# INT is ignored in the background otherwise, and HUP below nohup
	env --default-signal=INT,HUP,TERM bash selftests/a_test.sh >out 2>&1 </dev/null &
	pid=$!
	wait_for 60 eval '[ -e ready ] || ! kill -0 $pid 2>/dev/null'
	[ -e ready ]
}
ends() { # in time
	wait_for 60 eval '! kill -0 $pid 2>/dev/null'
}

reads() {
	printf '%s\n' '# what is tested' 'NETIF=e0	# here' ' LOCAL_V4 = 192.0.2.1' 'REMOTE_V4="192.0.2.2"' 'REMOTE_TYPE=ssh' 'REMOTE_ARGS=root@192.0.2.2' 'not a line' >"$1"
	begin 'echo "$NETIF $LOCAL_V4 $REMOTE_V4 $REMOTE_TYPE $REMOTE_ARGS"' 'touch ready' || return
	ends
	rm "$1"
	[ "$(cat out)" = "e0 192.0.2.1 192.0.2.2 ssh root@192.0.2.2" ] && return
	cat out
	return 1
}

# undone SIGNAL LINE: the card, the MTU, and a file are as before, the background process and its child are gone
undone() {
	card off n/a off 1024 "1 1 1 0 1 1 1 0"
	begin 'mkdir here; undo rmdir here; undo rm here/is; touch here/is' 'keep_settings' 'steer_to_queue 1 || exit 1' 'ip link set e0 mtu 1300' \
		'ethtool -G e0 rx 64' 'bash -c "sleep $LEFT; true" & cp $CARD/table $CARD/seen; cp $CARD/split $CARD/seen_split' \
		'ethtool -L e0 combined 3' 'ethtool -X e0 start 2 equal 1' 'touch ready' "$2" || { cat out; return 1; }
	[ "$(cat card/seen)" = "1 1 1 1 1 1 1 1" ] && [ "$(cat card/seen_split)" = on ] || { cat card/seen; return 1; }
	[ -z "$1" ] || kill "-$1" "$pid"
	ends || { echo "it has not ended"; return 1; }
	# the driver's own table would be another: as many entries for each queue
	same_card off n/a off 1024 "0 0 1 1 1 1 1 1" || return
	[ "$(cat /sys/class/net/e0/mtu)" = 1400 ] && [ ! -e here ] && ! pgrep -f "^sleep $LEFT\$" >/dev/null && [ -z "$(ls tmp)" ] && return
	cat /sys/class/net/e0/mtu
	ls here tmp
	return 1
}

threshold_back() {
	card on 256 on 512 "0 1 0 1 0 1 0 1"
	begin 'steer_to_queue 1 || exit 1' '[ "$(threshold)" = 0 ] || exit 1' 'touch ready' || { cat out; return 1; }
	ends
	same_card on 256 on 512 "0 1 0 1 0 1 0 1"
}

# apart FLAG SPLIT: of the flag and the split one is on, and refuses the other, which is on in between
apart() {
	card "$2" n/a n/a 512 "0 1 0 1 0 1 0 1" "$1"
	begin 'keep_settings' "$([ "$1" = on ] && echo 'ethtool --set-priv-flags e0 legacy-rx off; ethtool -G e0 tcp-data-split on' ||
		echo 'ethtool -G e0 tcp-data-split off; ethtool --set-priv-flags e0 legacy-rx on')" '[ "$(cat $CARD/legacy)$(cat $CARD/split)" = '"$2$1"' ] || exit 1' 'touch ready' ||
		{ cat out; return 1; }
	ends
	same_card "$2" n/a n/a 512 "0 1 0 1 0 1 0 1" "$1"
}

# down_again: an interface that was down
down_again() {
	local status
	ip link set e0 down
	begin 'keep_settings' 'ip link set e0 up' 'touch ready' && ends && ! ip -o link show e0 | grep -q '[<,]UP[,>]'
	status=$?
	[ $status -eq 0 ] || { cat out; ip -o link show e0; }
	ip link set e0 up
	return $status
}

# interrupted: Ctrl-C at netgpu-hwtest, which its process group sees: the test undoes what it did, and then it ends
interrupted() {
	local pid
	rm -f ready here
	printf '%s\n' '#!/bin/bash' '. "$(dirname "$0")/lib.sh"' 'undo rm '"$work/here" "touch $work/here" "echo \$\$ >$work/ready" "sleep $LEFT & wait \$!" \
		>selftests/kunit-netgpu.sh
	rm selftests/iou-zcrx.sh selftests/ncdevmem.sh
	env --default-signal=INT setsid bash selftests/netgpu-hwtest --netif e0 --in-use --output "$work/hwtest.txt" >out 2>&1 </dev/null &
	pid=$!
	wait_for 60 test -s ready || { cat out; return 1; }
	kill -INT -- "-$pid" || return
	ends || { echo "it has not ended"; return 1; }
	wait "$pid"
	[ $? = 130 ] && [ ! -e here ] && ! pgrep -f "^sleep $LEFT\$" >/dev/null && [ -z "$(ls tmp)" ] && return
	cat out
	ls here tmp
	return 1
}

export LOCAL_V4=192.0.2.1 REMOTE_V4=192.0.2.2
skips() { # WORDS LINE...
	local words=$1 status
	shift
	begin "$@" 'touch ready'
	wait "$pid"
	status=$?
	[ "$status" -eq 4 ] && grep -q "^1\.\.0 # SKIP .*$words" out && [ -z "$(ls tmp)" ] && return
	echo "status $status"
	cat out
	return 1
}

# deployed: a program that the other machine lacks is there for as long as the test runs
deployed() {
	printf '#!/bin/sh\necho "$0: usage: pattern_send" >&2\nexit 2\n' >selftests/pattern_send
	chmod 755 selftests/pattern_send
	begin 'need netif' 'remote pattern_send' 'remote sh -c "echo \$0 is \"\$1\"" a "b  c"' 'touch ready' || { cat out; return 1; }
	ends
	grep -q '^/.*/tmp/.*/pattern_send: usage' out && grep -q '^a is b  c$' out && [ -z "$(ls tmp)" ] && return
	cat out
	ls -R tmp
	return 1
}
foreign() {
	printf '#!/bin/no-such-loader\n' >selftests/pattern_send
	skips "the other machine has no pattern_send: build it there (cc " 'need netif'
}

# far_jobs: what runs on the other machine ends when it is waited for, killed, or when the test is
far_jobs() {
	begin 'a=$(remote -b "echo one; echo two >&2; exit 3")' 'remote -w "$a" 2>/dev/null; echo "status $?"' \
		'b=$(remote -b "while :; do sleep $KILLED; done")' 'sleep 0.3; remote -k "$b"' 'c=$(remote -b "while :; do sleep $LEFT; done")' \
		'sleep 0.3; pgrep -f "^sleep $KILLED\$" >/dev/null && echo alive; touch ready; sleep 60 & wait $!' || { cat out; return 1; }
	pgrep -f "^sleep $LEFT\$" >/dev/null || { echo "it does not run"; return 1; }
	kill -TERM "$pid"
	ends
	wait_for 30 eval '! pgrep -f "^sleep ($LEFT|$KILLED)\$" >/dev/null' || { echo "it still runs"; cat out; return 1; }
	[ "$(cat out)" = $'one\nstatus 3' ] && return
	cat out
	return 1
}

ktap_plan 18
ktap_run "net.config beside the tests" reads selftests/net.config
ktap_run "net.config where drivers/net has it" reads net.config
export NETIF=e0
ktap_run "undone at the end" undone '' 'exit 0'
ktap_run "undone half way" undone '' 'false || exit 1'
for signal in TERM INT HUP; do
	ktap_run "undone after SIG$signal" undone $signal 'sleep 60 & wait $!'
done
ktap_run "a threshold comes back, too" threshold_back
ktap_run "an interface that was down" down_again
ktap_run "a driver's flag that goes without the split" apart on off
ktap_run "a split that goes without the flag" apart off on
ktap_run "Ctrl-C while netgpu-hwtest runs a test" interrupted
card n/a n/a off 512 "0 1"
REMOTE_TYPE=lab ktap_run "a card that does not split" skips "does not split headers" 'need_programs() { :; }' 'need queue'
export REMOTE_TYPE=ssh REMOTE_ARGS=root@other
ktap_run "a sender is copied to the other machine, and goes with the test" deployed
ktap_run "one that does not run there: what to do is said" foreign
touch off
ktap_run "another machine that does not answer" skips "no command runs on the other side" 'need netif'
rm off
ktap_run "what runs on the other machine ends with the test" far_jobs
REMOTE_TYPE=pigeon ktap_run "another way to reach it" skips "REMOTE_TYPE does not say" 'need netif'
ktap_end

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # tmp is lib.sh's, the numbers of results are for who sources this
# Sourced by the tests of the GPL gate: loading modules, and why the loader refuses them.
#
# GATE_MODULES is where they are (gate/, built with the kernel as external modules; modpost has to be told that no symbol
# is GPL-only, or it refuses most of them).

GATE_MODULES=${GATE_MODULES:-$(dirname "${BASH_SOURCE[0]}")/gate}

need_modules() {
	need_root
	[ -e "$GATE_MODULES/gate_shim.ko" ] || skip_all "the modules are not built: GATE_MODULES=$GATE_MODULES"
	undo unload
}

# load MODULE [PARAMETER...]: what the kernel says about it is in $log
load() {
	local module=$1 status
	shift
	dmesg -C
	insmod "$GATE_MODULES/$module.ko" "$@" 2>"$tmp/insmod"
	status=$?
	log=$(dmesg | sed 's/^\[[ 0-9.]*\] //')
	return $status
}

# unload: all of ours, whoever uses whom
unload() {
	local round module
	for round in 1 2 3 4 5; do
		while read -r module _; do
			[[ $module = gate_* ]] && rmmod "$module" 2>/dev/null
		done </proc/modules
		grep -q '^gate_' /proc/modules || return 0
		sleep "0.$round"
	done
	return 1
}

# result KIND NAME STATUS: KIND says what the result rests on: linux, as it is, symbol_get or reexport, our patches.
# A test may have a result() of its own.
if ! declare -F result >/dev/null; then
	result() {
		ktap_ok "$2" "$3"
	}
fi

# refused KIND NAME REGEX MODULE [PARAMETER...]: the kernel refuses it, and says REGEX
refused() {
	local kind=$1 name=$2 regex=$3 status=1
	shift 3
	if load "$@"; then
		ktap_say "$1 was loaded"
	elif grep -Eq "^$1: $regex" <<<"$log"; then
		status=0
	else
		ktap_say "$log"
	fi
	result "$kind" "$name" $status
}

# over KIND NAME MODULES REGEX1 REGEX2: the kernel refuses each of MODULES_a to _d, for one of the reasons, which depends on
# what is resolved first; both have to occur
over() {
	local kind=$1 name=$2 first=$4 second=$5 letter seen=
	for letter in a b c d; do
		refused "$kind" "$name: $letter" "(${first//LETTER/$letter}|${second//LETTER/$letter})" "$3_$letter"
		grep -Eq "${first//LETTER/$letter}" <<<"$log" && seen+=first || seen+=second
	done
	[[ $seen = *first* && $seen = *second* ]]
	result "$kind" "$name: in either order" $?
}

# loads KIND NAME MODULE [PARAMETER...]
loads() {
	local kind=$1 name=$2 status=0
	shift 2
	load "$@" || { status=1 && ktap_say "$log"; }
	result "$kind" "$name" $status
}

# has MODULE PARAMETER VALUE
has() {
	[ "$(cat "/sys/module/$1/parameters/$2" 2>/dev/null)" = "$3" ]
}

exported=$(sed -n 's/.* T \(netgpu_region_put\)$/\1/p' /proc/kallsyms)
gated=${exported:-dma_buf_put}
namespace=DMA_BUF
[ "$gated" = dma_buf_put ] || namespace=NETGPU

# What Linux does by itself.
GATE_LINUX=14
gate_linux() {
	refused linux "a proprietary module cannot use a GPL-only symbol" "Unknown symbol $gated \(err -2\)" gate_proprietary
	refused linux "a GPL module that does not import the namespace cannot" \
		"module uses symbol \($gated\) from namespace $namespace, but does not import it" gate_bare
	refused linux "a proprietary module cannot use symbol_get()" "Unknown symbol __symbol_get \(err -2\)" gate_get_proprietary
	refused linux "a proprietary module cannot export dma-bufs itself" "Unknown symbol dma_buf_export \(err -2\)" gate_exporter_direct

	loads linux "(a proprietary module with exports is loaded)" gate_base
	over linux "a shim over it cannot have a GPL-only symbol" gate_over \
		"module using GPL-only symbols uses symbols gate_base_LETTER from proprietary module gate_base" \
		"Unknown symbol $gated \(err -2\)"
	loads linux "(a shim over it that has none is loaded)" gate_base_shim
	grep -q "gate_base_shim: module uses symbols gate_base_call from proprietary module gate_base, inheriting taint" <<<"$log"
	result linux "which inherits the taint" $?
	refused linux "so a second shim over the first cannot have one" \
		"(module using GPL-only symbols uses symbols gate_base_shim_call from proprietary module gate_base_shim|Unknown symbol $gated \(err -2\))" \
		gate_base_chain
	unload
	result linux "all is unloaded" $?
}

# The same by symbol_get().
GATE_SYMBOL_GET=4
gate_symbol_get() {
	load gate_base
	load gate_get name=gate_base_call
	has gate_get got N && grep -q "failing symbol_get of non-GPLONLY symbol gate_base_call" <<<"$log"
	result linux "symbol_get() does not return a plain export of a proprietary module" $?
	rmmod gate_get
	load gate_get name=gate_base_gpl
	has gate_get got N && grep -q "failing symbol_get of symbol gate_base_gpl of proprietary module gate_base" <<<"$log"
	result symbol_get "nor one that the module calls GPL-only" $?
	rmmod gate_get
	load gate_get name="$gated"
	has gate_get got Y
	result linux "but one of the kernel" $?
	unload
	result linux "all is unloaded" $?
}

# The reverse direction: what a user of GPL-only symbols exports.
GATE_REEXPORT=36
why_not() {
	echo "module is not GPL-compatible and uses symbol $1 of $2, which uses GPL-only symbols"
}
gate_reexport() {
	loads linux "(a GPL module with plain exports that uses a GPL-only symbol is loaded)" gate_shim
	loads linux "a GPL module may use its exports" gate_user_gpl
	refused reexport "a proprietary module may not" "$(why_not gate_shim_call gate_shim)" gate_user
	grep -q "gate_user: Unknown symbol gate_shim_call (err -2)" <<<"$log"
	result reexport "for which the symbol is unknown" $?
	refused reexport "nor one in a namespace that it imports" "$(why_not gate_shim_ns_call gate_shim)" gate_user_ns
	loads linux "one that uses it weakly is loaded" gate_user_weak
	has gate_user_weak got N && grep -q "gate_user_weak: $(why_not gate_shim_call gate_shim)" <<<"$log"
	result reexport "and does not get it" $?
	rmmod gate_user_weak
	load gate_get name=gate_shim_call
	has gate_get got Y
	result reexport "symbol_get() takes it for GPL-only" $?
	rmmod gate_get

	loads linux "(a second GPL module that uses it, and exports, is loaded)" gate_chain
	refused reexport "a proprietary module may not use that either" "$(why_not gate_chain_call gate_chain)" gate_user_chain
	loads linux "(a proprietary module with exports is loaded)" gate_base
	over reexport "a GPL module may not use both" gate_both \
		"module uses symbol gate_base_LETTER of proprietary module gate_base, and one of a module that uses GPL-only symbols" \
		"$(why_not gate_shim_call gate_shim)"
	unload
	result linux "all is unloaded" $?

	refused linux "before it is loaded, its symbols are unknown" "Unknown symbol gate_shim_call \(err -2\)" gate_user
	insmod "$GATE_MODULES/gate_shim.ko" delay_ms=1500 &
	wait_for 5 grep -q '^gate_shim .*Loading' /proc/modules
	refused reexport "while it is being loaded, who wants them waits, and is refused" "$(why_not gate_shim_call gate_shim)" gate_user
	wait $!
	unload
	result linux "all is unloaded" $?
	loads linux "a GPL module that exports the same and uses no GPL-only symbol is loaded" plain/gate_plain
	loads linux "a proprietary module may use that" gate_user
	unload
	result linux "all is unloaded" $?
	load gate_shim
	refused reexport "loaded again, the first is as before" "$(why_not gate_shim_call gate_shim)" gate_user
	unload

	loads linux "(a module that will call symbol_get() later is loaded)" gate_late
	refused reexport "a proprietary module may not use its exports before that" "$(why_not gate_late_call gate_late)" gate_user_late
	tee /sys/module/gate_late/parameters/now <<<1 >/dev/null
	result linux "then it gets a GPL-only symbol" $?
	refused reexport "nor after it" "$(why_not gate_late_call gate_late)" gate_user_late
	unload

	if grep -q ' klp_enable_patch$' /proc/kallsyms; then
		loads linux "(a livepatch module without GPL-only symbols is loaded)" gate_livepatch
		refused reexport "a proprietary module may not use its exports" "$(why_not gate_livepatch_call gate_livepatch)" gate_user_livepatch
		loads linux "(a livepatch is loaded)" gate_klp
		wait_for 30 grep -q 0 /sys/kernel/livepatch/gate_klp/transition
		grep -q gate_klp /proc/cmdline
		result linux "it works" $?
		refused reexport "a proprietary module may not use its exports" "$(why_not gate_klp_call gate_klp)" gate_user_klp
		echo 0 >/sys/kernel/livepatch/gate_klp/enabled
		wait_for 30 test ! -e /sys/kernel/livepatch/gate_klp
		unload && ! grep -q gate_klp /proc/cmdline
		result linux "all is unloaded" $?
	else
		for ((i = 0; i < 6; i++)); do ktap_skip "livepatch modules" "the kernel has no CONFIG_LIVEPATCH"; done
	fi

	if modprobe i2c-core 2>/dev/null; then
		loads linux "a proprietary module may use the plain exports of modules of the tree" gate_user_tree
	else
		ktap_skip "a proprietary module may use the plain exports of modules of the tree" "i2c-core is not a module here"
	fi
	unload
	result linux "all is unloaded" $?
}

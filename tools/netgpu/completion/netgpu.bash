# SPDX-License-Identifier: LGPL-2.1 OR MIT
# shellcheck shell=bash
# Completion of netgpu(1) for bash: commands and options are those that --help names, devices those of this machine.

_netgpu_options() { # [COMMAND]
	netgpu "$@" --help 2>/dev/null | sed -n 's/^ \{1,6\}\(-[^ ],\)\? *\(--[a-z0-9-]*=\?\).*/\2/p'
}

_netgpu_commands() {
	netgpu --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_netgpu() {
	local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} command="" netif="" words="" word previous=""
	# --option=value are three words here
	if [ "$current" = "=" ]; then
		current=""
	elif [ "$option" = "=" ]; then
		option=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		-* | =) ;;
		*) if [ -z "$command" ]; then command=$word; elif [ -e "/sys/class/net/$word" ]; then netif=$word; fi ;;
		esac
		[ "$previous" = --iface ] && netif=$word
		[ "$word" = "=" ] || previous=$word
	done
	COMPREPLY=()
	case $option in
	-g | --gpu)
		words="udmabuf $(echo /dev/dri/renderD*)"
		[ "$command" = bench ] && words+=" host"
		;;
	-q | --queue) words=$(for word in "/sys/class/net/$netif"/queues/rx-*; do echo "${word##*-}"; done) ;;
	--iface) words=$(ls /sys/class/net) ;;
	--mode) words="zc recv recv-copy" ;;
	-f | --format) words="k m g t K M G T" ;;
	--mtu) words="1500 4148" ;;
	--svg | --record | --logfile) compopt -o default; return ;;
	--root) compopt -o dirnames; return ;;
	*)
		case $current in
		-*)
			words=$(_netgpu_options ${command:+"$command"})
			compopt -o nospace
			;;
		*)
			case $command in
			"") words=$(_netgpu_commands) ;;
			setup | reset | probe) words=$(ls /sys/class/net) ;;
			esac
			;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	for word in "${!COMPREPLY[@]}"; do # a space behind all that want no value
		[[ $words != *--* || ${COMPREPLY[word]} == *= ]] || COMPREPLY[word]+=" "
	done
}
complete -F _netgpu netgpu

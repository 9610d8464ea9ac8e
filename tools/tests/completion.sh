#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What bash and zsh complete of netgpu's commands, options and devices.
# lab: machine=none
# lab: timeout=120
. "$(dirname "$0")/../../selftests/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools
need_programs netgpu
. "$top/tools/netgpu/completion/netgpu.bash"

# completes WORD...: the last one is what there is of it; its completions, in a line
completes() {
	COMP_WORDS=(netgpu "$@") COMP_CWORD=$#
	_netgpu 2>/dev/null # compopt finds that nothing is being completed
	echo "${COMPREPLY[*]}" | tr -s ' '
}

# in_zsh TEXT: what the line is after a tab
in_zsh() {
	timeout 30 zsh -f -c '
		zmodload zsh/zpty
		zpty z "TERM=dumb PS1= zsh -f -i"
		zpty -w z "fpath=($1 \$fpath); autoload -U compinit; compinit -D -u; report() { print -r -- \"<\$BUFFER>\" }; zle -N report"
		zpty -w z "bindkey \"^X\" report; setopt nolistambiguous; print rea\"\"dy"
		zpty -r z out "*ready*" || exit
		zpty -w -n z "$2"$'\''\t\x18'\''
		zpty -r z out "*<netgpu*>*" && print -r -- "${${out##*<}%%>*}"
		zpty -d z' zsh "$top/tools/netgpu/completion" "$1"
}

work=$(mktemp -d) && undo rm -rf "$work"
ktap_plan 13
commands=$(netgpu --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | xargs)
[ "$(completes "")" = "$commands" ] && [[ $commands == *topo*regions* ]]
ktap_ok "commands: $commands" $?
[ "$(completes se)" = setup ]
ktap_ok "the beginning of one" $?
for command in $commands; do
	for option in $(netgpu "$command" --help | grep -o '^ \{1,6\}\(-.,\)\? *--[a-z0-9-]*' | grep -o -- '--.*'); do
		[[ " $(completes "$command" "$option" | tr -d =) " == *" $option "* ]] || echo "$command $option"
	done
done >"$work/missing"
missing=$(xargs <"$work/missing")
[ -n "$commands" ] && [ -z "$missing" ]
ktap_ok "all options of all commands $missing" $?
[ "$(completes setup --al)" = "--all-flows " ] && [ "$(completes setup --que)" = "--queue=" ]
ktap_ok "those that want a value end with =" $?
[ "$(completes reset l)" = lo ] && [ "$(completes probe lo --queue = "")" = 0 ] && [ "$(completes probe lo --queue "")" = 0 ]
ktap_ok "network devices and their queues" $?
[ "$(completes bench --iface lo --queue = "")" = 0 ] && [ "$(completes bench --iface = lo --queue = "")" = 0 ]
ktap_ok "of the option, too" $?
[ "$(completes bench --mode = r)" = "recv recv-copy" ] && [ "$(completes probe lo --gpu u)" = udmabuf ] && [ "$(completes bench --gpu = h)" = host ]
ktap_ok "modes, memory" $?
[ "$(completes nosuch "")" = "" ] && [ "$(completes nosuch --)" = "" ]
ktap_ok "nothing of a command that is none" $?

if command -v zsh >/dev/null; then
	[ "$(in_zsh "netgpu se")" = "netgpu setup " ]
	ktap_ok "zsh: a command" $?
	[ "$(in_zsh "netgpu setup --al")" = "netgpu setup --all-flows " ]
	ktap_ok "zsh: an option" $?
	[ "$(in_zsh "netgpu reset l")" = "netgpu reset lo " ]
	ktap_ok "zsh: a network device" $?
	[ "$(in_zsh "netgpu probe lo --queue=")" = "netgpu probe lo --queue=0 " ]
	ktap_ok "zsh: a queue" $?
	[ "$(in_zsh "netgpu bench --gpu=ud")" = "netgpu bench --gpu=udmabuf " ]
	ktap_ok "zsh: memory" $?
else
	for what in "a command" "an option" "a network device" "a queue" memory; do
		ktap_skip "zsh: $what" "zsh is not installed"
	done
fi
ktap_end

# SPDX-License-Identifier: LGPL-2.1 OR MIT
# shellcheck shell=sh
# apt with lists, cache and status of the lab's own below build/ (sourced; needs $top and say.sh).
# Nothing of the machine's own apt state is read or written but its configuration (proxies) and its mirror's address.

apt_dir=${LAB_CACHE:-$top/build/cache}/apt

# The mirrors this machine uses, without those of security and update suites.
apt_mirrors() {
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 2>/dev/null |
		awk '$2 !~ /-(security|updates|backports)/ && !seen[$1]++ { print $1 }'
}

# The suites this machine uses.
apt_suites() {
	apt-get indextargets --format '$(RELEASE)' 2>/dev/null | awk '!seen[$1]++'
}

# apt_for SUITE COMMAND...: apt-get (or apt-cache) that knows SUITE only, and no installed package.
apt_for() {
	_suite=$1
	_command=$2
	shift 2
	_d=$apt_dir/$_suite
	"$_command" -q \
		-o Dir::Etc::sourcelist="$_d/sources.list" -o Dir::Etc::sourceparts="$_d/none" \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts="$_d/none" \
		-o Dir::State::lists="$_d/lists" -o Dir::State::status="$_d/status" \
		-o Dir::State::extended_states="$_d/extended_states" \
		-o Dir::Cache="$_d" -o Dir::Cache::archives="$apt_dir/archives" \
		-o APT::Sandbox::User= -o APT::Install-Recommends=false -o APT::Architecture=amd64 \
		-o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::http::Timeout=30 \
		-o APT::Update::Post-Invoke-Success= -o Dpkg::Use-Pty=0 "$@"
}

# apt_update SUITE: fetch the suite's lists from the first of the machine's mirrors that has it; SUITE-src: those of its sources.
# Without a network the lists of an earlier time do. The reason of a failure is left in $apt_dir/SUITE/log.
apt_update() {
	_s=$1
	_u=$apt_dir/$_s
	mkdir -p "$_u/lists/partial" "$_u/none" "$apt_dir/archives/partial" || die "cannot write below $apt_dir: make it writable."
	: >"$_u/status"
	: >"$_u/log"
	_key=
	for _k in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
		[ -z "$_key" ] && [ -r "$_k" ] && _key="[signed-by=$_k] "
	done
	if [ -s "$_u/sources.list" ] && [ -n "$(find "$_u/done" -mmin -720 2>/dev/null)" ]; then
		return 0
	fi
	for _m in $(apt_mirrors); do
		case $_s in
		*-src) echo "deb-src ${_key}$_m ${_s%-src} main" ;;
		*) echo "deb ${_key}$_m $_s main" ;;
		esac >"$_u/sources.list.new"
		mv "$_u/sources.list.new" "$_u/sources.list"
		if apt_for "$_s" apt-get update -o APT::Update::Error-Mode=any >>"$_u/log" 2>&1; then
			: >"$_u/done"
			return 0
		fi
	done
	[ -e "$_u/done" ]
}

# Why the last apt_update of SUITE failed, in a few words.
apt_reason() {
	if [ -z "$(apt_mirrors)" ]; then
		echo "apt on this machine knows no mirror"
	elif grep -q -E 'Could not (resolve|connect)|Temporary failure|Network is unreachable|Connection (timed|failed)|Unable to connect' "$apt_dir/$1/log"; then
		echo "this machine's mirror cannot be reached"
	elif grep -q -E 'NO_PUBKEY|not signed|signatures' "$apt_dir/$1/log"; then
		echo "the mirror's signature of $1 cannot be checked with this machine's debian-archive-keyring"
	else
		echo "this machine's mirror has no $1"
	fi
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # tmp is lib.sh's
# Sourced by tests that probe what a region would be like.

# probe ARG...: run region_probe for $NETIF, its output in $tmp/probe
probe() {
	region_probe -i "$NETIF" -q 1 "$@" >"$tmp/probe" 2>&1
}

# verdict OUTCOME PLACEMENT PATH [WORDS]: that is what probe found, with WORDS in the sentence; nothing is left of it, and
# a region comes out alike
verdict() {
	local got
	got="$(said probe probe) $(said probe placement) $(said probe path)"
	if [ "$got" != "$1 $2 $3" ] || ! sed -n 's/^message //p' "$tmp/probe" | grep -qF -- "${4:-}" ||
		[ "$(said probe left)" != 0 ] || ! alike; then
		echo "# expected $1 $2 $3 \"${4:-}\":"
		sed 's/^/# /' "$tmp/probe"
		return 1
	fi
}

# refused ERRNO WORDS: by probe and create, in the same words
refused() {
	if [ "$(said probe probe)" != "$1" ] || ! said probe message | grep -qF -- "$2" ||
		[ "$(said probe message)" != "$(said probe create_message)" ] || [ "$(said probe buffer_size)" != 0 ] || ! alike; then
		echo "# expected $1 \"$2\":"
		sed 's/^/# /' "$tmp/probe"
		return 1
	fi
}

alike() {
	[ "$(said probe create)" = "$(said probe probe)" ] || return 1
	[ "$(said probe create)" != 0 ] || [ "$(said probe create_placement)" = "$(said probe placement)" ]
}

# stream NAME PORT BYTES ARG...: pattern into a region, every byte right
stream() {
	local name=$1 port=$2 bytes=$3
	shift 3
	receive "$name" -p "$port" -n "$bytes" -r "$@" && remote pattern_send "$LOCAL_V4" "$port" "$bytes" &&
		wait "${receiver:?}" && [ "$(said "$name" received)" = "$bytes" ] && [ "$(said "$name" correct)" = 1 ] &&
		[ "$(said "$name" error)" = 0 ]
}

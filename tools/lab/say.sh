# SPDX-License-Identifier: LGPL-2.1 OR MIT
# shellcheck shell=sh
# Words to the user, for the lab's shell scripts (sourced).

say() { printf '%s\n' "$*" >&2; }

# One sentence, what and what to do; then the end.
die() { printf 'netgpu: %s\n' "$*" >&2; exit 1; }

# need_space DIR MIB WHAT
need_space() {
	_free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
	[ "${_free:-0}" -ge "$2" ] || [ -n "${LAB_NO_SPACE_CHECK:-}" ] ||
		die "$1 has $_free MiB free and $3 takes about $2: free some, or put a link to a larger disk at $1."
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # tmp is lib.sh's
# Sourced: which lines of net/netgpu were run, on a kernel with CONFIG_GCOV_KERNEL.

# coverage: per file and in all, since boot, as comments
coverage() {
	local counts dir=$tmp/coverage
	counts=$(find /sys/kernel/debug/gcov -path '*/net/netgpu/*.gcda' 2>/dev/null)
	[ -n "$counts" ] && command -v gcov >/dev/null || return 0
	mkdir -p "$dir"
	for file in $counts; do
		cat "$file" >"$dir/${file##*/}"
		# a link to where the kernel was built, which may have another name here
		cp "${file%.gcda}.gcno" "$dir/" 2>/dev/null ||
			cp "build/linux/${LAB_KERNEL:-}/obj/net/netgpu/$(basename "$file" .gcda).gcno" "$dir/" 2>/dev/null
	done
	(cd "$dir" && gcov -n ./*.gcda 2>/dev/null) | awk '
		/^File .*net\/netgpu\/[^\/]*\.c/ { gsub(/.*\/|'\''/, ""); name = $0; next }
		/^Lines executed:/ && name {
			split($0, part, /[:% ]+/)
			run = int(part[3] * part[5] / 100 + 0.5)
			printf "# coverage: %-12s %4d of %4d lines\n", name, run, part[5]
			lines += part[5]; all += run; name = ""
		}
		END { if (lines) printf "# coverage: net/netgpu   %4d of %4d lines, %d %%\n", all, lines, 100 * all / lines }'
}

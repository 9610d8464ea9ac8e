#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A GPU works on what arrives, by Vulkan: lavapipe here, whose memory is udmabuf's. Gathers, and the example that multiplies
# matrices while the next come in.
# lab: topology=switch
# lab: packages=mesa-vulkan-drivers,libvulkan-dev,glslang-tools
# lab: memory=3072
# lab: timeout=400
. "$(dirname "$0")/../../selftests/lib.sh"
. "$(dirname "$0")/../../selftests/vram.sh"
. "$(dirname "$0")/endpoints.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:$top/build/tools
need_netif
[ -x "$top/build/tools/vulkan/matrix" ] || skip_all "what uses Vulkan is not built: its headers, or glslang, are not here"
export VK_DRIVER_FILES=${VK_DRIVER_FILES-/usr/share/vulkan/icd.d/lvp_icd.json}
size=64 matrices=40

# The elements are small whole numbers, so that the sum is exact.
sender='
import array, socket, sys
host, port, size, count = sys.argv[1], *map(int, sys.argv[2:5])
n = range(size)
factor = [[(k + 2 * j) % 5 - 2 for j in n] for k in n]
s = socket.create_connection((host, port))
sums = [0] * (size * size)
for m in range(count):
    a = [(i * 7 + k * 3 + m * 5 + i * k % 4) % 9 - 4 for i in n for k in n]
    sums = [x + y for x, y in zip(sums, a)]
    s.sendall(array.array("f", a).tobytes())
total = sum(sums[i * size + k] * factor[k][j] * (1 + (i + 3 * j) % 11) for i in n for j in n for k in n)
s.close()
print("checksum", int(total))
'
ktap_plan 14
freed_without_network
"$top/build/tools/vulkan/test" | sed 's/^/    /'
ktap_ok "memory by Vulkan, and gathers" "${PIPESTATUS[0]}"
ktap_run "netgpu setup" netgpu setup "$NETIF" --queue 1 --all-flows
undo netgpu reset "$NETIF"

"$top/build/tools/vulkan/matrix" "$NETIF" 1 9100 $size >"$tmp/matrix" 2>&1 &
receiver=$!
if ! wait_for 60 eval 'ss -Hltn "sport = :9100" | grep -q . || ! kill -0 $receiver' ||
	! remote python3 -c "$sender" "$LOCAL_V4" 9100 $size $matrices >"$tmp/sender" 2>&1; then
	kill $receiver
fi
wait $receiver
status=$?
ktap_say "$(cat "$tmp/matrix" "$tmp/sender")"
ktap_ok "matrices are received until the connection ends" $status
sum=$(sed -n 's/^checksum //p' "$tmp/sender")
[ -n "$sum" ] && grep -q "^$matrices matrices, $((matrices * size * size * 4)) bytes, .*checksum $sum$" "$tmp/matrix"
ktap_ok "all of them, and the products are right: $sum" $?
# Endpoints, whose payload the GPU moves to where it belongs.
endpoints endpoints 5219 "$top/build/tools/vulkan/endpoint_peer" vulkan
moved_by_gpu
ktap_ok "all of which the GPU has moved" $?
nothing_left && ordinary_traffic
ktap_ok "nothing is left, ordinary traffic" $?
ktap_end

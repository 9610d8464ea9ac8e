#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A GPU is bound to nouveau, and each allocation for noting what is to be undone when its device is freed fails, one after the
# other. Where that ends the bind, nothing of it stays. After that the GPU can be bound.
# lab: kernel=debug
# lab: topology=nonic,novram,geforce
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gpu.sh"
. "$(dirname "$0")/fault.sh"
need netgpu root

need_lab_gpu_of nouveau
driver=/sys/bus/pci/drivers/nouveau

# binds NTH: bind, with the NTH fault (0: none); how many faults were still to come is in $left
binds() {
	left=$(
		echo "$1" >"/proc/$BASHPID/fail-nth"
		echo "$GPU_PCI" 2>/dev/null >$driver/bind
		read -r left <"/proc/$BASHPID/fail-nth"
		echo 0 >"/proc/$BASHPID/fail-nth"
		echo "$left"
	)
	[ -e $driver/"$GPU_PCI" ]
}

[ -e /sys/kernel/debug/failslab/require-start ] || skip_all "the kernel does not choose faults by their callers"
ktap_plan 5
only_in __drmm_add_action failslab && echo 2 >/sys/kernel/debug/failslab/verbose # with the stack
ktap_ok "faults are chosen by their callers" $?

# One of four faults at each action ends the bind: DRM can do without the action's name, and kmemleak, which notes both
# allocations, has a pool besides. nouveau does not look at the errors of drm_mode_config_init().
refused=
for ((nth = 1; nth < 50; nth++)); do
	[ ! -e $driver/"$GPU_PCI" ] || echo "$GPU_PCI" >$driver/unbind
	dmesg -C
	binds $nth || refused+=" $(dmesg | grep -A 1 '__drmm_add_action+' | sed -n 's/.* \(nouveau_\w*\)+.*/\1/p')"
	[ "$left" = 0 ] || break
done
[ "$left" != 0 ] && [ -e $driver/"$GPU_PCI" ]
ktap_ok "$((nth - 1)) faults, and without one the bind succeeds" $?
for name in nouveau_drm_device_new nouveau_ttm_init; do
	[[ "$refused " = *" $name "* ]]
	ktap_ok "the one in $name ends the bind" $?
done
gpu_node
ktap_ok "the GPU is there at last" $?
ktap_end

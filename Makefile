# SPDX-License-Identifier: GPL-2.0
# Two readers: kbuild, where this file is net/netgpu/Makefile, and people, where it is the top of the repository.
ifneq ($(KERNELRELEASE),)

obj-$(CONFIG_NETGPU_REGION) += attach.o copy.o events.o gate.o limit.o placement.o region.o revoke.o trace.o
obj-$(CONFIG_NETGPU) += device.o
obj-$(CONFIG_NETGPU_SEND) += send.o
obj-$(CONFIG_NETGPU_KUNIT_TEST) += netgpu_test.o
GCOV_PROFILE := y

else

lab := tools/lab/lab

help:
	@echo 'make demo             network data arrives in the memory of another PCI device, with proof; GPU=radeon: in that of'
	@echo '                      an emulated GPU which amdgpu drives (dg1: i915, dg1-xe: xe), beside Linux without netgpu'
	@echo 'make check            all tests, each in a machine of its own; T=part those whose names contain it; T=list their names'
	@echo 'make check-long       those that take minutes, whose core is in make check'
	@echo 'make deb              Debian packages of the kernel, the library, the command, the provider and the tests, below build/deb'
	@echo '                      KCONFIG=/boot/config-...: of a kernel with that configuration, and netgpu'
	@echo 'make rpm              rpm packages of library, command and provider, below build/rpm'
	@echo 'make check-deb        these, installed into a Debian system that is booted, and what runs there'
	@echo 'make check-drivers    those of i915, nouveau and xe'
	@echo 'make check-debug      the same on a kernel with debugging'
	@echo 'make soak             for hours: random calls on that kernel, and what comes and goes again and again'
	@echo 'make bench            what receiving costs the CPU, by the ways there are; T=part; PROFILE=1: by function, as a flame graph'
	@echo 'make lint             what reviewers check first; T=nipa: what the CI of netdev checks, as far as it can be done here'
	@echo 'make docs             the pages of Documentation/, the manual and the interfaces as HTML, below build/docs'
	@echo 'make series           patches and our files as series to post, one directory each below build/series'
	@echo 'make shell            the machine with a prompt; TOPOLOGY=switch|rootports|novram,nic2,...'
	@echo 'make kernel           the kernel, below build/linux; KSRC=DIR takes your own source of Linux 7.3; KCONFIG=FILE'
	@echo '                      your configuration'
	@echo 'make clean            remove what was built; downloads stay.  make distclean: everything below build/'

demo:
	@$(lab) demo
check:
	@$(lab) check
check-long:
	@$(lab) check-long
deb:
	@$(lab) deb
rpm:
	@$(lab) rpm
check-deb:
	@$(lab) check-deb
check-drivers:
	@$(lab) check-drivers
check-debug:
	@$(lab) check-debug
soak:
	@$(lab) soak
bench:
	@$(lab) bench
lint:
	@$(lab) lint
docs:
	@$(lab) docs
series:
	@$(lab) series
shell:
	@$(lab) shell
kernel:
	@$(lab) kernel
clean:
	@$(lab) clean
distclean:
	@$(lab) distclean

export KSRC KCONFIG T TOPOLOGY GPU
.PHONY: help demo deb rpm check check-long check-deb check-drivers check-debug soak bench lint docs series shell kernel clean distclean
MAKEFLAGS += --no-print-directory

endif

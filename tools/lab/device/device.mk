# SPDX-License-Identifier: LGPL-2.1 OR MIT
# Included by the Makefile of an emulated GPU: how its files and those of this directory are compiled, into $(O).
override O := $(abspath $(O))
CC ?= cc
# Each test with the GPU looks for its faults too, where the compiler can.
SANITIZE := $(shell echo 'int main(void) { return 0; }' | $(CC) -fsanitize=address,undefined -x c -o /dev/null - 2>/dev/null && \
	echo -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS = -O2 -g -std=gnu11 -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror -D_GNU_SOURCE $(SANITIZE)

DEVICE := $(addprefix $(O)/,vfio_user.o pci.o expansion_rom.o device.o registers.o memory.o engine.o control.o server.o)

vpath %.c ../device

$(O)/%.o: %.c Makefile ../device/device.mk | $(O)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MT $@ -c -o $@ $<

$(O):
	mkdir -p $@

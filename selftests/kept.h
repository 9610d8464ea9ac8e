/* SPDX-License-Identifier: GPL-2.0 */
/* Data that a receiver leaves where it is, for others to look at: a list, and a wait. */
#ifndef KEPT_H
#define KEPT_H

#include <stdbool.h>

/* Keep from now on, and list in @path: "OFFSET LENGTH" in the dma-buf, in the stream's order. */
void kept_open(const char *path);

/* List @length bytes at @offset. Returns false if nothing is kept: give the buffer back. */
bool kept_add(unsigned long long offset, unsigned int length);

/*
 * Print "dmabuf @dmabuf" and "holding 1", wait until someone removes the list, and print "still"
 * and whether it is all there, as @cpu has it (NULL: do not look).
 */
void kept_hold(int dmabuf, const unsigned char *cpu);

#endif

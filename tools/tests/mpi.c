// SPDX-License-Identifier: GPL-2.0
/*
 * An MPI program whose results are known: it says "right" or what was wrong, once, by its first rank. mpi.sh runs it over the
 * provider.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST	(4 << 20)	/* bytes of a message */
#define AT_ONCE	64		/* messages */

static int me, all;
static uint8_t *out, *in;

static uint8_t byte_of(int rank, int i, int length)
{
	return (uint8_t)(i * 2654435761u >> 11) + rank * 31 + length;
}

/* A number goes round, one more with each. */
static int ring(void)
{
	int n = 1;

	if (me)
		MPI_Recv(&n, 1, MPI_INT, me - 1, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	n++;
	MPI_Send(&n, 1, MPI_INT, (me + 1) % all, 1, MPI_COMM_WORLD);
	if (me)
		return 0;
	MPI_Recv(&n, 1, MPI_INT, all - 1, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	return n != all + 1;
}

/* Each to the next, bytes of its own. */
static int shift(int length)
{
	const int from = (me + all - 1) % all;
	int i, wrong = 0;

	for (i = 0; i < length; i++)
		out[i] = byte_of(me, i, length);
	memset(in, 0xa5, length + 1);
	MPI_Sendrecv(out, length, MPI_BYTE, (me + 1) % all, 2, in, length, MPI_BYTE, from, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	for (i = 0; i < length; i++)
		wrong += in[i] != byte_of(from, i, length);
	return wrong + (in[length] != 0xa5);
}

/* Many at once to each other, of tags that are asked for in another order than that in which they come. */
static int many(void)
{
	MPI_Request request[2 * AT_ONCE];
	int peer, i, wrong = 0;

	for (peer = 0; peer < all; peer++) {
		if (peer == me)
			continue;
		for (i = 0; i < AT_ONCE; i++)
			MPI_Irecv(in + 1000L * i, 1000, MPI_BYTE, peer, 100 + (i * 37 + 5) % AT_ONCE, MPI_COMM_WORLD, &request[i]);
		for (i = 0; i < AT_ONCE; i++) {
			memset(out + 1000L * i, me + i, 1000);
			MPI_Isend(out + 1000L * i, 1000, MPI_BYTE, peer, 100 + i, MPI_COMM_WORLD, &request[AT_ONCE + i]);
		}
		MPI_Waitall(2 * AT_ONCE, request, MPI_STATUSES_IGNORE);
		for (i = 0; i < AT_ONCE * 1000; i++)
			wrong += in[i] != (uint8_t)(peer + (i / 1000 * 37 + 5) % AT_ONCE);
	}
	return wrong;
}

static int all_reduce(int count)
{
	double *mine = (double *)out, *sum = (double *)in;
	int i, wrong = 0;

	for (i = 0; i < count; i++)
		mine[i] = i + me;
	MPI_Allreduce(mine, sum, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
	for (i = 0; i < count; i++)
		wrong += sum[i] != (double)i * all + all * (all - 1) / 2;
	return wrong;
}

/* Two ranks that are the same one's would not have met the provider. */
int main(int argc, char **argv)
{
	static const int sizes[] = { 0, 1, 63, 64, 255, 256, 257, 4096, 65537, 1 << 20, MOST };
	int wrong[4] = { 0 }, sum[4];
	unsigned int i;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	MPI_Comm_size(MPI_COMM_WORLD, &all);
	out = malloc(MOST + 1);
	in = malloc(MOST + 1);
	if (!out || !in || all < 2)
		MPI_Abort(MPI_COMM_WORLD, 1);
	wrong[0] = ring();
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		wrong[1] += shift(sizes[i]);
		wrong[2] += all_reduce(sizes[i] / sizeof(double));
	}
	if (all <= 16)		/* what a byte tells apart */
		wrong[3] = many();
	MPI_Reduce(wrong, sum, 4, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
	if (!me && (sum[0] || sum[1] || sum[2] || sum[3]))
		printf("wrong: ring %d, shifted bytes %d, sums %d, bytes of many %d\n", sum[0], sum[1], sum[2], sum[3]);
	else if (!me)
		printf("right: %d ranks\n", all);
	free(out);
	free(in);
	MPI_Finalize();
	return 0;
}

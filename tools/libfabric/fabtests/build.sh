#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# build.sh SOURCE OUT: compile fabtests, of libfabric's source, without its autotools
set -e
cd "$1/fabtests"
out=$2
mkdir -p "$out/o"
cat > config.h <<'C'
#define PACKAGE_VERSION "2.1.0"
#define HAVE_CLOCK_GETTIME 1
#define HAVE_EPOLL 1
#define HAVE_FABRIC_PROFILE 0
#define ENABLE_DEBUG 0
C
CC="ccache gcc -std=gnu11 -O1 -g -w -D_GNU_SOURCE -DHAVE_CONFIG_H -I. -Iinclude -Icommon"
for f in shared hmem hmem_cuda hmem_rocr hmem_ze hmem_neuron hmem_synapseai ofi_atomic; do $CC -c common/$f.c -o $out/o/$f.o; done
$CC -c benchmarks/benchmark_shared.c -o $out/bm.o; $CC -c unit/common.c -o $out/unit.o
for t in functional/{msg,msg_epoll,msg_sockets,cm_data,cq_data,inject_test,recv_cancel,unexpected_msg,multi_mr,multi_recv,rdm,rdm_rma_event,rdm_tagged_peek,rdm_multi_client,flood,bw,loopback,shared_ctx,multi_ep,resmgmt_test,rdm_multi_domain,rdm_stress} benchmarks/{msg_bw,msg_pingpong,rdm_bw,rdm_pingpong,rdm_tagged_bw,rdm_tagged_pingpong,rdm_cntr_pingpong,rma_bw,rma_pingpong}; do
[ -f $t.c ] || continue
b=$out/fi_$(basename $t)
x=; case $t in benchmarks/*) x=$out/bm.o;; esac
$CC $t.c $x $out/o/*.o -o $b -lfabric -lpthread -ldl || echo "no $t"
done
for t in unit/*_test.c; do b=$out/fi_$(basename $t .c); $CC $t $out/unit.o $out/o/*.o -o $b -lfabric -lpthread -ldl || echo "no $t"; done
ls $out

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# FI_PROVIDER_PATH=DIR run.sh OUT [msg|rdm|unit]: each test as server and client on the loopback
ip link set lo up
export FI_PROVIDER_PATH
ft=$1
shift
T=${T:-15}
two() { # NAME ARGS...
  local n=$1; shift
  timeout -k 2 $T $ft/$n "$@" ${S:--s 127.0.0.1} >/tmp/srv 2>&1 & local s=$!
  for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done
  timeout -k 2 $T $ft/$n "$@" ${C:-} 127.0.0.1 >/tmp/cli 2>&1; local c=$?
  wait $s; local r=$?
  if [ $c = 0 ] && [ $r = 0 ]; then echo "ok $n $*"; else echo "NOT OK $n $* (client $c, server $r): $(tail -n 1 /tmp/cli | cut -c1-150) | $(tail -n 1 /tmp/srv | cut -c1-150)"; fi
}
one() { local n=$1; shift; timeout -k 2 $T $ft/$n "$@" >/tmp/cli 2>&1; local c=$?; if [ $c = 0 ]; then echo "ok $n $*"; else echo "NOT OK $n $* ($c): $(grep -iv "^Test.*pass\|^$" /tmp/cli | tail -n 4 | tr '\n' ';' | cut -c1-300)"; fi; }
m="-p netgpu"; r="-p netgpu;ofi_rxm"
if [ -z "$1" ] || [ "$1" = msg ]; then
two fi_msg $m -e msg
two fi_cm_data $m
two fi_cq_data $m -e msg -o senddata
two fi_cq_data $m -e msg -o writedata
two fi_msg_epoll $m
S="-s 127.0.0.1 -B 9500" C="-s 127.0.0.2 -B 9501 -P 9500" two fi_msg_sockets $m
two fi_inject_test $m -e msg -N
two fi_inject_test $m -e msg
two fi_multi_mr $m -e msg -V
two fi_shared_ctx $m -e msg --no-tx-shared-ctx
two fi_resmgmt_test $m -e msg
two fi_msg_pingpong $m -I 5
two fi_msg_pingpong $m -I 5 -v
two fi_msg_pingpong $m -I 5 -k
two fi_msg_bw $m -I 5
two fi_msg_bw $m -I 5 -v
for o in write read writedata; do
two fi_rma_bw $m -e msg -o $o -I 5
two fi_rma_bw $m -e msg -o $o -I 5 -v
done
two fi_rma_pingpong $m -e msg -o write -I 5
two fi_rma_pingpong $m -e msg -o writedata -I 5
fi
if [ -z "$1" ] || [ "$1" = rdm ]; then
two fi_rdm -p "netgpu;ofi_rxm"
two fi_cq_data -p "netgpu;ofi_rxm" -e rdm -o senddata
two fi_recv_cancel -p "netgpu;ofi_rxm" -e rdm -V
two fi_unexpected_msg -p "netgpu;ofi_rxm" -e rdm -I 5
two fi_multi_recv -p "netgpu;ofi_rxm" -e rdm
two fi_rdm_rma_event -p "netgpu;ofi_rxm"
two fi_rdm_tagged_peek -p "netgpu;ofi_rxm"
two fi_rdm_multi_client -p "netgpu;ofi_rxm" -C 10 -I 5
two fi_rdm_pingpong -p "netgpu;ofi_rxm" -I 5 -v
two fi_rdm_pingpong -p "netgpu;ofi_rxm" -I 5 -c sread
two fi_rdm_pingpong -p "netgpu;ofi_rxm" -I 5 -c fd
two fi_rdm_bw -p "netgpu;ofi_rxm" -I 5 -v
two fi_rdm_tagged_pingpong -p "netgpu;ofi_rxm" -I 5 -v
two fi_rdm_tagged_bw -p "netgpu;ofi_rxm" -I 5 -v
two fi_rdm_cntr_pingpong -p "netgpu;ofi_rxm" -I 5
for o in write read writedata; do two fi_rma_bw -p "netgpu;ofi_rxm" -e rdm -o $o -I 5; done
two fi_inject_test -p "netgpu;ofi_rxm" -e rdm -A inject
two fi_resmgmt_test -p "netgpu;ofi_rxm" -e rdm
fi
if [ -z "$1" ] || [ "$1" = unit ]; then
one fi_getinfo_test -p netgpu -s 127.0.0.1
for t in fi_eq_test fi_cq_test fi_cntr_test fi_dom_test fi_mr_test; do one $t -p netgpu; done
fi

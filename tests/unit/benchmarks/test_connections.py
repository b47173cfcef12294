# SPDX-License-Identifier: Apache-2.0
"""What the benchmark of remote connections reads from Pacemaker's log."""

from tests.benchmarks import connections

# Lines of Pacemaker 2.1.5.
LOG = """\
Nov 28 23:05:00.100 control-1 pacemaker-controld [485] (log_executor_event) 	notice: Result of start operation for \
compute-1 on control-1: ok | CIB update 72, graph action confirmed; call=6 key=compute-1_start_0 rc=0
Nov 28 23:05:40.500 control-1 pacemaker-controld [485] (do_lrm_rsc_op) 	notice: Requesting local execution of start \
operation for compute-1 on control-1 | transition_key=16:11:0:d4b6d3ee op_key=compute-1_start_0
Nov 28 23:05:41.000 control-1 pacemaker-controld [485] (do_lrm_rsc_op) 	notice: Requesting local execution of start \
operation for nova-compute on compute-1 | transition_key=40:13:0:d4b6d3ee op_key=nova-compute_start_0
Nov 28 23:05:55.750 control-1 pacemaker-controld [485] (log_executor_event) 	error: Result of start operation for \
compute-1 on control-1: Timed Out after 15s | CIB update 80, graph action confirmed; call=7 key=compute-1_start_0 rc=1
"""


def test_starts_of_the_connection_are_read_with_their_ends():
    ((begin, end),) = connections.read_starts(LOG, 2026)
    assert (begin, end - begin) == (1795907140.5, 15.25)

# SPDX-License-Identifier: Apache-2.0
"""Figures of the engine: programs that are run on demand, each of which prints a table. No test waits for them.

Run them from the top of the tree, with Debian's own Python; docs/benchmarks.md keeps what was measured.

==================================================== ======== ====================================================
command                                              lab      what
==================================================== ======== ====================================================
/usr/bin/python3 -m tests.benchmarks.decisions       no       time of the pure decisions by number of instances
/usr/bin/python3 -m tests.benchmarks.scale           no       the engine with 1,000 instances on one host: memory,
                                                              requests, CPU
/usr/bin/python3 -m tests.benchmarks.growth          no       the engine by the size of the cloud: an idle hour,
                                                              one failed host, a failed rack
/usr/bin/python3 -m tests.benchmarks.apiload         no       requests of a recovery and of an idle hour, by kind
/usr/bin/python3 -m tests.benchmarks.scheduler       no       Pacemaker's scheduler with and without our rule, by the
                                                              number of hosts; needs crm_simulate
/usr/bin/python3 -m tests.benchmarks.recovery        yes      a host's recovery beside a bare loop that evacuates
/usr/bin/python3 -m tests.benchmarks.idle            yes      the engine idle with 1,000 hosts in the cluster
==================================================== ======== ====================================================
"""

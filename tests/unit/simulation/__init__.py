# SPDX-License-Identifier: Apache-2.0
"""A Nova, its compute hosts and a cluster in memory, for tests of the whole engine.

Their semantics are those that were measured on real ones, the dangerous ones first of all: Nova does not guard against
a second evacuation, it answers before the work is done, its answers get lost, a repeated request takes over the record
of the one before, and a host that comes back does what it was asked for when it died. test_simulation.py holds them to
it.

``clock``
    Time, and what happens in it by itself.
``process``
    The engine's process: how it dies, its workers, its status file.
``cluster``
    Flags, and which nodes are there.
``guests``
    What really runs where, and which rule was broken.
``nova``
    Nova's API, conductor and scheduler: the door that the engine knows.
``compute``
    One host's nova-compute.
``scene``
    All of them together, with Pacemaker, an operator and engines that come and go.
"""

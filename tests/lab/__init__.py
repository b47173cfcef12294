# SPDX-License-Identifier: Apache-2.0
"""The lab: a Pacemaker cluster, its BMCs and an OpenStack cloud on one machine, all of real software.

``cli`` is its face for people; tests, benchmarks and the fault campaign import the modules. Read in this
order: ``settings`` (names, addresses, directories), ``lab`` (how the whole is brought up and down),
``nodes`` (the containers), ``bmc`` (their power), ``cluster`` (Pacemaker, by pcs), ``cloud`` (OpenStack),
``faults`` (what can be broken), ``audits`` (what must hold whatever was broken).

Only the standard library and Debian's packages are used, so that a fresh machine needs no preparation
other than ``./lab`` itself.
"""

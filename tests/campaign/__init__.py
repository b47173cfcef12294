# SPDX-License-Identifier: Apache-2.0
"""The fault campaign: a program that breaks the lab on purpose, again and again, and audits the whole history.

    /usr/bin/python3 -m tests.campaign --runs N --seed S

A run is a seed. Read in this order: ``disturbances`` (what can be broken, a class for each), ``plan`` (a seed becomes
a workload, and faults that strike it: pure), ``moments`` (how far a recovery is: pure), ``client`` (the tenant who uses
the cloud meanwhile) and ``account`` (what he may expect: pure), ``run`` (carries a plan out on the lab), ``rest`` (what
is still missing until all is well again), ``secrets`` (safety rule 7), ``verdict`` (what is to be said of a run),
``tell`` (its timeline: pure), ``results`` (what is kept, and the table made of it). docs/campaign.md is for users.
"""

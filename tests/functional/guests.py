# SPDX-License-Identifier: Apache-2.0
"""Guests that are virtual machines, by the diaries on their own disks."""

from tests.functional.steps import eventually
from tests.lab.guest import disk


def diary(instance):
    """All incarnations of an instance, on whatever disk, in the order in which they booted."""
    found = [each for file in disk.of(instance).values() for each in disk.read(file)]
    return sorted(found, key=lambda incarnation: incarnation.first)


def booted(ids, times=1):
    """The instances, once the guest of each has booted so many times, and keeps its diary."""
    eventually(f"each guest to have booted {times} times", lambda: all(len(diary(id)) == times for id in ids), 60)
    return ids

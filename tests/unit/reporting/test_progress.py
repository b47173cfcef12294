# SPDX-License-Identifier: Apache-2.0
"""How far a recovery is, by the events."""

from nova_ha.reporting.events import Event
from nova_ha.reporting.progress import Progress


def test_instances_count_that_have_arrived_since_the_host_was_taken_up():
    progress = Progress()
    assert (progress.begun("compute-1"), progress.back("compute-1")) == (None, 0)
    progress.see(Event.INSTANCE_EVACUATED, "compute-1", "i0", 5.0)
    progress.see(Event.HOST_CLAIMED, "compute-1", None, 10.0)
    for instance in ("i1", "i2", "i1"):
        progress.see(Event.INSTANCE_EVACUATED, "compute-1", instance, 20.0)
    progress.see(Event.EVACUATION_ACCEPTED, "compute-1", "i3", 20.0)
    assert (progress.begun("compute-1"), progress.back("compute-1")) == (10.0, 2)
    assert progress.back("compute-2") == 0


def test_a_host_is_forgotten_with_its_flag():
    progress = Progress()
    for host in ("compute-1", "compute-2", "compute-3"):
        progress.see(Event.HOST_CLAIMED, host, None, 10.0)
    progress.see(Event.FLAG_CLEARED, "compute-1", None, 20.0)
    progress.keep({"compute-1", "compute-2"})
    assert [progress.begun(f"compute-{number}") for number in (1, 2, 3)] == [None, 10.0, None]

# SPDX-License-Identifier: Apache-2.0
"""Healing does what is needed and no more: a lab that is whole is not brought up anew."""

import types

import pytest

from tests.lab import cluster, faults, healing, lab, nodes, settings, workload
from tests.lab.cloud import impair
from tests.lab.shell import LabError

USABLE = {"state": "up", "status": "enabled", "forced_down": False}


@pytest.fixture
def heal(monkeypatch):
    """A function that heals a lab of such a state, and returns what was done for it."""

    def run(stood=False, whole=True, flags=(), failures=()):
        done = []

        def note(module, name, answer=None):
            monkeypatch.setattr(module, name, lambda *args, **options: done.append(name) or answer)

        for name in ("clear", "set_guests", "set_scheduler"):
            note(impair, name)
        for name in ("delete_all", "delete_aggregates"):
            note(workload, name)
        note(lab, "up")
        note(nodes, "execute")
        note(faults, "end_all", stood)
        note(cluster, "set_options")
        note(workload, "services", [USABLE])
        note(workload, "client", types.SimpleNamespace(services=None))
        monkeypatch.setattr(lab, "is_whole", lambda chosen: whole() if callable(whole) else whole)
        monkeypatch.setattr(cluster, "pcs", lambda chosen, *words: done.append(" ".join(words)))
        monkeypatch.setattr(cluster, "status", lambda chosen: types.SimpleNamespace(failures=lambda: failures))
        monkeypatch.setattr(cluster, "any_control", lambda chosen: "control-1")
        shown = iter([dict.fromkeys(flags, "yes")] if flags else [])
        monkeypatch.setattr(cluster, "flags", lambda chosen: next(shown, {}))
        healing.heal(settings.Settings())
        return done

    return run


def election():
    raise LabError("no control node has a cluster with a quorum")


def test_a_whole_lab_is_only_tidied(heal):
    assert not {"up", "resource cleanup"} & set(heal())


def test_failures_that_the_cluster_remembers_are_cleaned_up(heal):
    assert "resource cleanup" in heal(failures=["nova-evacuate_monitor_10000"])


@pytest.mark.parametrize("state", [{"stood": True}, {"whole": False}, {"whole": election}])
def test_a_lab_that_may_not_be_whole_is_brought_up(heal, state):
    assert "up" in heal(**state)


def test_a_flagged_host_has_no_instance_to_wait_for_when_it_is_waited_for(heal):
    done = heal(whole=False, flags=("compute-1",))
    assert done.index("delete_all") < done.index("up")


def test_heals_that_fail_in_succession_are_counted(heal, monkeypatch):
    before = healing.failed_in_succession()
    for failed in (1, 2):
        with pytest.raises(LabError), monkeypatch.context() as broken:
            broken.setattr(healing, "wait_for", dead)
            heal()
        assert healing.failed_in_succession() == before + failed
    heal()
    assert healing.failed_in_succession() == 0


def dead(*_):
    raise LabError("waited 180 s for all flags to be gone")

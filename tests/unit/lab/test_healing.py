# SPDX-License-Identifier: Apache-2.0
"""Healing does what is needed and no more: a lab that is whole is not brought up anew."""

import types

import pytest

from tests.lab import cluster, faults, healing, lab, nodes, settings, workload
from tests.lab.cloud import impair
from tests.lab.shell import LabError

USABLE = {"host": "compute-1", "state": "up", "status": "enabled", "forced_down": False}


@pytest.fixture
def heal(monkeypatch):
    """A function that heals a lab of such a state, and returns what was done for it."""

    def run(stood=False, whole=True, flags=(), failures=(), returning=None, service=USABLE):
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
        note(workload, "services", [service])
        note(workload, "client", types.SimpleNamespace(services=None))
        monkeypatch.setattr(lab, "is_whole", lambda chosen, but: whole(but) if callable(whole) else whole)
        monkeypatch.setattr(cluster, "pcs", lambda chosen, *words: done.append(" ".join(words)))
        monkeypatch.setattr(cluster, "status", lambda chosen: types.SimpleNamespace(failures=lambda: failures))
        monkeypatch.setattr(cluster, "any_control", lambda chosen: "control-1")
        shown = iter([dict.fromkeys(flags, "yes")] if flags else [])
        # The flag of one that is on its way stands for as long as it takes.
        on_its_way = {returning: "no"} if returning else {}
        monkeypatch.setattr(cluster, "flags", lambda chosen: next(shown, on_its_way))
        healing.heal(settings.Settings(), returning=tuple(on_its_way))
        return done

    return run


def election(_but):
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


def test_a_host_that_was_recovered_comes_back_by_itself(heal):
    out = {**USABLE, "state": "down", "status": "disabled", "forced_down": True}
    done = heal(whole=lambda but: but == ("compute-1",), returning="compute-1", service=out)
    assert "up" not in done

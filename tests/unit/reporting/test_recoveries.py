# SPDX-License-Identifier: Apache-2.0
"""To which recovery each event belongs: the same on each node, whoever goes on with it."""

import pytest

from nova_ha.reporting.recoveries import NEAR, numbered, recoveries
from tests.unit.cli.scenes import event

HOST = "compute-1"
FIRST = f"{HOST}@100"


def happened(*what, host=HOST):
    """Events as ``(time, name)``; those of instances are of one."""
    of_instance = ("evacuation_accepted", "instance_evacuated", "restore_step_done", "instance_waits")
    return [event(name, host=host, time=float(at), number=1 if name in of_instance else None) for at, name in what]


def ids(*what):
    return [each["recovery"] for each in numbered(happened(*what))]


WHOLE = [(100, "host_claimed"), (101, "evacuation_accepted"), (120, "host_recovered"), (130, "flag_cleared")]


def test_all_of_a_recovery_has_one_id():
    assert ids(*WHOLE) == [FIRST] * 4
    (found,) = recoveries(happened(*WHOLE))
    assert (found.host, found.begun, found.ended) == (HOST, 100, 130)


def test_a_failover_does_not_split_it():
    taken_over = [*WHOLE[:2], (110, "host_claimed"), (111, "instance_evacuated"), *WHOLE[2:]]
    assert ids(*taken_over) == [FIRST] * 6


def test_a_host_that_is_fenced_once_more_while_it_is_recovered_is_in_the_same():
    assert ids((100, "host_claimed"), (150, "host_claimed"), (160, "host_recovered")) == [FIRST] * 3


@pytest.mark.parametrize("over", [WHOLE, WHOLE[:-1]])
def test_one_that_dies_again_is_in_another(over):
    assert ids(*over, (500, "host_claimed"), (501, "evacuation_accepted"))[-2:] == [f"{HOST}@500"] * 2


def test_what_was_told_of_a_held_host_belongs_to_it():
    held = [(90, "host_forced_down"), (91, "host_needs_operator"), (92, "operator_ordered")]
    assert ids(*held) == [None] * 3
    assert ids(*held, *WHOLE) == [FIRST] * 7
    assert ids((99 - NEAR, "host_waits"), *WHOLE)[0] is None


def test_what_is_told_of_its_instances_afterwards_belongs_to_it_and_of_the_host_does_not():
    assert ids(*WHOLE, (140, "restore_step_done"), (150, "host_waits"))[-2:] == [FIRST, None]


def test_one_whose_beginning_is_not_kept_has_an_id():
    assert ids((7, "evacuation_accepted"), (9, "flag_cleared")) == [f"{HOST}@7"] * 2


def test_each_host_has_its_own():
    mixed = sorted(happened(*WHOLE) + happened(*WHOLE, host="compute-2"), key=lambda each: each["time"])
    assert {(each["host"], each["recovery"]) for each in numbered(mixed)} == {
        (HOST, FIRST),
        ("compute-2", "compute-2@100"),
    }


def test_it_has_the_id_that_the_journal_has(monkeypatch):
    """Which the engine forms of the time of its claim."""
    assert ids((1795882109.6, "host_claimed"))[0] == f"{HOST}@1795882110"

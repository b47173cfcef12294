# SPDX-License-Identifier: Apache-2.0
"""``nova-ha retry``: what failed is tried again; where a guest may run it says what is to be proved first."""

from xml.etree import ElementTree

import pytest

from nova_ha.cli import retry
from nova_ha.model import orders
from nova_ha.model.reasons import Code
from nova_ha.model.request import RETRIED
from nova_ha.reporting import published
from tests.unit.cli.scenes import ID, Pacemaker, account, doing

HOST = "compute-1"
CLAIM = "control-2@1000"
WHY = ("--reason", "quota raised", "--yes")


class Ordering(Pacemaker):
    """A cluster that keeps orders beside the flags; the engine takes each up at once, if it runs.

    :ivar ordered: each order
    """

    def __init__(self, instances, flags=None, heeds=True, steal=None, **more):
        super().__init__({HOST: CLAIM} if flags is None else flags, **more)
        hosts = {host: account(flag, instances) for host, flag in self.flags.items()}
        report = {"schema": 1, "state": "working", "reason": "r", "hosts": hosts}
        self.published = {"control-2": published.packed(report, None, 60_000)}
        self.standing = None
        self.just_ordered = None  # what somebody else orders at the same time
        self.ordered = []
        self._heeds = heeds
        self._flag_once_asked = steal

    def _cibadmin(self, action, _xpath, xpath, *more):
        if "evacuate-order" not in xpath:
            return super()._cibadmin(action, _xpath, xpath, *more)
        if action == "--modify":
            return self._order(xpath, *more)
        if self.standing is None:
            return None
        pair = f'<nvpair id="r" name="evacuate-order" value="{self.standing}"/>'
        return f'<node uname="{HOST}"><instance_attributes>{pair}</instance_attributes></node>'

    def _order(self, xpath, _option, text):
        assert 'not(instance_attributes/nvpair[@name="evacuate-order"])' in xpath
        if self.standing is not None or self.just_ordered:
            self.standing = self.standing or self.just_ordered
            return None
        (pair,) = ElementTree.fromstring(text).iter("nvpair")
        self.ordered.append(orders.read(pair.get("value")))
        self.standing = None if self._heeds else pair.get("value")
        return "<done/>"

    def _crm_node(self, *name):
        # Who gives the order is asked for before anybody is asked whether he wants it.
        self.flags[HOST] = self._flag_once_asked or self.flags.get(HOST)
        return super()._crm_node(*name)


@pytest.fixture(autouse=True)
def impatient(noted, monkeypatch):
    monkeypatch.setattr(retry, "PATIENCE", 0)
    monkeypatch.setenv("SUDO_USER", "alice")


def waiting(number, code, **more):
    return doing(number, reason=f"the reason of {number}", **{"code": code, **more})


MIXED = [waiting(1, "no_room"), waiting(2, "spawn_failed"), waiting(3, "stuck"), waiting(4, None, what="skip")]


def test_what_failed_on_a_host_is_tried_again_and_the_rest_is_named(command, noted):
    pacemaker = Ordering(MIXED)
    code, out, err = command(pacemaker, "retry", HOST, *WHY)
    assert (code, err) == (0, "")
    (order,) = pacemaker.ordered
    assert (order.instances, order.who) == (None, "alice@control-1")
    assert f"{ID.format(1)} web-1, {ID.format(2)} web-2\n" in out
    assert "1 other instance: left as it is (stuck)" in out
    assert "The engine has taken it up." in out
    assert noted == [f'operator_ordered: host={HOST} order="retry all" operator=alice@control-1 reason="quota raised"']


@pytest.mark.parametrize("name", [ID.format(2), ID.format(2)[:-1], "web-2"])
def test_one_instance_is_tried_again(command, name):
    pacemaker = Ordering([waiting(2, "no_room")])
    assert command(pacemaker, "retry", name, *WHY)[0] == 0
    assert [order.instances for order in pacemaker.ordered] == [frozenset({ID.format(2)})]


@pytest.mark.parametrize("code", sorted(RETRIED))
def test_each_failure_may_be_tried_again(command, code):
    pacemaker = Ordering([waiting(1, code.value)])
    assert command(pacemaker, "retry", "web-1", *WHY)[0] == 0
    assert len(pacemaker.ordered) == 1


@pytest.mark.parametrize("code", sorted(retry.MAY_RUN))
def test_where_a_guest_may_run_it_is_refused_with_what_must_be_proved_first(command, noted, code):
    pacemaker = Ordering([waiting(1, code.value, command="openstack server set --state error X")])
    found, out, err = command(pacemaker, "retry", "web-1", *WHY)
    assert (found, out, err.count("\n"), pacemaker.ordered, noted) == (1, "", 1, [], [])
    assert err.startswith(f"nova-ha: {ID.format(1)} web-1: {code.value}: the reason of 1. A guest of it may run")
    assert "To be proved first: " in err
    assert "openstack server set --state error X" in err


def test_no_code_is_both():
    assert set() == retry.MAY_RUN & RETRIED


@pytest.mark.parametrize("code", sorted({code for code in Code} - retry.MAY_RUN - RETRIED))
def test_what_did_not_fail_is_not_tried_again(command, code):
    pacemaker = Ordering([waiting(1, code.value)])
    found, _out, err = command(pacemaker, "retry", "web-1", *WHY)
    assert (found, err.count("\n"), pacemaker.ordered) == (1, 1, [])
    assert "nothing to try again" in err


@pytest.mark.parametrize(
    ("flags", "subject", "said"),
    [
        ({HOST: "yes"}, HOST, "no engine has taken it up (flag yes): see nova-ha go"),
        ({HOST: "no"}, HOST, "it is recovered (flag no)"),
        ({HOST: "restart"}, HOST, "it is recovered (flag restart)"),
        ({HOST: CLAIM}, "compute-7", "compute-7: no host, and no instance, in recovery goes by that name"),
        ({HOST: CLAIM}, ID.format(77), "no host, and no instance, in recovery goes by that name"),
        ({}, HOST, "no host, and no instance, in recovery goes by that name"),
    ],
)
def test_what_is_not_in_recovery_is_refused(command, flags, subject, said):
    pacemaker = Ordering(MIXED, flags)
    found, _out, err = command(pacemaker, "retry", subject, *WHY)
    assert (found, err.count("\n"), pacemaker.ordered) == (1, 1, [])
    assert said in err


def test_a_host_of_which_nothing_failed_is_refused(command):
    pacemaker = Ordering([waiting(1, "evacuating"), waiting(2, "evacuating"), waiting(3, "stuck")])
    found, _out, err = command(pacemaker, "retry", HOST, *WHY)
    assert (found, err.count("\n"), pacemaker.ordered) == (1, 1, [])
    assert "(2 instances: evacuating; 1 instance: stuck)" in err


def test_without_an_engine_it_is_refused(command):
    pacemaker = Ordering(MIXED, active=[])
    found, _out, err = command(pacemaker, "retry", HOST, *WHY)
    assert (found, err.count("\n"), pacemaker.ordered) == (1, 1, [])
    assert "the engine is stopped" in err


def test_two_instances_of_one_name_are_not_guessed_at(command):
    pacemaker = Ordering([waiting(1, "no_room"), waiting(2, "no_room", name="web-1")])
    found, _out, err = command(pacemaker, "retry", "web-1", *WHY)
    assert (found, err.count("\n"), pacemaker.ordered) == (1, 1, [])


@pytest.mark.parametrize("answer", ["n\n", "", "\n"])
def test_nothing_is_ordered_without_a_yes(command, answers, noted, answer):
    answers(answer)
    pacemaker = Ordering(MIXED)
    assert command(pacemaker, "retry", HOST)[0] == 1
    assert (pacemaker.ordered, noted) == ([], [])


def test_a_flag_that_changes_in_between_is_not_ordered_about(command, noted):
    pacemaker = Ordering(MIXED, steal="no")
    code, _out, err = command(pacemaker, "retry", HOST, *WHY)
    assert (code, pacemaker.ordered, noted) == (1, [], [])
    assert err == f"nova-ha: {HOST}: nothing is ordered, its flag is no meanwhile\n"


@pytest.mark.parametrize("when", ["standing", "just_ordered"])
def test_an_order_that_stands_is_not_replaced(command, noted, when):
    pacemaker = Ordering(MIXED)
    setattr(pacemaker, when, "all:bob%40control-3:5")
    code, _out, err = command(pacemaker, "retry", HOST, *WHY)
    assert (code, pacemaker.ordered, noted) == (1, [], [])
    assert "the engine has still to take up all:bob%40control-3:5" in err


def test_that_the_engine_is_slow_is_told(command):
    code, _out, err = command(Ordering(MIXED, heeds=False), "retry", HOST, *WHY)
    assert (code, err.count("\n")) == (0, 1)
    assert "nova-ha status" in err

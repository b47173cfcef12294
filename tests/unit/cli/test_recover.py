# SPDX-License-Identifier: Apache-2.0
"""Recoveries that an operator begins, or ends: refused where they would surely destroy something."""

import dataclasses
import io
import sys
from xml.etree import ElementTree

import pytest

from nova_ha.cli import plan, recover
from nova_ha.cloud import nova
from nova_ha.model import orders
from tests.unit.cli.scenes import Pacemaker
from tests.unit.doubles import FakeCloud
from tests.unit.worlds import instance, record, service

HOST = "compute-9"
WHY = ("--reason", "CHG-4711")
CERTAIN = "--power-is-off-i-am-certain"


class Fencing(Pacemaker):
    """A cluster that can fence, and has one host.

    :ivar fenced: those that it was asked to fence
    """

    def __init__(self, flags=(), online=False, flags_when_fenced="yes", **more):
        super().__init__(flags, **more)
        self.fenced = []
        self._online = online
        self._flags_when_fenced = flags_when_fenced

    def _stonith_admin(self, *options):
        assert options[0] == "--reboot"
        self.fenced.append(options[1])
        if self._flags_when_fenced:
            self.flags[options[1]] = self._flags_when_fenced
        return "done"

    def _crm_attribute(self, *options):
        if "--node" not in options:
            return super()._crm_attribute(*options)
        self.flags[options[1]] = options[-1]
        return "done"

    def _crm_mon(self, *options):
        if "nodes" not in options[-1]:
            return super()._crm_mon(*options)
        online = str(self._online).lower()
        started = f'<resource id="{HOST}" role="Started"/>' if self._online else ""
        return f'<r><nodes><node name="{HOST}" type="remote" online="{online}"/></nodes>{started}</r>'


@pytest.fixture(autouse=True)
def impatient(noted, monkeypatch):
    monkeypatch.setattr(recover, "FLAG_PATIENCE", 0)
    monkeypatch.setattr(recover, "QUIET", 0.0)
    monkeypatch.setattr(recover, "END_PATIENCE", 0.0)
    monkeypatch.setenv("SUDO_USER", "alice")


@pytest.fixture
def cloud(monkeypatch):
    """A Nova with the host, down, and two instances on it."""
    found = FakeCloud(service(HOST, up=False, enabled=True, forced_down=False))
    found.on = {HOST: [instance(1, host=HOST), instance(2, host=HOST)]}
    monkeypatch.setattr(plan, "connect", lambda _conf: found)
    return found


def up(cloud):
    cloud.known[HOST] = dataclasses.replace(cloud.known[HOST], up=True)


# evacuate


@pytest.mark.parametrize("is_up", [False, True])
def test_a_host_is_fenced_by_the_cluster_and_followed(command, cloud, noted, is_up):
    pacemaker = Fencing(online=is_up, active=[])
    if is_up:
        up(cloud)
    code, out, err = command(pacemaker, "evacuate", HOST, *WHY, "--yes")
    # No engine runs: that needs an operator.
    assert (code, pacemaker.fenced, pacemaker.flags) == (4, [HOST], {HOST: "yes"})
    assert f"{HOST}: flag absent; {'online' if is_up else 'offline'} in the cluster" in out
    assert "2 instances on it." in out
    assert noted[0].startswith(f"operator_ordered: host={HOST} order=evacuate ")


@pytest.mark.parametrize("works", [{}, {HOST: "1000:alice:kernel:"}])
def test_a_host_in_maintenance_comes_back_by_an_order_and_that_is_said(command, cloud, works):
    pacemaker = Fencing(active=[])
    pacemaker.beside = {"evacuate-maintenance": works} if works else {}
    _code, _out, err = command(pacemaker, "evacuate", HOST, *WHY, "--yes")
    assert (f"nova-ha maintenance {HOST} --off" in err) is bool(works)


def test_that_it_was_fenced_and_not_flagged_is_told(command, cloud):
    code, _out, err = command(Fencing(flags_when_fenced=None), "evacuate", HOST, *WHY, "--yes")
    assert (code, err.count("\n")) == (1, 1)
    assert "fence_compute" in err


def test_that_it_cannot_be_fenced_is_told(command, cloud):
    class Helpless(Fencing):
        def __call__(self, words, timeout):
            if words[0] == "stonith_admin":
                assert timeout > 300
                return 237, "", "stonith_admin: Could not perform requested fencing: No such device"
            return super().__call__(words, timeout)

    code, _out, err = command(Helpless(), "evacuate", HOST, *WHY, "--yes")
    assert (code, err.count("\n")) == (1, 1)
    assert "No such device" in err


@pytest.mark.parametrize("flag", ["yes", "control-2@7", "go"])
@pytest.mark.parametrize("form", ["--yes", CERTAIN])
def test_what_is_flagged_already_is_left(command, cloud, flag, form):
    pacemaker = Fencing({HOST: flag})
    code, _out, err = command(pacemaker, "evacuate", HOST, *WHY, form)
    assert (code, pacemaker.fenced, pacemaker.flags) == (1, [], {HOST: flag})
    assert "flagged already" in err


@pytest.mark.parametrize("flag", ["no", "restart"])
def test_a_recovered_host_that_has_died_since_is_fenced_again(command, cloud, answers, flag):
    pacemaker = Fencing({HOST: flag}, active=[])
    command(pacemaker, "evacuate", HOST, *WHY, "--yes")
    assert (pacemaker.fenced, pacemaker.flags) == ([HOST], {HOST: "yes"})
    answers(f"{HOST}\n")
    pacemaker = Fencing({HOST: flag}, active=[])
    command(pacemaker, "evacuate", HOST, *WHY, CERTAIN)
    assert pacemaker.flags == {HOST: "yes"}


# evacuate, without fencing


@pytest.mark.parametrize(("online", "is_up"), [(True, False), (False, True), (True, True)])
def test_a_host_that_lives_is_not_flagged_whatever_an_operator_is_certain_of(command, cloud, answers, online, is_up):
    answers(f"{HOST}\n")
    if is_up:
        up(cloud)
    pacemaker = Fencing(online=online)
    code, _out, err = command(pacemaker, "evacuate", HOST, *WHY, CERTAIN)
    assert (code, pacemaker.flags) == (1, {})
    assert "not off" in err


@pytest.mark.parametrize("text", ["y\n", "compute-8\n", ""])
def test_it_is_not_flagged_unless_its_name_is_typed(command, cloud, answers, noted, text):
    answers(text)
    pacemaker = Fencing()
    assert command(pacemaker, "evacuate", HOST, *WHY, CERTAIN)[0] == 1
    assert (pacemaker.flags, noted) == ({}, [])


def test_without_a_terminal_no_name_can_be_typed(command, cloud):
    pacemaker = Fencing()
    code, _out, err = command(pacemaker, "evacuate", HOST, *WHY, CERTAIN, "--yes")
    assert (code, pacemaker.flags) == (1, {})
    assert "terminal" in err


def test_it_is_flagged_once_its_name_is_typed(command, cloud, answers, noted):
    answers(f"{HOST}\n")
    pacemaker = Fencing(active=[])
    _code, out, _err = command(pacemaker, "evacuate", HOST, *WHY, CERTAIN)
    assert (pacemaker.flags, pacemaker.fenced) == ({HOST: "yes"}, [])
    assert "instances run twice" in out
    assert len(noted) == 1


# end


def records(*statuses):
    """Evacuations of instance after instance."""
    return [
        record(number, instance=f"i{number}", status=status, source=HOST) for number, status in enumerate(statuses, 1)
    ]


CLAIM = "control-2@7"


@pytest.mark.parametrize("flag", ["yes", "go", CLAIM])
def test_a_recovery_is_ended(command, cloud, noted, flag):
    cloud.records = records("done", "error", "completed")
    pacemaker = Fencing({HOST: flag}, active=["control-2"] if flag in ("yes", "go") else [])
    code, out, err = command(pacemaker, "end", HOST, *WHY, "--yes")
    assert (code, pacemaker.flags) == (0, {HOST: "no"})
    assert (err == "") is (flag in ("yes", "go"))
    assert f"deleted from {HOST} when its nova-compute starts: i1, i3." in out
    assert "They are not recovered: i1 " in out
    assert len(noted) == 1


class Ending(Fencing):
    """A cluster with an engine, and the orders that it gets.

    :param ends: what the engine makes the flag on an order; None: nothing, for now
    :ivar standing: the order
    """

    def __init__(self, ends, standing=None):
        super().__init__({HOST: CLAIM})
        self.standing = standing
        self._ends = ends

    def _cibadmin(self, action, _xpath, xpath, *more):
        if "evacuate-order" not in xpath:
            return super()._cibadmin(action, _xpath, xpath, *more)
        if action == "--modify":
            return self._order(*more)
        if self.standing is None:
            return None
        pair = f'<nvpair id="o" name="evacuate-order" value="{self.standing}"/>'
        return f'<node uname="{HOST}"><instance_attributes>{pair}</instance_attributes></node>'

    def _order(self, _option, text):
        if self.standing is not None:
            return None
        (pair,) = ElementTree.fromstring(text).iter("nvpair")
        self.standing = pair.get("value")
        if self._ends:
            self.flags[HOST] = self._ends
        return "<done/>"


@pytest.mark.parametrize(
    ("ends", "code", "told"),
    [
        ("no", 0, f"{HOST}: flag {CLAIM} -> no"),
        ("restart", 0, f"{HOST}: flag {CLAIM} -> restart"),
        (None, 0, f"see nova-ha status {HOST}"),
        ("yes", 1, "not ended, its flag is yes"),
        ("control-1@9", 1, "not ended, its flag is control-1@9"),
    ],
)
def test_the_engine_that_has_taken_a_host_up_ends_its_recovery(command, cloud, noted, ends, code, told):
    """It alone knows what it has asked for."""
    pacemaker = Ending(ends)
    found, out, err = command(pacemaker, "end", HOST, *WHY, "--yes")
    order = orders.read(pacemaker.standing)
    assert (found, pacemaker.flags, len(noted)) == (code, {HOST: ends or CLAIM}, 1)
    assert (order.claim, order.who) == (CLAIM, "alice@control-1")
    assert told in out + err


def test_what_the_engine_has_been_ordered_before_it_takes_up_first(command, cloud, noted):
    pacemaker = Ending("no", standing="all:bob:7")
    code, _out, err = command(pacemaker, "end", HOST, *WHY, "--yes")
    assert (code, pacemaker.standing, pacemaker.flags, noted) == (1, "all:bob:7", {HOST: CLAIM}, [])


def test_what_was_fenced_again_is_not_ended_before_the_engine_has_taken_it_up(command, cloud, noted):
    """It may have asked for an evacuation that shows later."""
    out = {"forced_down": True, "enabled": False, "disabled_reason": "nova-ha: being recovered"}
    cloud.known[HOST] = dataclasses.replace(cloud.known[HOST], **out)
    pacemaker = Fencing({HOST: "yes"})
    code, _out, err = command(pacemaker, "end", HOST, *WHY, "--yes")
    assert (code, pacemaker.flags, noted) == (1, {HOST: "yes"}, [])
    assert "fenced again" in err


def test_what_the_engine_may_have_asked_for_before_it_was_stopped_is_awaited(command, cloud, noted, monkeypatch):
    monkeypatch.setattr(recover, "QUIET", 0.05)
    monkeypatch.setattr(recover, "_QUIET_LOOK", 0.01)
    pacemaker = Fencing({HOST: "control-2@7"}, active=[])
    looked = []

    def migrations(host):
        looked.append(host)
        return records("accepted") if len(looked) > 2 else []

    monkeypatch.setattr(cloud, "migrations", migrations)
    code, _out, err = command(pacemaker, "end", HOST, *WHY, "--yes")
    assert (code, pacemaker.flags, noted) == (1, {HOST: "control-2@7"}, [])
    assert "1 evacuation in flight" in err


def test_it_is_not_ended_while_an_evacuation_is_in_flight(command, cloud, noted):
    cloud.records = records("done", "pre-migrating")
    pacemaker = Fencing({HOST: "control-2@7"})
    code, _out, err = command(pacemaker, "end", HOST, *WHY, "--yes")
    assert (code, pacemaker.flags, noted) == (1, {HOST: "control-2@7"}, [])
    assert "1 evacuation in flight (i2)" in err


def test_a_record_that_another_request_has_outlived_does_not_stand_in_the_way(command, cloud):
    stale, done = records("accepted", "done")
    cloud.records = [stale, dataclasses.replace(done, instance="i1")]
    assert command(Fencing({HOST: "yes"}), "end", HOST, *WHY, "--yes")[0] == 0


@pytest.mark.parametrize(("statuses", "code", "flags"), [(["done"], 0, {HOST: "no"}), (["accepted"], 1, {})])
def test_a_host_whose_flag_was_deleted_returns_once_its_evacuations_are_over(command, cloud, statuses, code, flags):
    out = {"forced_down": True, "enabled": False, "disabled_reason": "nova-ha: being recovered"}
    cloud.known[HOST] = dataclasses.replace(cloud.known[HOST], **out)
    cloud.records = records(*statuses)
    pacemaker = Fencing({})
    assert command(pacemaker, "end", HOST, *WHY, "--yes")[0] == code
    assert pacemaker.flags == flags


def test_a_host_that_is_fenced_while_that_is_awaited_is_not_ended(command, cloud, noted, monkeypatch):
    out = {"forced_down": True, "enabled": False, "disabled_reason": "nova-ha: held"}
    cloud.known[HOST] = dataclasses.replace(cloud.known[HOST], **out)
    pacemaker = Fencing({}, active=[])
    monkeypatch.setattr(recover, "_keep_looking", lambda _look, _seconds: pacemaker.flags.update({HOST: "yes"}))
    assert command(pacemaker, "end", HOST, *WHY, "--yes")[0] == 1
    assert (pacemaker.flags, noted) == ({HOST: "yes"}, [])


@pytest.mark.parametrize("flags", [{}, {HOST: "no"}, {HOST: "restart"}])
def test_there_is_no_recovery_to_end(command, cloud, flags):
    pacemaker = Fencing(flags)
    code, _out, err = command(pacemaker, "end", HOST, *WHY, "--yes")
    assert (code, pacemaker.flags) == (1, flags)
    assert "no recovery to end" in err


@pytest.mark.parametrize("flag", [None, "control-2@7"])
def test_what_changes_while_an_operator_thinks_is_seen(command, cloud, monkeypatch, noted, flag):
    # Without an engine what is flagged by mistake is not followed for ever.
    pacemaker = Fencing({HOST: flag} if flag else {}, active=[])
    before = dict(pacemaker.flags)

    class Slow(io.StringIO):
        def isatty(self):
            return True

        def readline(self):
            up(cloud)
            cloud.records = records("pre-migrating")
            return "y\n" if flag else f"{HOST}\n"

    monkeypatch.setattr(sys, "stdin", Slow())
    order = ("end", HOST) if flag else ("evacuate", HOST, CERTAIN)
    code, _out, err = command(pacemaker, *order, *WHY)
    assert (code, pacemaker.flags, noted) == (1, before, [])
    assert ("in flight" if flag else "not off") in err


@pytest.mark.parametrize("order", [["evacuate", HOST, "--yes"], ["end", HOST, "--yes"]])
def test_a_cloud_that_is_away_and_a_host_that_it_does_not_know_are_told(command, cloud, monkeypatch, order):
    pacemaker = Fencing()
    cloud.known.clear()
    code, _out, err = command(pacemaker, *order, *WHY)
    assert (code, pacemaker.fenced) == (1, [])
    assert "no nova-compute service" in err

    def away(_conf):
        raise nova.Unreachable("https://keystone does not answer")

    monkeypatch.setattr(plan, "connect", away)
    code, _out, err = command(pacemaker, *order, *WHY)
    assert (code, err) == (1, "nova-ha: https://keystone does not answer\n")

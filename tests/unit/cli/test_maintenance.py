# SPDX-License-Identifier: Apache-2.0
"""A host is taken out for planned work, and back: step by step, and never one that is dead or in recovery."""

import dataclasses
import json
import re
import time
from xml.etree import ElementTree

import pytest

from nova_ha.cli import maintenance as order
from nova_ha.cloud.nova import Refused, Unreachable
from nova_ha.model import maintenance
from nova_ha.model.maintenance import Maintenance
from tests.unit.cli.scenes import Pacemaker
from tests.unit.doubles import FakeCloud, given
from tests.unit.worlds import instance, living, record

HOST = "compute-9"
ON = ("maintenance", HOST, "--on", "--reason", "CHG-4711", "--yes")
OFF = ("maintenance", HOST, "--off", "--yes")
RECORD = Maintenance(1000, "bob@control-2", "fan")
OURS = maintenance.disabled_reason(RECORD)


class Cluster(Pacemaker):
    """A cluster with one host.

    :ivar works: ``{host: what is kept of its maintenance}``
    :ivar disabled: whether its connection is
    :ivar stops: whether the cluster stops what is disabled
    """

    def __init__(self, flags=(), works=(), disabled=False, **more):
        super().__init__(flags, **more)
        self.works, self.disabled, self.stops = dict(works), disabled, True
        self.thief = None  # what somebody else writes just before a record is made

    def _cibadmin(self, action, flag, xpath, *more):
        if 'type="remote"' in xpath:
            return self._connection(action, *more)
        if (
            action in ("--modify", "--delete")
            or "evacuate-maintenance" in xpath
            or (action == "--query" and f'"{HOST}"' in xpath)
        ):
            return self._work(action, xpath, *more)
        return super()._cibadmin(action, flag, xpath, *more)

    def _connection(self, action, *_more):
        if action != "--query":
            self.disabled = action == "--modify"
            return "<done/>"
        pair = '<meta_attributes id="m"><nvpair id="r" name="target-role" value="Stopped"/></meta_attributes>'
        return f'<primitive id="{HOST}">{pair if self.disabled else ""}</primitive>'

    def _work(self, action, xpath, *more):
        if action == "--modify":
            if self.thief:
                self.works[HOST] = self.thief
            (pair,) = ElementTree.fromstring(more[1]).iter("nvpair")
            assert 'not(instance_attributes/nvpair[@name="evacuate-maintenance"])' in xpath
            if HOST in self.works:
                return None
            self.works[HOST] = pair.get("value")
        elif action == "--delete":
            if self.works[HOST] == re.search('@value="([^"]+)"', xpath)[1]:
                del self.works[HOST]
        else:
            hosts = self.works if "evacuate-maintenance" in xpath else [HOST]
            return f"<xpath-query>{''.join(map(self._entry, hosts))}</xpath-query>" if hosts else None
        return "<done/>"

    def _entry(self, host):
        text = self.works.get(host)
        pair = f'<nvpair id="w" name="evacuate-maintenance" value="{text}"/>' if text else ""
        return f'<node id="{host}" uname="{host}"><instance_attributes id="s">{pair}</instance_attributes></node>'

    def _crm_mon(self, *options):
        if "nodes" not in options[-1]:
            return super()._crm_mon(*options)
        down = self.disabled and self.stops
        node = f'<node name="{HOST}" type="remote" online="{str(not down).lower()}"/>'
        return f'<r><nodes>{node}</nodes><resource id="{HOST}" role="{"Stopped" if down else "Started"}"/></r>'


class Cloud(FakeCloud):
    """A Nova that does what it is asked to: instances leave, services change."""

    def disable(self, service, reason):
        self._change("disable", service, reason)
        self.known[HOST] = dataclasses.replace(service, enabled=False, disabled_reason=reason)

    def enable(self, service):
        self._change("enable", service)
        self.known[HOST] = dataclasses.replace(service, enabled=True, disabled_reason=None)

    def live_migrate(self, instance):
        self._change("live_migrate", instance)
        self._move(instance, instance.vm_state)

    def migrate(self, instance):
        self._change("migrate", instance)
        self._move(instance, "resized")

    def confirm_resize(self, instance):
        self._change("confirm_resize", instance)
        self.on["compute-1"] = [dataclasses.replace(instance, vm_state="stopped")]

    def _change(self, name, subject, *details):
        self.changes.append((name, subject.id, *details))
        given(self.failing.get(name))

    def _move(self, instance, vm_state):
        self.on[HOST] = [each for each in self.on[HOST] if each.id != instance.id]
        self.on.setdefault("compute-1", []).append(dataclasses.replace(instance, host="compute-1", vm_state=vm_state))

    def services(self):
        self.known[HOST] = dataclasses.replace(self.known[HOST], last_report=str(time.monotonic()))
        return super().services()


@pytest.fixture(autouse=True)
def impatient(noted, monkeypatch):
    monkeypatch.setattr(order, "STOP_PATIENCE", 0.0)
    monkeypatch.setattr(order, "RETURN_PATIENCE", 0.0)
    monkeypatch.setattr(order, "MOVE_LOOK", 0.0)
    monkeypatch.setenv("SUDO_USER", "alice")


@pytest.fixture
def cloud(monkeypatch):
    found = Cloud(living(HOST))
    monkeypatch.setattr(order, "connect", lambda _conf: found)
    return found


def changes(cloud):
    return [name for name, *_rest in cloud.changes]


def out(cloud, reason=OURS):
    """A cluster in which the host is in maintenance, and its service."""
    cloud.known[HOST] = living(HOST, enabled=False, reason=reason)
    return Cluster(works={HOST: maintenance.written(RECORD)}, disabled=True)


# Into maintenance


def test_a_host_is_taken_out_step_by_step(command, cloud, noted):
    cluster = Cluster()
    code, told, err = command(cluster, *ON)
    assert (code, err, cluster.disabled) == (0, "", True)
    work = maintenance.read(cluster.works[HOST])
    assert (work.who, work.reason, work.before) == ("alice@control-1", "CHG-4711", None)
    assert cloud.changes == [("disable", f"id-{HOST}", "nova-ha: maintenance by alice@control-1: CHG-4711")]
    assert told.index("4/4 connection: enabled -> disabled") < told.index("1/4 record: in maintenance")
    assert noted == [
        f'operator_ordered: host={HOST} order="maintenance --on" operator=alice@control-1 reason="CHG-4711"'
    ]


def test_nothing_is_changed_without_a_yes(command, cloud, answers):
    answers("n\n")
    cluster = Cluster()
    assert command(cluster, *ON[:-1])[0] == 1
    assert (cluster.works, cluster.disabled, cloud.changes) == ({}, False, [])


@pytest.mark.parametrize("flag", ["yes", "control-2@7", "no"])
def test_a_host_in_recovery_is_refused(command, cloud, flag):
    cluster = Cluster({HOST: flag})
    code, _out, err = command(cluster, *ON)
    assert (code, cluster.works, cloud.changes) == (1, {}, [])
    assert "nothing has been changed" in err


def test_what_somebody_else_does_at_the_same_time_stands(command, cloud):
    cluster = Cluster()
    cluster.thief = maintenance.written(RECORD)
    assert command(cluster, *ON)[0] == 1
    assert (cluster.works, cloud.changes) == ({HOST: cluster.thief}, [])


def test_instances_that_are_left_stop_it_and_are_named(command, cloud):
    cloud.on = {HOST: [instance(1, host=HOST), instance(2, "stopped", host=HOST)]}
    cluster = Cluster()
    code, _out, err = command(cluster, *ON, "--live-migrate")
    assert (code, cluster.disabled, changes(cloud)) == (1, False, ["disable", "live_migrate"])
    assert "i2: stopped" in err and f"Back: nova-ha maintenance {HOST} --off" in err
    # Given again, with what moves them, it goes on.
    assert command(cluster, *ON, "--cold-migrate")[0] == 0
    assert (cluster.disabled, changes(cloud)[2:]) == (True, ["migrate", "confirm_resize"])


def test_instances_may_be_left_if_that_is_said(command, cloud):
    cloud.on = {HOST: [instance(1, host=HOST)]}
    cluster = Cluster()
    assert command(cluster, *ON, "--allow-instances")[0] == 0
    assert (cluster.disabled, changes(cloud)) == (True, ["disable"])


def test_what_nova_does_not_move_is_told_with_its_words(command, cloud):
    cloud.on = {HOST: [instance(1, host=HOST)]}
    cloud.failing["live_migrate"] = Refused("vTPM is not supported", 400)
    code, _out, err = command(Cluster(), *ON, "--live-migrate")
    assert code == 1
    assert "vTPM is not supported" in err


def test_a_host_that_dies_meanwhile_is_left_to_its_recovery(command, cloud):
    cluster = Cluster()
    cloud.failing["disable"] = lambda: cluster.flags.update({HOST: "yes"})
    code, _out, err = command(cluster, *ON)
    assert (code, cluster.disabled) == (1, False)
    assert "died meanwhile" in err


def test_a_host_that_does_not_stop_is_told(command, cloud):
    cluster = Cluster()
    cluster.stops = False
    code, _out, err = command(cluster, *ON)
    assert (code, err.count("\n")) == (1, 1)
    assert "pcs status" in err


def test_moves_that_do_not_move_are_given_up(command, cloud, monkeypatch):
    monkeypatch.setattr(order, "MOVE_PATIENCE", 0.0)
    cloud.on = {HOST: [instance(1, task_state="migrating", host=HOST)]}
    code, _out, err = command(Cluster(), *ON, "--live-migrate")
    assert code == 1
    assert "nothing has changed" in err


@pytest.mark.parametrize(
    ("task", "source", "code"),
    [("rebuild_spawning", "compute-1", 1), (None, "compute-1", 0), ("rebuild_spawning", HOST, 0)],
)
def test_an_evacuation_to_the_host_is_waited_for_and_a_record_that_nobody_ends_is_not(
    command, cloud, monkeypatch, task, source, code
):
    monkeypatch.setattr(order, "MOVE_PATIENCE", 0.0)
    target = HOST if source != HOST else "compute-1"
    cloud.records = [record(1, "accepted", source=source, destination=target)]
    cloud.on = {"compute-1": [instance(1, task_state=task)]}
    assert command(Cluster(), *ON)[0] == code


def test_a_cloud_that_is_away_is_told(command, monkeypatch):
    def away(_conf):
        raise Unreachable("https://keystone does not answer")

    monkeypatch.setattr(order, "connect", away)
    code, _out, err = command(Cluster(), *ON)
    assert (code, err) == (1, "nova-ha: https://keystone does not answer\n")


# Back


@pytest.mark.parametrize(
    ("before", "enabled", "reason"), [(None, True, None), ("bad RAM", False, "bad RAM"), ("", False, "no reason given")]
)
def test_a_host_is_brought_back_as_it_was(command, cloud, noted, before, enabled, reason):
    cluster = out(cloud)
    cluster.works[HOST] = maintenance.written(dataclasses.replace(RECORD, before=before))
    assert command(cluster, *OFF)[0] == 0
    assert (cluster.works, cluster.disabled) == ({}, False)
    service = cloud.known[HOST]
    assert (service.enabled, service.disabled_reason) == (enabled, reason)
    assert len(noted) == 1


def test_what_an_operator_has_disabled_meanwhile_stays_so(command, cloud):
    cluster = out(cloud, "bad disk")
    assert command(cluster, *OFF)[0] == 0
    assert (cluster.works, cloud.changes) == ({}, [])


def test_a_host_that_does_not_come_back_stays_in_maintenance(command, cloud):
    cluster = out(cloud)
    cloud.known[HOST] = dataclasses.replace(cloud.known[HOST], up=False)
    code, _out, err = command(cluster, *OFF)
    assert (code, list(cluster.works), changes(cloud)) == (1, [HOST], [])
    assert f"nova-ha evacuate {HOST}" in err


def test_a_recovery_that_is_not_over_is_told(command, cloud):
    cluster = out(cloud)
    cluster.flags = {HOST: "no"}
    code, _out, err = command(cluster, *OFF)
    assert (code, cluster.disabled) == (1, False)
    assert "its recovery is not over (flag no)" in err


def test_a_host_that_is_not_out_is_not_brought_back(command, cloud):
    code, _out, err = command(Cluster(), *OFF)
    assert (code, err.count("\n"), cloud.changes) == (1, 1, [])


# Shown


def test_status_shows_it_on_every_node_and_is_well(command, cloud):
    cluster = out(cloud)
    for words in (["status"], ["status", HOST], ["maintenance"], ["maintenance", HOST]):
        _code, told, err = command(cluster, *words)
        assert "by bob@control-2: fan" in told and err == ""
    for words in (["status", "--json"], ["maintenance", "--json"]):
        told = json.loads(command(cluster, *words)[1])
        work = {HOST: {"since": 1000, "who": "bob@control-2", "reason": "fan"}}
        assert told["maintenance" if "verdict" in told else "hosts"] == work


def test_what_stands_there_does_not_steer_the_terminal(command, cloud):
    cluster = out(cloud)
    cluster.works[HOST] = maintenance.written(dataclasses.replace(RECORD, reason="\033[2Jfan"))
    assert "\033" not in command(cluster, "maintenance")[1] + command(cluster, *OFF)[1]


def test_nothing_is_shown_where_no_host_is_out(command):
    assert command(Cluster(), "maintenance")[1] == "No host is in maintenance.\n"
    assert command(Cluster(), "maintenance", HOST)[1] == f"{HOST} is not in maintenance.\n"


def test_programs_are_told_the_steps(command, cloud):
    cluster = Cluster()
    code, told, _err = command(cluster, *ON, "--json")
    assert code == 0
    assert [step["step"] for step in json.loads(told)["steps"]] == ["record", "service", "instances", "connection"]
    again = json.loads(command(cluster, *ON, "--json")[1])
    assert not any(step["due"] for step in again["steps"])


@pytest.mark.parametrize(
    "words",
    [["--on"], ["--off"], [HOST, "--on"], [HOST, "--live-migrate"], [HOST, "--on", "--off", "--reason", "x"]]
    + [[HOST, "--on", "--reason", "x", "--at-once", "0"], [HOST, "--off", "--json"]],
)
def test_what_is_not_said_clearly_is_wrong_usage(command, capsys, words):
    with pytest.raises(SystemExit) as end:
        command(Cluster(), "maintenance", *words)
    assert (end.value.code, capsys.readouterr().err.count("\n")) == (2, 1)

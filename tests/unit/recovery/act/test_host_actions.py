# SPDX-License-Identifier: Apache-2.0
"""What each step about a host asks of the cloud and the cluster; against fakes that fail on anything unexpected."""

import logging

import pytest

from nova_ha.cloud import nova
from nova_ha.cluster.pacemaker import ClusterError
from nova_ha.model import actions as step_types
from nova_ha.recovery.act import host_actions
from nova_ha.recovery.act.actions.base import cause
from nova_ha.reporting.events import REQUEST, Event
from tests.unit.doubles import SERVICE_CHANGES, FakeAccount, FakeCloud, FakeCluster
from tests.unit.worlds import NOW, OURS, living, nothing_asked, service, spare


class FakeClaims:
    def __init__(self, works=True):
        self.calls = []
        self._works = works

    def close(self, host, value):
        self.calls.append(("close", host, value))
        return self._works

    def change(self, host, old, new):
        self.calls.append(("change", host, old, new))
        return self._works

    def clear(self, host):
        self.calls.append(("clear", host))
        if isinstance(self._works, Exception):
            raise self._works
        return self._works


class Stage:
    """Deeds with fakes all around."""

    def __init__(self, failing=(), flag="no", claims=True):
        self.cloud = FakeCloud(failing=failing)
        self.cluster = FakeCluster({"compute-1": flag})
        self.claims = FakeClaims(claims)
        self.account = FakeAccount()
        self.memory = nothing_asked()
        self.deeds = host_actions.Deeds(self.cluster, self.cloud, self.memory, self.account, self.claims, lambda: NOW)

    def do(self, kind, **details):
        return self.deeds.do(kind("compute-1", "because", **details))


# Services


@pytest.mark.parametrize(
    ("before", "mark", "calls"),
    [
        (living("c1"), "m", [("force_down", "id-c1", True, {"enabled": False, "reason": "m"})]),
        (service("c1"), "m", [("disable", "id-c1", "m")]),
        (service("c1", forced_down=False), None, [("force_down", "id-c1", True)]),
    ],
)
def test_a_host_is_forced_down_and_disabled(before, mark, calls):
    stage = Stage()
    assert stage.do(step_types.DisableHost, service=before, mark=mark)
    assert stage.cloud.changes == calls


def test_a_reserved_host_is_enabled():
    stage = Stage()
    assert stage.do(step_types.EnableReservedHost, service=spare())
    assert stage.cloud.changes == [("enable", "id-spare-1")]


@pytest.mark.parametrize("name", ["spare-1", "Spare-1.example.org"])
def test_a_reserved_host_that_has_been_lost_itself_is_not_enabled(name):
    stage = Stage()
    stage.cluster.values[name] = "yes"
    stage.do(step_types.EnableReservedHost, service=spare())
    assert stage.cloud.changes == []


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        (step_types.EnableReservedHost, {"service": spare("c1")}),
        (step_types.DisableHost, {"service": living("c1"), "mark": "m"}),
    ],
)
def test_a_service_that_nova_does_not_change_is_remembered(kind, details):
    """So that nothing else waits for it."""
    stage = Stage(dict.fromkeys(SERVICE_CHANGES, nova.Refused("no", 403)))
    assert not stage.do(kind, **details)
    assert stage.memory.get("id-c1").until > NOW


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (living("c1"), ""),
        (service("c1"), ""),
        (service("c1", reason="x" * 250), f"; it was disabled before: {'x' * 250}"),
    ],
)
def test_the_whole_reason_that_an_operator_had_is_kept_as_an_event(before, told):
    """The mark may have room for its beginning only."""
    stage = Stage()
    stage.do(step_types.DisableHost, service=before, mark="m")
    ((_, _, _, _, reason, _),) = stage.account.events
    assert reason.partition(";")[1:] == told.partition(";")[1:]


MARK = "nova-ha: being recovered"


ENABLED = {"enabled": True}


@pytest.mark.parametrize(
    ("reason", "then", "told"),
    [
        (MARK, [ENABLED], ""),
        (f"{MARK}; reserve: spare-1", [ENABLED], ""),
        (f"{MARK}; was disabled", [{"enabled": False, "reason": None}], "; disabled as before"),
        (
            f"{MARK}; was disabled: bad RAM",
            [{"enabled": False, "reason": "bad RAM"}],
            "; disabled as before: bad RAM",
        ),
        (
            f"{MARK}; reserve: spare-1; was disabled: nova-ha: reserved",
            [{"enabled": False, "reason": "nova-ha: reserved"}],
            "; disabled as before: nova-ha: reserved",
        ),
        ("bad RAM", [], ""),  # an operator's, who changed it meanwhile
        (None, [], ""),
    ],
)
def test_a_host_gets_back_what_it_had(reason, then, told):
    stage = Stage()
    assert stage.do(step_types.ReturnToService, service=service("c1", reason=reason))
    assert stage.cloud.changes == [("force_down", "id-c1", False, *then)]
    ((event, _, _, _, said, _),) = stage.account.events
    assert (event, said) == (Event.HOST_IN_SERVICE, "because" + told)


@pytest.mark.parametrize("meanwhile", ["yes", "go", OURS, "restart", None, "maybe"])
def test_a_host_that_is_not_recovered_any_more_is_not_put_back(meanwhile):
    stage = Stage(flag=meanwhile)
    stage.do(step_types.ReturnToService, service=service("c1"))
    assert stage.cloud.changes == []


@pytest.mark.parametrize(
    ("other", "value", "is_put_back"),
    [
        ("c1.example.org", "yes", False),
        ("C1", OURS, False),
        ("c1.example.org", "no", True),
        ("c1.example.org", "restart", True),  # it is held back, and lives
        ("c2", "yes", True),
    ],
)
def test_a_host_that_was_fenced_by_another_name_meanwhile_is_not_put_back(other, value, is_put_back):
    stage = Stage()
    stage.cluster.values[other] = value
    assert stage.do(step_types.ReturnToService, service=service("c1")) is is_put_back
    assert bool(stage.cloud.changes) is is_put_back


# Flags


@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize(
    ("kind", "details", "calls", "told"),
    [
        (step_types.FinishRecovery, {}, [("close", "compute-1", "no")], [Event.HOST_RECOVERED]),
        (
            step_types.FinishRecovery,
            {"held": True},
            [("close", "compute-1", "restart")],
            [Event.HOST_RECOVERED, Event.START_BLOCKED],
        ),
        (step_types.BlockStart, {}, [("change", "compute-1", "no", "restart")], [Event.START_BLOCKED]),
        (step_types.RestartCompute, {}, [("change", "compute-1", "no", "restart")], [Event.COMPUTE_TO_RESTART]),
        (step_types.AllowStart, {}, [("change", "compute-1", "restart", "no")], [Event.START_ALLOWED]),
    ],
)
def test_flags_are_changed_only_from_what_they_were(kind, details, calls, told, works):
    stage = Stage(claims=works)
    assert stage.do(kind, **details) is works
    assert stage.claims.calls == calls and stage.cloud.changes == []
    assert [event[0] for event in stage.account.events] == (told if works else [])
    assert stage.memory.flags.starts("compute-1") == (works and kind is step_types.RestartCompute)


@pytest.mark.parametrize("works", [True, False])
def test_a_flag_goes_last(works):
    stage = Stage(claims=works)
    assert stage.do(step_types.ClearFlag) is works
    assert stage.claims.calls == [("clear", "compute-1")]
    assert bool(stage.account.events) is works


def test_a_cluster_that_is_away_is_the_engines_to_wait_for():
    stage = Stage(claims=ClusterError("no answer"))
    with pytest.raises(ClusterError):
        stage.do(step_types.ClearFlag)


# What is told, what fails


DEEDS = [
    (step_types.DisableHost, {"service": living("c1"), "mark": "m"}),
    (step_types.EnableReservedHost, {"service": spare()}),
    (step_types.ReturnToService, {"service": service("c1")}),
]


@pytest.mark.parametrize(("kind", "details"), DEEDS)
def test_what_was_done_is_told_with_novas_request(kind, details):
    stage = Stage()
    stage.do(kind, **details)
    ((event, host, about, request, reason, code),) = stage.account.events
    assert (event.level, host, reason, code) == (logging.INFO, "compute-1", "because", None)
    assert about is None and event.fields == (REQUEST,)
    assert request == f"req-{len(stage.cloud.changes)}"


@pytest.mark.parametrize(("kind", "details"), DEEDS)
@pytest.mark.parametrize("error", [nova.Unreachable("it is away"), nova.Refused("conflict", 409), nova.Busy("slow")])
def test_what_fails_is_told(kind, details, error):
    stage = Stage(dict.fromkeys(SERVICE_CHANGES, error))
    assert stage.do(kind, **details) is False
    assert len(stage.cloud.changes) == 1
    event, host, about, _, reason, code = stage.account.events[-1]
    assert (event, host, about, code) == (Event.HOST_STEP_FAILED, "compute-1", None, cause(error))
    assert str(error) in reason and "because" in reason
    # Nothing is repeated at once.
    assert stage.memory.get(details["service"].id).until > NOW

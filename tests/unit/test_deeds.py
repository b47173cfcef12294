# SPDX-License-Identifier: Apache-2.0
"""What each step asks of the cloud and the cluster, in which order; against fakes that fail on anything unexpected."""

import logging

import pytest

from nova_ha import attempts as tried
from nova_ha import deeds, nova, restore
from nova_ha import steps as step_types
from nova_ha.cluster import ClusterError
from tests.unit.worlds import NOW, OURS, instance, living, nothing_asked, service, spare

CHANGES = ["force_down", "disable", "enable", "reset_state", "tag", "untag"]
CHANGES += ["stop", "pause", "reboot", "delete", "confirm_resize"]


class FakeCloud:
    """Notes each change as a tuple; ``failing`` maps a change's name to the error that it answers with."""

    def __init__(self, failing=None):
        self.calls = []
        self._failing = failing or {}

    def __getattr__(self, name):
        if name not in CHANGES:
            raise AssertionError(f"unexpected: {name}")

        def change(subject, *details, **more):
            self.calls.append((name, subject.id, *details, *([more] if more else [])))
            if name in self._failing:
                raise self._failing[name]
            return f"req-{len(self.calls)}"

        return change


class FakeCluster:
    def __init__(self, value, swaps=True):
        self.calls = []
        self.others = {}
        self._value = value
        self._swaps = swaps

    def flag(self, host):
        self.calls.append(("flag", host))
        return self._value

    def flags(self):
        self.calls.append(("flags",))
        return {"compute-1": self._value, **self.others}

    def swap_flag(self, host, old, new):
        self.calls.append(("swap", host, old, new))
        if isinstance(self._swaps, Exception):
            raise self._swaps
        return self._swaps


class FakeClaims:
    def __init__(self, works=True):
        self.calls = []
        self._works = works

    def close(self, host):
        self.calls.append(("close", host))
        return self._works

    def change(self, host, old, new):
        self.calls.append(("change", host, old, new))
        return self._works


class FakeAccount:
    def __init__(self):
        self.events = []

    def event(self, name, host, instance=None, request=None, reason=None, level=logging.INFO):
        self.events.append((name, host, instance, request, reason, level))


class Stage:
    """Deeds with fakes all around."""

    def __init__(self, failing=None, flag="no", swaps=True, claims=True):
        self.cloud = FakeCloud(failing)
        self.cluster = FakeCluster(flag, swaps)
        self.claims = FakeClaims(claims)
        self.account = FakeAccount()
        self.attempts = nothing_asked()
        self.deeds = deeds.Deeds(self.cluster, self.cloud, self.attempts, self.account, self.claims, lambda: NOW)

    def do(self, kind, **details):
        return self.deeds.do(kind("compute-1", "because", **details))


def make(stage, **details):
    return stage.do(step_types.MakeReady, **details)


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
    assert stage.do(step_types.TakeOut, service=before, mark=mark)
    assert stage.cloud.calls == calls


def test_a_reserved_host_is_enabled():
    stage = Stage()
    assert stage.do(step_types.Enlist, service=spare())
    assert stage.cloud.calls == [("enable", "id-spare-1")]


def test_a_reserved_host_that_has_been_lost_itself_is_not_enabled():
    stage = Stage()
    stage.cluster.others = {"spare-1": "yes"}
    stage.do(step_types.Enlist, service=spare())
    assert stage.cloud.calls == []


def test_a_resize_is_confirmed_and_given_time():
    stage = Stage()
    assert stage.do(step_types.ConfirmResize, instance=instance(vm_state="resized"))
    assert stage.cloud.calls == [("confirm_resize", "i1")]
    assert stage.attempts.get("i1").until > NOW and stage.attempts.get("i1").failures == 1


@pytest.mark.parametrize(
    ("kind", "details"),
    [(step_types.Enlist, {"service": spare("c1")}), (step_types.TakeOut, {"service": living("c1"), "mark": "m"})],
)
def test_a_service_that_nova_does_not_change_is_remembered(kind, details):
    """So that nothing else waits for it."""
    stage = Stage(dict.fromkeys(CHANGES, nova.Refused("no", 403)))
    assert not stage.do(kind, **details)
    assert stage.attempts.get("id-c1").until > NOW


MARK = "nova-ha: being recovered"


ENABLED = {"enabled": True}


@pytest.mark.parametrize(
    ("reason", "then"),
    [
        (MARK, [ENABLED]),
        (f"{MARK}; reserve: spare-1", [ENABLED]),
        (f"{MARK}; was disabled: bad RAM", [{"enabled": False, "reason": "bad RAM"}]),
        (
            f"{MARK}; reserve: spare-1; was disabled: nova-ha: reserved",
            [{"enabled": False, "reason": "nova-ha: reserved"}],
        ),
        ("bad RAM", []),  # an operator's, which we could not mark
        (None, []),
    ],
)
def test_a_host_gets_back_what_it_had(reason, then):
    stage = Stage()
    assert stage.do(step_types.PutBack, service=service("c1", reason=reason))
    assert stage.cloud.calls == [("force_down", "id-c1", False, *then)]


@pytest.mark.parametrize("meanwhile", ["yes", "go", OURS, "restart", None, "maybe"])
def test_a_host_that_is_not_recovered_any_more_is_not_put_back(meanwhile):
    stage = Stage(flag=meanwhile)
    stage.do(step_types.PutBack, service=service("c1"))
    assert stage.cloud.calls == []


# Making ready


@pytest.mark.parametrize(
    ("one", "noted", "calls"),
    [
        # The note first, where Nova takes it.
        (instance(vm_state="stopped"), "stopped", [("tag", "i1", restore.TAGS["stopped"])]),
        (instance(power_state="shutdown"), "stopped", [("tag", "i1", restore.TAGS["stopped"])]),
        (
            instance(vm_state="paused"),
            "paused",
            [("tag", "i1", restore.TAGS["paused"]), ("reset_state", "i1", "active")],
        ),
        (
            instance(vm_state="suspended"),
            "stopped",
            [("tag", "i1", restore.TAGS["stopped"]), ("reset_state", "i1", "active")],
        ),
        (
            instance(task_state="powering-off"),
            "stopped",
            [("tag", "i1", restore.TAGS["stopped"]), ("reset_state", "i1", "active")],
        ),
        (
            instance(vm_state="stopped", task_state="powering-on"),
            "running",
            [("tag", "i1", restore.TAGS["running"]), ("reset_state", "i1", "active")],
        ),
        # The reset first: rescued, resized and error refuse a tag (409).
        (instance(vm_state="resized"), None, [("reset_state", "i1", "active")]),
        (
            instance(vm_state="resized"),
            "stopped",
            [("reset_state", "i1", "active"), ("tag", "i1", restore.TAGS["stopped"])],
        ),
        (
            instance(vm_state="error"),
            "stopped",
            [("reset_state", "i1", "active"), ("tag", "i1", restore.TAGS["stopped"])],
        ),
        (
            instance(vm_state="rescued"),
            "running",
            [("reset_state", "i1", "active"), ("tag", "i1", restore.TAGS["running"])],
        ),
        # Noted already.
        (instance(vm_state="paused", noted="paused"), None, [("reset_state", "i1", "active")]),
        (instance(vm_state="suspended", noted="stopped"), None, [("reset_state", "i1", "active")]),
    ],
)
def test_an_instance_is_made_ready_to_be_evacuated(one, noted, calls):
    stage = Stage()
    assert make(stage, instance=one, restore=noted)
    assert stage.cloud.calls == calls


@pytest.mark.parametrize(
    ("one", "noted", "ends_as", "is_noted"),
    [
        (instance(), "running", "error", True),
        (instance(vm_state="error"), "running", "error", True),
        (instance(vm_state="rescued"), "running", "error", True),
        (instance(vm_state="paused"), "paused", "error", True),
        (instance(vm_state="suspended"), "stopped", "error", True),
        (instance(vm_state="resized"), "stopped", "error", True),
        (instance(vm_state="stopped"), "stopped", "stopped", True),
        (instance(vm_state="stopped", task_state="powering-on"), "running", "error", True),
        (instance(noted="running"), None, "error", False),
        (instance(noted="stopped"), None, "error", False),
        (instance(vm_state="paused", noted="paused"), None, "error", False),
        (instance(vm_state="stopped", noted="running"), None, "error", False),
        (instance(vm_state="stopped", noted="paused"), None, "error", False),
        (instance(vm_state="stopped", task_state="powering-on", noted="running"), None, "error", False),
    ],
)
def test_an_instance_is_made_ready_to_be_restarted_in_place(one, noted, ends_as, is_noted):
    """After the step, or after a few of them, Nova shows what nova-compute does not touch when it starts."""
    stage = Stage()
    assert make(stage, instance=one, restore=noted, in_place=True)
    resets = [call[2] for call in stage.cloud.calls if call[0] == "reset_state"]
    assert (resets[-1] if resets else one.vm_state) in (ends_as, "active")
    assert ("tag" in [call[0] for call in stage.cloud.calls]) is is_noted
    if not is_noted:
        assert resets[-1:] == [ends_as], "nothing was done, so that the same step would follow for ever"


def test_the_note_is_never_tried_in_a_state_that_refuses_it():
    """Of what the deed does, in the order in which it does it, each tag meets a state that Nova lets be tagged."""
    for vm_state in ("active", "stopped", "error", "paused", "suspended", "rescued", "resized"):
        for in_place in (False, True):
            stage = Stage()
            make(stage, instance=instance(vm_state=vm_state), restore="stopped", in_place=in_place)
            now = vm_state
            for name, _, detail in stage.cloud.calls:
                if name == "reset_state":
                    now = detail
                else:
                    assert name == "tag" and now in ("active", "stopped", "paused", "suspended")


@pytest.mark.parametrize(("status", "goes_on"), [(400, True), (403, True), (404, True), (409, False)])
def test_an_instance_that_cannot_be_tagged_is_recovered_without_a_note(status, goes_on):
    stage = Stage({"tag": nova.Refused("the number of tags exceeded the limit", status)})
    assert make(stage, instance=instance(vm_state="paused"), restore="paused") is goes_on
    assert ("reset_state" in [call[0] for call in stage.cloud.calls]) is goes_on
    assert stage.attempts.is_notable("i1") is not goes_on
    assert logging.WARNING in [event[-1] for event in stage.account.events]


def test_what_was_not_noted_because_nova_is_away_is_not_reset():
    stage = Stage({"tag": nova.Unreachable("away")})
    assert not make(stage, instance=instance(vm_state="paused"), restore="paused")
    assert [call[0] for call in stage.cloud.calls] == ["tag"]


# Instances


def test_a_deletion_is_finished_and_given_time():
    stage = Stage()
    assert stage.do(step_types.Delete, instance=instance(task_state="deleting"))
    assert stage.cloud.calls == [("delete", "i1")]
    assert stage.attempts.get("i1").until == NOW + deeds.LOOK_AGAIN and stage.attempts.get("i1").failures == 0


TO_DO, DONE = restore.TAGS["stopped"], restore.DONE_TAGS["stopped"]


@pytest.mark.parametrize(
    ("move", "calls", "rests"),
    [
        ("stop", [("stop", "i1")], True),
        ("pause", [("pause", "i1")], True),
        ("reboot", [("reboot", "i1")], True),
        ("activate", [("reset_state", "i1", "active")], True),
        ("settle", [("tag", "i1", DONE), ("untag", "i1", TO_DO)], False),
        ("untag", [("untag", "i1", TO_DO)], False),
    ],
)
def test_each_move_is_given_time_but_those_that_only_note(move, calls, rests):
    stage = Stage()
    assert stage.do(step_types.Restore, instance=instance(noted="stopped"), move=move)
    assert stage.cloud.calls == calls
    assert bool(stage.attempts.get("i1")) is rests
    if rests:
        assert stage.attempts.get("i1").until > NOW and stage.attempts.get("i1").failures == 0


def test_all_notes_are_taken_off_and_no_other_tag():
    stage = Stage()
    ours = {restore.TAGS["stopped"], restore.TAGS["paused"], restore.DONE_TAGS["running"]}
    stage.do(step_types.Restore, instance=instance(tags=frozenset(ours | {"web"})), move="untag")
    assert sorted(stage.cloud.calls) == sorted(("untag", "i1", tag) for tag in ours)


@pytest.mark.parametrize(
    ("reached", "calls"), [(None, []), ("stopped", [("tag", "i1", TO_DO), ("untag", "i1", DONE)])]
)
def test_a_broken_instance_is_healed_and_brought_again_into_the_state_that_it_had(reached, calls):
    """An instance in error cannot be tagged: first the reset."""
    stage = Stage()
    assert stage.do(step_types.Heal, instance=instance(vm_state="error", reached=reached))
    assert stage.cloud.calls == [("reset_state", "i1", "active"), *calls]
    assert stage.attempts.get("i1").until == NOW + deeds.LOOK_AGAIN


# Flags


@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        (step_types.Close, [("close", "compute-1")]),
        (step_types.StartAgain, [("change", "compute-1", "no", "restart")]),
        (step_types.LetStart, [("change", "compute-1", "restart", "no")]),
    ],
)
def test_flags_are_changed_only_from_what_they_were(kind, calls, works):
    stage = Stage(claims=works)
    assert stage.do(kind) is works
    assert stage.claims.calls == calls and stage.cloud.calls == []
    assert bool(stage.account.events) is works
    assert stage.attempts.starts("compute-1") == (works and kind is step_types.StartAgain)


@pytest.mark.parametrize("works", [True, False])
def test_a_flag_is_deleted_only_if_it_says_recovered(works):
    stage = Stage(swaps=works)
    assert stage.do(step_types.Clear) is works
    assert stage.cluster.calls == [("swap", "compute-1", "no", None)]
    assert bool(stage.account.events) is works


def test_a_cluster_that_is_away_is_the_engines_to_wait_for():
    stage = Stage(swaps=ClusterError("no answer"))
    with pytest.raises(ClusterError):
        stage.do(step_types.Clear)


# What is told, what fails


DEEDS = [
    (step_types.TakeOut, {"service": living("c1"), "mark": "m"}),
    (step_types.Enlist, {"service": spare()}),
    (step_types.MakeReady, {"instance": instance(vm_state="paused"), "restore": "paused"}),
    (step_types.Delete, {"instance": instance()}),
    (step_types.Restore, {"instance": instance(noted="stopped"), "move": "stop"}),
    (step_types.Heal, {"instance": instance()}),
    (step_types.PutBack, {"service": service("c1")}),
]


@pytest.mark.parametrize(("kind", "details"), DEEDS)
def test_what_was_done_is_told_with_novas_request(kind, details):
    stage = Stage()
    stage.do(kind, **details)
    ((_, host, about, request, reason, level),) = stage.account.events
    assert (host, reason, level) == ("compute-1", "because", logging.INFO)
    assert about == ("i1" if "instance" in details else None)
    assert request == f"req-{len(stage.cloud.calls)}"


@pytest.mark.parametrize(("kind", "details"), DEEDS)
@pytest.mark.parametrize("error", [nova.Unreachable("it is away"), nova.Refused("conflict", 409), nova.Busy("slow")])
def test_what_fails_is_told_and_tried_later(kind, details, error):
    stage = Stage(dict.fromkeys(CHANGES, error))
    assert stage.do(kind, **details) is False
    assert len(stage.cloud.calls) == 1
    name, host, about, _, reason, level = stage.account.events[-1]
    assert (name, host, level) == ("failed", "compute-1", logging.WARNING)
    assert str(error) in reason and "because" in reason
    if "instance" in details:
        assert stage.attempts.get("i1").until > NOW and stage.attempts.get("i1").outcome == tried.FAILED


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (nova.Refused("", 400), tried.CONFLICT),
        (nova.Refused("", 403), tried.FORBIDDEN),
        (nova.Refused("", 404), tried.UNKNOWN),
        (nova.Refused("", 409), tried.CONFLICT),
        (nova.Refused("", 413), tried.FORBIDDEN),
        (nova.Refused("", 418), tried.UNKNOWN),
        (nova.Unreachable(""), tried.AWAY),
        (nova.Busy(""), tried.AWAY),
        (nova.Misconfigured(""), tried.AWAY),
    ],
)
def test_causes_are_told_apart(error, cause):
    assert deeds.cause(error) == cause
    assert cause in tried.BACKOFFS


def test_there_is_a_deed_for_every_step_that_is_one():
    kinds = {kind for kind in vars(step_types).values() if isinstance(kind, type) and issubclass(kind, step_types.Step)}
    others = {step_types.Step, step_types.Wait, step_types.Leave, step_types.Claim, step_types.Evacuate}
    assert set(deeds.Deeds._DEEDS) == kinds - others

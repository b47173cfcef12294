# SPDX-License-Identifier: Apache-2.0
"""What an instance needs that has failed while its host lives, as a table."""

import dataclasses

import pytest

from nova_ha.model.actions import RestartInstance, Skip, Wait
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.instance_failures import InstanceFailure, Kind
from nova_ha.model.nova_actions import By, NovaAction
from nova_ha.model.reasons import Code
from nova_ha.model.request import ACCEPTED, FAILED, NO_ROOM, SENDING, UNCLEAR, Attempt
from nova_ha.policy.instance_restarts import InstanceRules
from nova_ha.recovery.decide.failed_instances import Failed, step
from nova_ha.recovery.memory.timing import SETTLE
from tests.unit.worlds import instance

# It failed at 10,000 s by Nova's clock, which is the host's.
SINCE = 10_000
RULES = InstanceRules(restart=True)
CREATED = NovaAction("create", SINCE - 5000.0, By.ANOTHER)


def failed(*actions, kind=Kind.CRASHED, selection=None, created=True, **state):
    """An instance that has failed; the actions, the newest first, came after its creation."""
    failure = InstanceFailure("i1", kind, SINCE, "0000abcd", "failed")
    return Failed(
        "compute-2", failure, instance(**state), (*actions, *([CREATED] if created else [])), selection or Selection()
    )


def did(name, at, by=By.US):
    """Something was asked of Nova so many seconds after it had failed."""
    return NovaAction(name, SINCE + float(at), by)


def decided(about, rules=RULES, attempt=None, may_show=False, later=1):
    """What is decided so many seconds after it had failed."""
    return step(about, rules, attempt, may_show, now=500.0, time=SINCE + later)


@pytest.mark.parametrize("kind", sorted(RULES.failures))
@pytest.mark.parametrize("created", [True, False])
def test_what_has_failed_is_restarted(kind, created):
    found = decided(failed(kind=kind, created=created))
    assert isinstance(found, RestartInstance)
    assert kind.meaning in found.reason


@pytest.mark.parametrize("kind", sorted(Kind))
def test_kinds_that_are_not_named_are_told_of_alone(kind):
    found = decided(failed(kind=kind), dataclasses.replace(RULES, failures=frozenset()))
    assert (found.code, found.needs_operator) == (Code.FAILURE_LEFT, True)


def test_an_io_error_is_an_operator_s_matter_unless_it_is_named():
    assert decided(failed(kind=Kind.IO_ERROR)).code == Code.FAILURE_LEFT
    named = dataclasses.replace(RULES, failures=frozenset({Kind.IO_ERROR}))
    assert isinstance(decided(failed(kind=Kind.IO_ERROR), named), RestartInstance)


@pytest.mark.parametrize(
    ("metadata", "tagged", "restarts"),
    [
        ({}, False, True),
        ({"HA_Enabled": "False"}, False, False),
        ({}, True, False),
        ({"HA_Enabled": "True"}, True, True),
        ({"evacuable": "false"}, False, True),  # which is about dead hosts
    ],
)
def test_owners_and_operators_say_which_ones_are(metadata, tagged, restarts):
    found = decided(failed(metadata=metadata, selection=Selection(flavors_tagged=tagged)))
    assert isinstance(found, RestartInstance if restarts else Skip)
    assert restarts or found.code == Code.NOT_SELECTED


def test_what_selects_is_awaited():
    unknown = Selection(images=None, problem="Glance does not answer")
    assert decided(failed(image="image-1", selection=unknown)).code == Code.SELECTION_UNKNOWN


# Nova and the owner


@pytest.mark.parametrize(
    ("state", "actions", "code"),
    [
        ({"task_state": "powering-off"}, [], Code.INSTANCE_BUSY),
        ({"task_state": "reboot_started_hard"}, [], Code.INSTANCE_BUSY),
        ({}, [did("reboot", 1, By.ANOTHER)], Code.INSTANCE_BUSY),  # it is on its way up, say
        ({"vm_state": "stopped"}, [did("stop", 1, By.ANOTHER)], Code.NOTHING_TO_RECOVER),
        ({"vm_state": "stopped"}, [did("stop", 1, By.US)], Code.NOTHING_TO_RECOVER),
        ({"vm_state": "stopped"}, [], Code.UNKNOWN_STATE),
        ({"vm_state": "stopped"}, [did("reboot", -300)], Code.UNKNOWN_STATE),
        ({"vm_state": "paused"}, [], Code.UNKNOWN_STATE),
        ({"vm_state": "error"}, [], Code.UNKNOWN_STATE),
        ({"vm_state": "rescued"}, [], Code.UNKNOWN_STATE),
    ],
)
def test_what_somebody_does_something_with_or_is_to_be_off_is_left(state, actions, code):
    found = decided(failed(*actions, **state))
    assert isinstance(found, (Wait, Skip)) and found.code == code


def test_what_nova_has_stopped_itself_is_restarted():
    """It does so 15 s after it has noticed."""
    assert isinstance(decided(failed(did("stop", 15, By.NOVA), vm_state="stopped"), later=20), RestartInstance)


@pytest.mark.parametrize(("later", "restarts"), [(SETTLE, False), (SETTLE + 1, True)])
def test_what_was_restarted_since_and_has_failed_all_the_same_is_restarted_once_more(later, restarts):
    found = decided(failed(did("reboot", 1)), later=later)
    assert isinstance(found, RestartInstance) is restarts


# Limits


@pytest.mark.parametrize(("uptime", "restarts"), [(119, False), (120, True)])
def test_what_fails_at_once_is_left(uptime, restarts):
    found = decided(failed(did("start", -uptime, By.ANOTHER)))
    assert isinstance(found, RestartInstance) is restarts
    assert restarts or (found.code, found.needs_operator) == (Code.FAILS_AT_ONCE, True)


@pytest.mark.parametrize(("ago", "restarts"), [((200, 900, 3598), False), ((200, 900, 3599), True), ((200, 900), True)])
def test_what_fails_again_and_again_is_left(ago, restarts):
    """What its owner did does not count."""
    found = decided(failed(*(did("reboot", -each) for each in ago), did("reboot", -3000, By.ANOTHER)))
    assert isinstance(found, RestartInstance) is restarts
    assert restarts or (found.code, found.needs_operator) == (Code.FAILS_OFTEN, True)


# What this engine has asked for


@pytest.mark.parametrize(
    ("attempt", "may_show", "code"),
    [
        (Attempt(SENDING), False, Code.SENDING),
        (Attempt(UNCLEAR, reason="no clear answer"), True, Code.REQUEST_UNANSWERED),
        (Attempt(FAILED, until=501.0, pause=Code.CONFLICT), False, Code.CONFLICT),
        (Attempt(FAILED, until=501.0, pause=Code.ASKED), False, Code.ASKED),
        (Attempt(FAILED, until=500.0, pause=NO_ROOM), False, None),
        (Attempt(ACCEPTED, until=500.0), False, None),
    ],
)
def test_nothing_is_asked_for_twice_at_once(attempt, may_show, code):
    found = decided(failed(), attempt=attempt, may_show=may_show)
    assert isinstance(found, RestartInstance) if code is None else found.code == code

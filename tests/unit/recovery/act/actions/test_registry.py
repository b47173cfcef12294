# SPDX-License-Identifier: Apache-2.0
"""Every action has one executor, in the module of its label, and every module there has one."""

import pathlib

import pytest

from nova_ha.model import actions as step_types
from nova_ha.recovery.act.actions import registry
from nova_ha.reporting.events import INSTANCE, Event

EXECUTORS = {**registry.HOST_EXECUTORS, **registry.INSTANCE_EXECUTORS}
COMMON = {"__init__", "base", "calls", "registry"}


def test_every_action_has_its_executor():
    assert set(registry.HOST_EXECUTORS) == set(step_types.HostAction.__subclasses__())
    assert set(registry.INSTANCE_EXECUTORS) == set(step_types.InstanceAction.__subclasses__())


@pytest.mark.parametrize("kind", EXECUTORS, ids=lambda kind: kind.label)
def test_an_executor_is_where_its_action_s_label_says(kind):
    assert type(EXECUTORS[kind]).__module__ == f"nova_ha.recovery.act.actions.{kind.label}"
    assert type(EXECUTORS[kind]).__name__ == f"{kind.__name__}Executor"


def test_every_module_is_an_action_s_or_common():
    modules = {path.stem for path in pathlib.Path(registry.__file__).parent.glob("*.py")}
    assert modules - COMMON == {kind.label for kind in EXECUTORS}


@pytest.mark.parametrize("executor", registry.INSTANCE_EXECUTORS.values(), ids=lambda each: each.action.label)
def test_what_is_told_of_an_instance_is_an_event_of_the_catalogue_about_instances(executor):
    for event in (executor.done, executor.not_done):
        assert isinstance(event, Event) and INSTANCE in event.fields


def test_no_two_actions_tell_the_same_when_they_are_done():
    done = [executor.done for executor in registry.INSTANCE_EXECUTORS.values()]
    assert len(set(done)) == len(done)


def test_only_an_evacuation_starts_a_guest_and_only_on_hosts_that_live_is_a_host_not_held_up():
    starting = {kind for kind, executor in registry.INSTANCE_EXECUTORS.items() if executor.starts_guest}
    living = {kind for kind, executor in registry.INSTANCE_EXECUTORS.items() if not executor.is_of_dead_host}
    assert starting == {step_types.Evacuate}
    assert living == {step_types.RestoreState, step_types.RepairInstanceState, step_types.RestartInstance}

# SPDX-License-Identifier: Apache-2.0
"""The schemas of what nova-ha prints for programs; that it prints so is seen wherever tests have it print."""

import copy

import jsonschema
import pytest

from nova_ha.cli import status
from nova_ha.rundir import engine_state
from tests import schemas

EVENT = {"time": 1.0, "level": "info", "event": "flag_cleared", "host": "c1", "instance": None}
EVENT.update({"recovery": None, "node": None, "request": None, "code": None, "reason": None, "command": None})
HISTORY = {"schema": 1, "resource": "nova-evacuate", "events": [EVENT]}


@pytest.mark.parametrize("command", schemas.COMMANDS)
def test_a_schema_is_one_and_of_this_version(command):
    found = schemas.load(command)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["properties"]["schema"] == {"const": engine_state.SCHEMA}


def test_the_states_of_the_engine_are_those_that_there_are():
    states = schemas.load("status")["properties"]["engine"]["properties"]["state"]["enum"]
    assert sorted(states) == sorted(status.ENGINE_STATES)


@pytest.mark.parametrize(
    ("key", "value"), [("event", "Flag cleared"), ("level", "debug"), ("time", None), ("host", None), ("more", 1)]
)
def test_what_is_not_so_is_noticed(key, value):
    schemas.check("history", HISTORY)
    answer = copy.deepcopy(HISTORY)
    answer["events"][0][key] = value
    with pytest.raises(jsonschema.ValidationError):
        schemas.check("history", answer)


@pytest.mark.parametrize("key", [*HISTORY, *EVENT])
def test_a_key_that_is_gone_is_noticed(key):
    answer = copy.deepcopy(HISTORY)
    (answer if key in answer else answer["events"][0]).pop(key)
    with pytest.raises(jsonschema.ValidationError):
        schemas.check("history", answer)

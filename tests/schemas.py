# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha`` prints for programs, held to the schemas that are shipped."""

import json
import pathlib

import jsonschema

DIRECTORY = pathlib.Path(__file__).resolve().parents[1] / "nova_ha" / "schemas"
COMMANDS = ("status", "plan", "history", "check", "explain", "losses", "notification", "report", "maintenance", "drill")


def load(command):
    """The schema of a command's answer."""
    return json.loads((DIRECTORY / f"{command}.json").read_text(encoding="utf-8"))


def check(command, answer):
    """Demand that an answer is as its schema says, and that the schema has every key of it.

    :raises jsonschema.ValidationError: it is not
    """
    jsonschema.Draft202012Validator(_closed(load(command))).validate(answer)
    assert next(iter(answer)) == "schema"


def _closed(schema):
    """A schema, with every key forbidden that it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "required" in schema:
        closed.setdefault("additionalProperties", False)
    return closed

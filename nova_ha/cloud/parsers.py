# SPDX-License-Identifier: Apache-2.0
"""Nova's JSON -> our snapshots."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Callable, TypeVar

from nova_ha.cloud.errors import RightMissing, Unreachable
from nova_ha.model import instance_states
from nova_ha.model.evacuate_request import Event, Request
from nova_ha.model.snapshot import Instance, Migration, Service

# Nova's numbers for what a guest does.
_POWER_STATES = {0: "none", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}

# Letters of the error that led to a fault that are kept.
_LONGEST = 300

_Made = TypeVar("_Made")


def _view(make: Callable[[Mapping[str, Any]], _Made]) -> Callable[[object], _Made]:
    """A view that says what an answer lacks.

    Nova leaves out what the user may not see, and nearly everything while the database of a cell is away.
    """

    @functools.wraps(make)
    def view(body: object) -> _Made:
        if not isinstance(body, dict):
            raise Unreachable("what answered is not OpenStack")
        if body.get("status") == "UNKNOWN":
            raise Unreachable(f"the cell of {body.get('host') or body.get('id')} does not answer Nova")
        try:
            return make(body)
        except KeyError as error:
            raise RightMissing(f"Nova's answers lack {error}: the user needs Nova's admin role") from error

    return view


def is_unread(body: object) -> bool:
    """Whether a member of os-services says no more than that there is one: its cell's database does not answer."""
    return isinstance(body, dict) and body.get("status") == "UNKNOWN"


@_view
def service(body: Mapping[str, Any]) -> Service:
    """From a member of os-services."""
    return Service(
        id=body["id"],
        host=body["host"],
        up=body["state"] == "up",
        enabled=body["status"] == "enabled",
        forced_down=body["forced_down"],
        disabled_reason=body["disabled_reason"],
        last_report=body["updated_at"],
        zone=body["zone"],
    )


@_view
def instance(body: Mapping[str, Any]) -> Instance:
    """From a server's details."""
    fault = body.get("fault") or {}
    image = body["image"] or {}
    return Instance(
        id=body["id"],
        name=body["name"],
        host=body["OS-EXT-SRV-ATTR:host"],
        vm_state=body["OS-EXT-STS:vm_state"],
        task_state=body["OS-EXT-STS:task_state"],
        image=image.get("id"),
        image_properties=image.get("properties", {}),
        extra_specs=body["flavor"].get("extra_specs", {}),
        power_state=_POWER_STATES.get(body["OS-EXT-STS:power_state"], "none"),
        metadata=body["metadata"],
        project=body["tenant_id"],
        zone=body["OS-EXT-AZ:availability_zone"] or None,
        tags=frozenset(body["tags"]),
        launched=body["OS-SRV-USG:launched_at"] is not None,
        fault=fault.get("message"),
        # What Nova did not write itself shows in the last line of the traceback only, which is of many kilobytes.
        fault_cause=(fault.get("details") or "").rstrip().rpartition("\n")[2][:_LONGEST] or None,
        fault_at=(fault.get("created") or "").rstrip("Z") or None,
        node=body.get("OS-EXT-SRV-ATTR:hypervisor_hostname"),
    )


@_view
def migration(body: Mapping[str, Any]) -> Migration:
    """From a member of os-migrations."""
    if body["source_compute"] is None:
        # What Nova shows to a user who may see migrations but not hosts.
        raise KeyError("source_compute")
    return Migration(
        id=body["id"],
        instance=body["instance_uuid"],
        status=body["status"],
        source=body["source_compute"],
        destination=body["dest_compute"],
        created=body["created_at"],
    )


@_view
def request(body: Mapping[str, Any]) -> Request:
    """From an instance action that is an evacuation, with its events."""
    events = {event["event"]: _event(event) for event in body["events"]}
    return Request(
        body["request_id"], body["start_time"], events.get("rebuild_server"), events.get("compute_rebuild_instance")
    )


def _event(body: Mapping[str, Any]) -> Event:
    # Before 2.62 Nova does not say where, before 2.84 not why it failed.
    details = body.get("details") or ""
    no_host, may_run = details.startswith(instance_states.NO_HOST), instance_states.may_run(details)
    failed = body["result"] not in (None, "Success")
    return Event(body["start_time"], body["finish_time"], failed, body.get("host"), no_host, may_run)

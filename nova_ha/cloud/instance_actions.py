# SPDX-License-Identifier: Apache-2.0
"""What was asked of Nova for an instance, by whomever."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from novaclient.v2.instance_action import InstanceActionManager

from nova_ha.cloud.compute_api import ComputeApi
from nova_ha.cloud.session import Access
from nova_ha.model.nova_actions import By, NovaAction

# That are read: more than an instance may be restarted within an hour, and what its owner does beside that.
_ACTIONS = 50


def of(api: ComputeApi, access: Access, instance: str) -> tuple[NovaAction, ...]:
    """As ``reader.NovaReader.instance_actions``."""
    us = access.user_id()
    return tuple(_action(each, us) for each in api.of(InstanceActionManager).list(instance, limit=_ACTIONS))


def _action(body: Mapping[str, Any], us: str | None) -> NovaAction:
    by = By.NOVA if body["user_id"] is None else By.US if body["user_id"] == us else By.ANOTHER
    at = datetime.datetime.fromisoformat(body["start_time"]).replace(tzinfo=datetime.timezone.utc)
    return NovaAction(body["action"], at.timestamp(), by)

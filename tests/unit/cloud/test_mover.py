# SPDX-License-Identifier: Apache-2.0
"""What planned work asks of Nova, against a small HTTP server that plays it."""

import json

import pytest

from nova_ha.cloud.mover import Mover
from nova_ha.config import loader
from tests.unit.http_cloud import running
from tests.unit.worlds import instance


@pytest.mark.parametrize(
    ("move", "body"),
    [
        (Mover.live_migrate, {"os-migrateLive": {"host": None, "block_migration": "auto"}}),
        (Mover.migrate, {"migrate": {}}),
    ],
)
def test_a_move_is_asked_for_once_and_the_scheduler_chooses(move, body):
    with running() as cloud:
        mover = Mover(loader.access(cloud.conf()))
        mover.connect()
        before = len(cloud.asked)
        assert move(mover, instance()) == "req-7"
        ((method, path, _, sent),) = cloud.asked[before:]
        assert (method, path, json.loads(sent)) == ("POST", "/v2.1/servers/i1/action", body)

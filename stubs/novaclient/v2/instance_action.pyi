# SPDX-License-Identifier: Apache-2.0
from typing import Any

from novaclient.base import Manager

class InstanceActionManager(Manager):
    def get(self, server: str, request_id: str) -> dict[str, Any]: ...
    def list(self, server: str, marker: str | None = None, limit: int | None = None) -> list[dict[str, Any]]: ...

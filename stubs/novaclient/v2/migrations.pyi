# SPDX-License-Identifier: Apache-2.0
from typing import Any

from novaclient.base import Manager

class MigrationManager(Manager):
    def list(
        self,
        host: str | None = None,
        status: str | None = None,
        instance_uuid: str | None = None,
        marker: str | None = None,
        limit: int | None = None,
        changes_since: str | None = None,
        *,
        migration_type: str | None = None,
    ) -> list[dict[str, Any]]: ...

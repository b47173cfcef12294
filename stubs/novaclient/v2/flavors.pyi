# SPDX-License-Identifier: Apache-2.0
from typing import Any

from novaclient.base import Manager

class FlavorManager(Manager):
    def list(
        self, detailed: bool = True, is_public: bool | None = True, marker: str | None = None
    ) -> list[dict[str, Any]]: ...

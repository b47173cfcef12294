# SPDX-License-Identifier: Apache-2.0
from typing import Any

from novaclient.base import Manager

class HypervisorManager(Manager):
    def search(
        self, hypervisor_match: str, servers: bool = False, detailed: bool = False
    ) -> list[dict[str, Any]]: ...
    def get(self, hypervisor: str) -> dict[str, Any]: ...
    def list(self, detailed: bool = True, marker: str | None = None) -> list[dict[str, Any]]: ...

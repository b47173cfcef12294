# SPDX-License-Identifier: Apache-2.0
from typing import Any

from novaclient.base import Manager

class AggregateManager(Manager):
    def list(self) -> list[dict[str, Any]]: ...

# SPDX-License-Identifier: Apache-2.0
"""What an operator's planned work asks of Nova beside what the engine does: instances of hosts that live are moved."""

from __future__ import annotations

from novaclient.v2.servers import ServerManager

from nova_ha.cloud.nova import Nova, requested
from nova_ha.model.snapshot import Instance


class Mover(Nova):
    """As ``Nova``."""

    def live_migrate(self, instance: Instance) -> str:
        """Have an instance moved elsewhere while it runs; the scheduler chooses where, Nova whether its disks move."""
        return requested(self._api.of(ServerManager).live_migrate(instance.id, None, "auto"))

    def migrate(self, instance: Instance) -> str:
        """Have an instance moved elsewhere while it is off; it is not over before that is confirmed."""
        return requested(self._api.of(ServerManager).migrate(instance.id))

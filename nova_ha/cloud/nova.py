# SPDX-License-Identifier: Apache-2.0
"""The one door to the cloud: what the engine reads of Nova (``reader``) and asks of it."""

from __future__ import annotations

import urllib.parse

from novaclient.base import RequestIdMixin
from novaclient.v2.servers import REBOOT_HARD, ServerManager
from novaclient.v2.services import ServiceManager

from nova_ha.cloud.errors import Busy, CloudError, Misconfigured, Refused, Unreachable, WrongAddress
from nova_ha.cloud.reader import NovaReader
from nova_ha.model.snapshot import Instance, Service

__all__ = ["Busy", "CloudError", "Misconfigured", "Nova", "Refused", "Unreachable", "WrongAddress"]


class Nova(NovaReader):
    """What the engine reads from and writes to the cloud; safe to share between threads.

    Every method raises ``CloudError``, which is any of the others. Every change returns Nova's request id, by which an
    operator finds it in Nova's logs.
    """

    # Changing a service

    def force_down(self, service: Service, forced: bool, enabled: bool | None = None, reason: str | None = None) -> str:
        """Declare a service dead, or no longer so; in the same request, if that is said, enable or disable it.

        Not by novaclient's manager, which says one thing in a request: there would be a moment between two, and while
        its host is dead, Nova takes 60 s for the one that only disables it.

        :param enabled: whether the scheduler may use the host; None leaves that as it is
        :param reason: why it is disabled
        """
        status = {} if enabled is None else {"status": "enabled" if enabled else "disabled"}
        why = {} if reason is None else {"disabled_reason": reason}
        return self._api.put(f"/os-services/{service.id}", {"forced_down": forced, **status, **why})

    def disable(self, service: Service, reason: str) -> str:
        """Keep the scheduler off a host."""
        return requested(self._services.disable_log_reason(service.id, reason))

    def enable(self, service: Service) -> str:
        """Let the scheduler use a host."""
        return requested(self._services.enable(service.id))

    # Changing an instance

    def evacuate(self, instance: Instance, destination: str | None = None) -> str:
        """Have an instance resurrected elsewhere; returns as soon as Nova has accepted that.

        :param destination: Nova's name of the host to do it on, None to let the scheduler choose
        :raises Unreachable: with ``sent`` true Nova may do it nevertheless, now or later
        """
        return requested(self._servers.evacuate(instance.id, host=destination))

    def reset_state(self, instance: Instance, state: str) -> str:
        """Have Nova take an instance for one in that state, ``active`` or ``error``, with nothing going on."""
        return requested(self._servers.reset_state(instance.id, state))

    def stop(self, instance: Instance) -> str:
        """Stop an instance."""
        return requested(self._servers.stop(instance.id))

    def pause(self, instance: Instance) -> str:
        """Pause an instance."""
        return requested(self._servers.pause(instance.id))

    def reboot(self, instance: Instance) -> str:
        """Switch an instance off and on again."""
        return requested(self._servers.reboot(instance.id, REBOOT_HARD))

    def confirm_resize(self, instance: Instance) -> str:
        """Confirm a resize: the host that it was resized from gives up its copy."""
        return requested(self._servers.confirm_resize(instance.id))

    def delete(self, instance: Instance) -> str:
        """Delete an instance."""
        return requested(self._servers.delete(instance.id))

    def tag(self, instance: Instance, tag: str) -> str:
        """Put a tag on an instance; Nova lets only active, stopped, paused and suspended ones (409)."""
        return requested(self._servers.add_tag(instance.id, _quoted(tag)))

    def untag(self, instance: Instance, tag: str) -> str:
        """Take a tag off an instance, of which the same holds; 404 if it does not carry it."""
        return requested(self._servers.delete_tag(instance.id, _quoted(tag)))

    @property
    def _servers(self) -> ServerManager:
        return self._api.of(ServerManager)

    @property
    def _services(self) -> ServiceManager:
        return self._api.of(ServiceManager)


def requested(done: RequestIdMixin) -> str:
    """Nova's id of the one request that a change was."""
    (request,) = done.request_ids
    return request


def _quoted(tag: str) -> str:
    """As a part of a path, which novaclient leaves to who calls it."""
    return urllib.parse.quote(tag, safe="")

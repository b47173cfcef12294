# SPDX-License-Identifier: Apache-2.0
"""The one door to the cloud: what the engine reads of Nova (``reader``) and asks of it."""

from __future__ import annotations

from collections.abc import Mapping

from nova_ha.cloud.errors import Busy, CloudError, Misconfigured, Refused, Unreachable, WrongAddress
from nova_ha.cloud.reader import NovaReader, quoted
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

        :param enabled: whether the scheduler may use the host; None leaves that as it is
        :param reason: why it is disabled
        """
        status = {} if enabled is None else {"status": "enabled" if enabled else "disabled"}
        why = {} if reason is None else {"disabled_reason": reason}
        return self._change("PUT", f"/os-services/{service.id}", {"forced_down": forced, **status, **why})

    def disable(self, service: Service, reason: str) -> str:
        """Keep the scheduler off a host."""
        return self._change("PUT", f"/os-services/{service.id}", {"status": "disabled", "disabled_reason": reason})

    def enable(self, service: Service) -> str:
        """Let the scheduler use a host."""
        return self._change("PUT", f"/os-services/{service.id}", {"status": "enabled"})

    # Changing an instance

    def evacuate(self, instance: Instance, destination: str | None = None) -> str:
        """Have an instance resurrected elsewhere; returns as soon as Nova has accepted that.

        :param destination: Nova's name of the host to do it on, None to let the scheduler choose
        :raises Unreachable: with ``sent`` true Nova may do it nevertheless, now or later
        """
        return self._act(instance, "evacuate", {} if destination is None else {"host": destination})

    def reset_state(self, instance: Instance, state: str) -> str:
        """Have Nova take an instance for one in that state, ``active`` or ``error``, with nothing going on."""
        return self._act(instance, "os-resetState", {"state": state})

    def stop(self, instance: Instance) -> str:
        """Stop an instance."""
        return self._act(instance, "os-stop")

    def pause(self, instance: Instance) -> str:
        """Pause an instance."""
        return self._act(instance, "pause")

    def reboot(self, instance: Instance) -> str:
        """Switch an instance off and on again."""
        return self._act(instance, "reboot", {"type": "HARD"})

    def confirm_resize(self, instance: Instance) -> str:
        """Confirm a resize: the host that it was resized from gives up its copy."""
        return self._act(instance, "confirmResize")

    def delete(self, instance: Instance) -> str:
        """Delete an instance."""
        return self._change("DELETE", f"/servers/{instance.id}")

    def tag(self, instance: Instance, tag: str) -> str:
        """Put a tag on an instance; Nova lets only active, stopped, paused and suspended ones (409)."""
        return self._change("PUT", f"/servers/{instance.id}/tags/{quoted(tag)}")

    def untag(self, instance: Instance, tag: str) -> str:
        """Take a tag off an instance, of which the same holds; 404 if it does not carry it."""
        return self._change("DELETE", f"/servers/{instance.id}/tags/{quoted(tag)}")

    # How

    def _act(self, instance: Instance, action: str, details: Mapping[str, str] | None = None) -> str:
        return self._change("POST", f"/servers/{instance.id}/action", {action: details})

    def _change(self, method: str, path: str, body: Mapping[str, object] | None = None) -> str:
        """Ask for a change; returns Nova's request id, without which it was not Nova that answered."""
        done = self._request("compute", method, path, body)
        headers = done.headers
        request: str | None = headers.get("x-openstack-request-id") or headers.get("x-compute-request-id")
        if request is None:
            raise Unreachable(f"{path}: what answered is not Nova (HTTP {done.status_code} without a request id)")
        return request

# SPDX-License-Identifier: Apache-2.0
"""What was asked for instances of dead hosts, read where their records of evacuations do not tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection

from nova_ha.cloud.errors import CloudError, Misconfigured
from nova_ha.model.evacuate_request import Requests
from nova_ha.model.snapshot import Host, World
from nova_ha.recovery.observe.reading import Cloud, Each

# Seconds for which what was asked for an instance is held to be known.
REQUESTS_AGE = 10.0


class RequestReader:
    """Reads that.

    :param clock: monotonic seconds
    """

    def __init__(self, cloud: Cloud, each: Each, clock: Callable[[], float]) -> None:
        self._cloud = cloud
        self._each = each
        self._clock = clock
        self._requests: dict[str, Requests] = {}  # instance id -> what was asked for it

    def with_requests(self, world: World, instances: Collection[str]) -> World:
        """The world, with what was asked for some of its hosts' instances, by their ids; not older than a few seconds.

        What Nova does not tell just now is left out: that instance waits, and no other.

        :raises nova.Misconfigured: an operator has to see to it that the user may read it
        """
        now = self._clock()
        known = self._requests.items()
        fresh = {i: each for i, each in known if i in instances and now - each.read_at < REQUESTS_AGE}
        old = [i for i in instances if i not in fresh]
        read = zip(old, self._each(self._read_requests, old))
        self._requests = {**fresh, **{i: each for i, each in read if each is not None}}
        return dataclasses.replace(world, hosts=tuple(map(self._with_own, world.hosts)))

    def _with_own(self, host: Host) -> Host:
        """A host with what is known of its instances."""
        own = {each.id: self._requests[each.id] for each in host.instances if each.id in self._requests}
        return dataclasses.replace(host, requests=own) if own else host

    def _read_requests(self, instance: str) -> Requests | None:
        read_at = self._clock()
        try:
            found = dataclasses.replace(self._cloud.evacuation_requests(instance), read_at=read_at)
        except Misconfigured:
            raise
        except CloudError:
            return None  # it was deleted a moment ago, say, or its cell is away
        if not found.is_claimed:
            return found
        try:
            return dataclasses.replace(found, claims=self._cloud.claims(instance))
        except CloudError:
            return found  # Placement is away, or not ours to ask: then it is waited for longer

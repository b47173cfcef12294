# SPDX-License-Identifier: Apache-2.0
"""In what order instances are recovered: groups, then priorities, then fairness between hosts. Pure.

What an instance's metadata says wins over what its flavor's extra specs say. That a group waits until the one before it
is up is decided elsewhere (``planner``); here is only who goes first.
"""

from __future__ import annotations

import collections
import dataclasses
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from nova_ha.model.snapshot import Instance

Item = TypeVar("Item")

PRIORITY_KEY = "nova-ha:priority"
GROUP_KEY = "nova-ha:group"

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


@dataclasses.dataclass(frozen=True)
class Order:
    """What the operators configured: section ``[order]``.

    :param priority_key: metadata or extra spec that holds a priority; empty: none has one
    :param group_key: metadata or extra spec that holds a group's name; empty: none is in one
    :param groups: names of the groups, the one to be recovered first first
    """

    priority_key: str = PRIORITY_KEY
    group_key: str = GROUP_KEY
    groups: tuple[str, ...] = ()

    @classmethod
    def from_options(cls, options: Any) -> Order:
        """The order that section ``[order]`` of the configuration amounts to."""
        return cls(options.priority_key, options.group_key, tuple(options.groups))

    def priority(self, instance: Instance) -> int:
        """The instance's priority: higher goes first; 0 if it has none, or one that is not a whole number."""
        text = _written(instance, self.priority_key)
        return int(text) if _WHOLE_NUMBER.fullmatch(text) else 0

    def group(self, instance: Instance) -> int:
        """The place of its group in ``groups``: lower goes first; ``len(groups)`` if it is in none of them."""
        if not self.groups:
            return 0
        wanted = _written(instance, self.group_key).casefold()
        for place, name in enumerate(self.groups):
            if name.casefold() == wanted:
                return place
        return len(self.groups)

    def arrange(
        self,
        queues: Iterable[Iterable[Item]],
        instance_of: Callable[[Item], Instance] = operator.attrgetter("instance"),
    ) -> list[Item]:
        """All items in the order in which they are to be recovered.

        Lower groups go first, then higher priorities. Among equals the hosts take turns, the first queue first, and
        each host's items keep their order. Whoever takes only the head of the result, again and again, has to put the
        host with the least in flight first, or the first one is served until it is empty.

        :param queues: the items of each source host
        :return: time grows with n log n
        """
        ranked = []
        for host, queue in enumerate(queues):
            turns: collections.Counter[tuple[int, int]] = collections.Counter()
            for item in queue:
                instance = instance_of(item)
                rank = (self.group(instance), -self.priority(instance))
                ranked.append((rank, turns[rank], host, item))
                turns[rank] += 1
        ranked.sort(key=lambda entry: entry[:3])
        return [item for *_, item in ranked]


def _written(instance: Instance, key: str) -> str:
    """What its metadata, else its flavor, says under a key; empty if neither says anything."""
    return str(instance.metadata.get(key, instance.extra_specs.get(key, ""))).strip()

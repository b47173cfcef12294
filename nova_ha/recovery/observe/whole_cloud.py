# SPDX-License-Identifier: Apache-2.0
"""What is read of the cloud as a whole: aggregates, what selects instances, and lists of instances on any host."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

from nova_ha.model import flag, instance_states, restore_moves, restore_tags
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.snapshot import Host, Instance, Service, unread
from nova_ha.policy import reserved_hosts
from nova_ha.recovery.observe.reading import Cloud, Read, kept

# Seconds for which what flavors, images and aggregates say is held to be known.
SETTINGS_AGE = 60.0
# And for which it is left at that that Glance has never told which images select instances.
SELECTION_AGE = 10.0

# Seconds after which lists of instances of the whole cloud are read again while no host is dead or comes back: hosts
# may be off for weeks.
QUIET_AGE = 600.0


class WholeCloud:
    """Reads that, as seldom as will do.

    :param aggregates_matter: whether aggregates are read in any case, not only where a host is reserved
    :param tag: what selects instances, see ``evacuable_tag``
    :param clock: monotonic seconds
    :ivar may_have_notes: whether there may be instances whose former state is to be restored
    """

    def __init__(self, cloud: Cloud, aggregates_matter: bool, tag: str, clock: Callable[[], float]) -> None:
        self._cloud = cloud
        self._clock = clock
        self.go_by(aggregates_matter, tag)
        self.may_have_notes = True
        self._aggregates: Read[Mapping[str, frozenset[str]]] | None = None  # kept for SETTINGS_AGE
        self._selections: dict[str, Read[Selection]] = {}  # likewise, by tag
        self._images: dict[str, frozenset[str]] = {}  # tag -> the images that select by it, as Glance named them last
        self._lists: dict[str, Read[tuple[Instance, ...]]] = {}  # by name; what is kept for QUIET_AGE

    def go_by(self, aggregates_matter: bool, tag: str) -> None:
        """Go by other settings from now on; see the class."""
        self._aggregates_matter = aggregates_matter
        self._tag = tag

    def aggregates(self, services: Mapping[str, Service]) -> Mapping[str, frozenset[str]]:
        """The hosts of each aggregate, by its name, if they matter; read anew when that is old.

        :raises nova.CloudError: they cannot be read
        """
        if not self._aggregates_matter and not any(map(reserved_hosts.is_reserved, services.values())):
            return {}
        self._aggregates = kept(self._aggregates, self._cloud.aggregates, SETTINGS_AGE, self._clock)
        return self._aggregates.value

    def selection(self) -> Selection:
        """What selects instances; while Glance does not answer, the images that it named last."""
        tag = self._tag
        age = SETTINGS_AGE if tag in self._images else SELECTION_AGE
        known = kept(self._selections.get(tag), lambda: self._cloud.selection(tag), age, self._clock)
        self._selections[tag], found = known, known.value
        if found.images is not None:
            self._images[tag] = found.images
        return dataclasses.replace(found, images=self._images.get(tag))

    def restoring(
        self,
        hosts: Iterable[Host],
        instances: Iterable[Instance],
        services: Mapping[str, Service],
        is_quiet: bool,
    ) -> tuple[Instance, ...]:
        """Every instance whose former state is to be restored; asked for only as long as there may be any.

        And before a host's flag goes: another engine may have tagged one. As long as nothing is to be done about any
        of them, and no host is dead or comes back, they are asked for now and then.
        """
        self.may_have_notes = self.may_have_notes or any(host.reported_for is not None for host in hosts)
        noted = any(restore_tags.wanted(each) or restore_tags.reached(each) for each in instances)
        self.may_have_notes = self.may_have_notes or noted
        up = {name for name, service in services.items() if service.up}
        found: tuple[Instance, ...] = ()
        if self.may_have_notes:
            found = self._listed(
                "restoring",
                self._cloud.restoring,
                lambda tagged: is_quiet and all(each.host not in up or restore_moves.rests(each) for each in tagged),
            )
        # Nova's list leaves out the instances of a cell that is away.
        self.may_have_notes = bool(found) or (self.may_have_notes and bool(unread(services)))
        return found

    def late(self, flagged: Mapping[str, str], names: Mapping[str, str], is_quiet: bool) -> frozenset[str]:
        """The ids of the instances that a late request has left in error, but for those on hosts that are dead.

        Of interest to a host that may have taken requests for them, too: there is none if no other host is flagged. A
        late request is one of a host that comes back.
        """
        if len(flagged) < 2:
            return frozenset()
        dead = {names[host] for host, value in flagged.items() if host in names and flag.is_dead(value)}
        known = self._listed("late", self._late_in_error, lambda late: is_quiet and not late)
        return frozenset(each.id for each in known if each.host not in dead)

    def _late_in_error(self) -> tuple[Instance, ...]:
        return tuple(each for each in self._cloud.in_error() if each.task_state in instance_states.LATE)

    def _listed(
        self,
        name: str,
        read: Callable[[], tuple[Instance, ...]],
        may_be_kept: Callable[[tuple[Instance, ...]], bool],
    ) -> tuple[Instance, ...]:
        """What a list of the whole cloud says, read anew when it is old, or whenever what is known may not be kept."""
        known = self._lists.get(name)
        if known is None or self._clock() - known.at >= QUIET_AGE or not may_be_kept(known.value):
            known = self._lists[name] = Read(read(), self._clock())
        return known.value

    def forget(self) -> None:
        """There is no flag any more."""
        self._lists.clear()

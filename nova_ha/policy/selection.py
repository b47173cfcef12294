# SPDX-License-Identifier: Apache-2.0
"""Which instances are recovered: the one place that decides, and says why.

As in existing deployments: flavors (by extra spec) and images (by property or tag) that carry ``evacuable=true``
select; where no flavor and no image of the cloud carries it, every instance is recovered. Operators narrow that down by
name, project, availability zone and host aggregate; an owner opts in or out by metadata. What wins over what is the
order of ``Policy.verdict``; docs/policy.md tells it to operators.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Set
from typing import Any

from nova_ha.model.evacuable_tag import TAG, Selection, is_tagged
from nova_ha.model.snapshot import Instance

METADATA_KEY = "evacuable"

_YES = frozenset({"true", "yes", "1", "on"})
_NO = frozenset({"false", "no", "0", "off"})

# Letters of a bad metadata value that a reason repeats: its owner may have written 255.
_SHOWN = 40


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether an instance is recovered; ``reason`` is for people, in any case.

    :param known: whether that is certain: if not, it is to be asked for again
    """

    recover: bool
    reason: str
    known: bool = True


@dataclasses.dataclass(frozen=True)
class Policy:
    """What the operators configured: section ``[policy]``, whose options are named as the fields here.

    :param tag: extra spec of flavors, property or tag of images, that selects
    :param metadata_key: metadata by which an owner opts in or out; empty: owners are not asked
    :param skip_names: shell patterns of instances' names; case matters
    :param projects: ids; if given, only their instances are recovered
    :param skip_projects: ids
    :param availability_zones: names; if given, only instances in these
    :param skip_availability_zones: names
    :param aggregates: names; if given, only instances whose host is in one of them
    :param skip_aggregates: names
    :param error_instances: whether instances that were in error before their host died are recovered
    """

    tag: str = TAG
    metadata_key: str = METADATA_KEY
    skip_names: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    skip_projects: tuple[str, ...] = ()
    availability_zones: tuple[str, ...] = ()
    skip_availability_zones: tuple[str, ...] = ()
    aggregates: tuple[str, ...] = ()
    skip_aggregates: tuple[str, ...] = ()
    error_instances: bool = True

    @classmethod
    def from_options(cls, options: Any) -> Policy:
        """The policy that section ``[policy]`` of the configuration amounts to."""
        values = {field.name: getattr(options, field.name) for field in dataclasses.fields(cls)}
        frozen: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**frozen)

    def verdict(
        self,
        instance: Instance,
        selection: Selection,
        aggregates_of_host: Set[str] = frozenset(),
        attempted: bool = False,
    ) -> Verdict:
        """Whether an instance of a dead host is recovered: the first rule that has something to say decides.

        :param aggregates_of_host: names of the host aggregates that its host is in
        :param attempted: an evacuation of ours failed, so that its being in error is our doing
        """
        written = instance.metadata.get(self.metadata_key)
        word = (written or "").strip()
        wish = _wish(word)
        if wish is False:
            return Verdict(False, f"its owner opted out: its metadata has {self.metadata_key}={word}")
        against = (
            self._skipped(instance, aggregates_of_host)
            or self._outside(instance, aggregates_of_host)
            or self._in_error(instance, attempted)
        )
        if against:
            found = Verdict(False, against)
        elif wish:
            found = Verdict(True, f"its owner opted in: its metadata has {self.metadata_key}={word}")
        else:
            found = self._selected(instance, selection)
        if written is None or wish is not None:
            return found
        shown = written if len(written) <= _SHOWN else written[:_SHOWN] + "..."
        remark = f"its metadata {self.metadata_key}={shown!r} is neither true nor false: ignored"
        return dataclasses.replace(found, reason=f"{found.reason} ({remark})")

    def _skipped(self, instance: Instance, aggregates: Set[str]) -> str | None:
        """Which of the skip lists names the instance, or None."""
        for pattern in self.skip_names:
            if fnmatch.fnmatchcase(instance.name, pattern):
                return f"its name matches {pattern} of skip_names"
        if instance.project in self.skip_projects:
            return f"its project {instance.project} is in skip_projects"
        if instance.zone in self.skip_availability_zones:
            return f"its availability zone {instance.zone} is in skip_availability_zones"
        for aggregate in self.skip_aggregates:
            if aggregate in aggregates:
                return f"its host's aggregate {aggregate} is in skip_aggregates"
        return None

    def _outside(self, instance: Instance, aggregates: Set[str]) -> str | None:
        """Which of the lists that were given lacks the instance, or None."""
        if self.projects and instance.project not in self.projects:
            return f"its project {instance.project} is not in projects"
        if self.availability_zones and instance.zone not in self.availability_zones:
            return f"its availability zone {instance.zone} is not in availability_zones"
        if self.aggregates and aggregates.isdisjoint(self.aggregates):
            return "none of its host's aggregates is in aggregates"
        return None

    def _in_error(self, instance: Instance, attempted: bool) -> str | None:
        """That it was in error without our doing, and that such are left; or None."""
        if instance.vm_state != "error" or self.error_instances or attempted:
            return None
        return "it was in error before its host died, and error_instances is off"

    def _selected(self, instance: Instance, selection: Selection) -> Verdict:
        """What the tags of flavors and images say of it."""
        if selection.images is None and not is_tagged(instance.extra_specs, self.tag):
            return self._selected_without_images(instance, selection)
        if not selection.flavors_tagged and not selection.images:
            return Verdict(True, f"no flavor and no image carries {self.tag}, so every instance is recovered")
        if is_tagged(instance.extra_specs, self.tag):
            return Verdict(True, f"its flavor carries {self.tag}=true")
        if instance.image in (selection.images or ()):
            return Verdict(True, f"its image carries {self.tag}")
        return Verdict(False, f"neither its flavor nor its image carries {self.tag}=true")

    def _selected_without_images(self, instance: Instance, selection: Selection) -> Verdict:
        """What can be said of an instance without the tag on its flavor while nobody knows which images carry it."""
        if instance.image is not None:
            reason = f"whether its image carries {self.tag} is not known while Glance does not answer"
            return Verdict(False, f"{reason}: {selection.problem}", known=False)
        if selection.flavors_tagged:
            return Verdict(False, f"it has no image, and its flavor does not carry {self.tag}=true")
        return Verdict(True, f"it has no image, and no flavor carries {self.tag}")


def _wish(word: str) -> bool | None:
    """What an owner wrote, as True or False; None if it is neither, or nothing was written."""
    if word.lower() in _YES:
        return True
    return False if word.lower() in _NO else None

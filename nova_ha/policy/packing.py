# SPDX-License-Identifier: Apache-2.0
"""Whether the instances of lost hosts would find room on the others: pure, and by numbers alone.

Three looks, each dearer than the one before:

1. *Whatever the order*: each host left has room for so many instances of the largest kind; are these enough? Then all
   find room, whichever host Nova's scheduler chooses for which.
2. *As Nova does it*: each instance in turn goes to the host with the most free memory, as the scheduler weighs.
3. *As well as it can be done*, to a good approximation: the largest first, each to the host that it fills best.

What finds no place in the third finds none. What finds one there only depends on the order, so that it cannot be told.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Callable, NamedTuple

from nova_ha.model.room import CLASSES, MEMORY, Demand

FITS, NO_ROOM, CANNOT_TELL = "fits", "no_room", "cannot_tell"

# Combinations of lost hosts of which each is looked at; of more, those that are likely to be the worst.
MOST_COMBINATIONS = 50_000

# Combinations for which instances are placed one by one, the fullest hosts first: milliseconds each.
MOST_PLACED = 500

# More instances than any host has.
_ANY_NUMBER = 1_000_000

_MEMORY = CLASSES.index(MEMORY)

# Amounts by class, in the order of CLASSES.
_Vector = tuple[float, ...]
_Sorter = Callable[[Iterable[str]], list[str]]
_Chooser = Callable[[Sequence[list[float]]], list[float]]


@dataclasses.dataclass(frozen=True)
class Bin:
    """A host that could take instances.

    :param free: by class; of a class that is not in it there is no end
    """

    host: str
    zone: str | None
    free: Mapping[str, int]


class Told(NamedTuple):
    """What would become of one instance: FITS, NO_ROOM or CANNOT_TELL, and why."""

    demand: Demand
    verdict: str
    reason: str


class Loss(NamedTuple):
    """What would become of the instances of some hosts, were they lost together."""

    hosts: tuple[str, ...]
    told: tuple[Told, ...]

    def count(self, verdict: str) -> int:
        """How many instances have a verdict."""
        return sum(each.verdict == verdict for each in self.told)

    @property
    def badness(self) -> tuple[int, int]:
        """By what the worst losses come first."""
        return self.count(NO_ROOM), self.count(CANNOT_TELL)


class Survey(NamedTuple):
    """What was found of all combinations that were looked at.

    :param combinations: how many there are
    :param looked_at: of how many it was told whether all fits
    :param losses: of one host at a time all; else those that do not fit, or of which it cannot be told, the worst first
    """

    combinations: int
    looked_at: int
    losses: tuple[Loss, ...]


class Cloud:
    """The cloud's room, and what each of its hosts would need elsewhere.

    :param demands: of all hosts
    :param bins: the hosts that could take instances
    :param aggregates: the hosts of each aggregate, by its name: what is likely to be lost together
    """

    def __init__(
        self, demands: Iterable[Demand], bins: Iterable[Bin], aggregates: Mapping[str, Collection[str]] | None = None
    ) -> None:
        self._bins = {each.host: (each.zone, _vector(each.free, math.inf)) for each in bins}
        self._aggregates = aggregates or {}
        self._of: dict[str, list[tuple[Demand, _Vector]]] = {}
        largest: dict[str | None, _Vector] = {}
        for each in demands:
            needs = _vector(each.needs, 0)
            self._of.setdefault(each.host, []).append((each, needs))
            largest[each.zone] = tuple(map(max, largest.get(each.zone, needs), needs))
        # Of each host that could take instances, how many of the largest kind of its zone.
        self._slots = {host: _slots(free, largest.get(zone)) for host, (zone, free) in self._bins.items()}
        self._slots_of_zone: collections.Counter[str | None] = collections.Counter()
        for host, (zone, _free) in self._bins.items():
            self._slots_of_zone[zone] += self._slots[host]
        # Of each host, how many instances of which zone.
        self._numbers = {
            host: collections.Counter(demand.zone for demand, _needs in known) for host, known in self._of.items()
        }

    def survey(self, hosts: Collection[str], failures: int) -> Survey:
        """What would become of the instances of any so many of some hosts.

        :param hosts: Nova's names of those that may be lost
        """
        total = math.comb(len(hosts), failures)
        found: list[Loss] = []
        doubtful: list[tuple[str, ...]] = []
        looked_at = 0
        for lost in _combinations(sorted(hosts), failures, total, self._fullest, self._aggregates):
            if failures > 1 and self._is_enough(lost):
                looked_at += 1
            else:
                doubtful.append(lost)
        doubtful.sort(key=lambda lost: -sum(map(self._weight, lost)))
        for lost in doubtful if failures == 1 else doubtful[:MOST_PLACED]:
            loss = self.loss(lost)
            looked_at += 1
            if failures == 1 or any(loss.badness):
                found.append(loss)
        return Survey(total, looked_at, tuple(sorted(found, key=lambda loss: loss.badness, reverse=True)))

    def loss(self, hosts: Sequence[str]) -> Loss:
        """What would become of the instances of some hosts, were they lost together."""
        wanted = [each for host in hosts for each in self._of.get(host, ())]
        left = [] if self._is_enough(hosts) else _unplaced(wanted, self._free_without(hosts), _roomiest)
        hopeless = _unplaced(_largest_first(wanted), self._free_without(hosts), _tightest) if left else []
        none, some = {demand.id for demand, _ in hopeless}, {demand.id for demand, _ in left}
        kinds = {(demand.zone, needs) for demand, needs in hopeless}
        outside = {kind: self._is_outside(*kind, hosts) for kind in kinds}
        told = []
        for demand, needs in wanted:
            if demand.id in none:
                told.append(_hopeless(demand, outside[demand.zone, needs]))
            elif demand.id in some:
                told.append(Told(demand, CANNOT_TELL, "whether it finds room depends on where the others go"))
            elif demand.unclear is not None:
                told.append(Told(demand, CANNOT_TELL, demand.unclear))
            else:
                told.append(Told(demand, FITS, "there is room"))
        return Loss(tuple(hosts), tuple(told))

    def _is_outside(self, own: str | None, needs: _Vector, lost: Sequence[str]) -> bool:
        """Whether a host of another availability zone has room."""
        return any(
            zone != own and host not in lost and _holds(free, needs) for host, (zone, free) in self._bins.items()
        )

    def _is_enough(self, lost: Sequence[str]) -> bool:
        """Whether all find room whatever the order: each host left has so many places, whoever takes one."""
        count: collections.Counter[str | None] = collections.Counter()
        gone: collections.Counter[str | None] = collections.Counter()
        for host in lost:
            count.update(self._numbers.get(host, {}))
            if host in self._bins:
                gone[self._bins[host][0]] += self._slots[host]
        return all(number <= self._slots_of_zone[zone] - gone[zone] for zone, number in count.items())

    def _free_without(self, lost: Sequence[str]) -> dict[str | None, list[list[float]]]:
        """What is free on each other host, by zone; to be used up."""
        found: dict[str | None, list[list[float]]] = {}
        for host, (zone, free) in self._bins.items():
            if host not in lost:
                found.setdefault(zone, []).append(list(free))
        return found

    def _weight(self, host: str) -> float:
        """How much memory a host's instances need elsewhere."""
        return sum(needs[_MEMORY] for _demand, needs in self._of.get(host, ()))

    def _fullest(self, hosts: Iterable[str]) -> list[str]:
        return sorted(hosts, key=lambda host: (-self._weight(host), host))


def _combinations(
    hosts: Sequence[str],
    failures: int,
    total: int,
    fullest: _Sorter,
    aggregates: Mapping[str, Collection[str]],
) -> Iterator[tuple[str, ...]]:
    """Those of which each is looked at: all, or where that is too many, those that are likely to be the worst.

    These are each host with the fullest others, and the fullest hosts of each aggregate.
    """
    if total <= MOST_COMBINATIONS:
        yield from itertools.combinations(hosts, failures)
        return
    ranked = fullest(hosts)
    seen: set[tuple[str, ...]] = set()
    sets = [[host, *(other for other in ranked[:failures] if other != host)][:failures] for host in hosts]
    known = set(hosts)
    sets += [fullest(known.intersection(members))[:failures] for _name, members in sorted(aggregates.items())]
    for each in sets:
        lost = tuple(sorted(each))
        if len(lost) == failures and lost not in seen:
            seen.add(lost)
            yield lost


def _hopeless(demand: Demand, is_outside: bool) -> Told:
    """What is told of an instance that finds no room in its zone."""
    if is_outside:
        return Told(demand, CANNOT_TELL, f"there is room outside of its availability zone {demand.zone} only")
    return Told(demand, NO_ROOM, "no host that is left has room for it")


def _unplaced(
    wanted: Iterable[tuple[Demand, _Vector]], free: dict[str | None, list[list[float]]], choose: _Chooser
) -> list[tuple[Demand, _Vector]]:
    """Place one after the other in its zone; returns those for which no host has room."""
    left = []
    # What found no place once finds none later: room only gets less.
    failed: set[tuple[str | None, _Vector]] = set()
    for demand, needs in wanted:
        known = (demand.zone, needs) in failed
        able = [] if known else [each for each in free.get(demand.zone, ()) if _holds(each, needs)]
        if not able:
            failed.add((demand.zone, needs))
            left.append((demand, needs))
            continue
        chosen = choose(able)
        for place, need in enumerate(needs):
            chosen[place] -= need
    return left


def _roomiest(able: Sequence[list[float]]) -> list[float]:
    return max(able, key=lambda free: free[_MEMORY])


def _tightest(able: Sequence[list[float]]) -> list[float]:
    return min(able, key=lambda free: free[_MEMORY])


def _largest_first(wanted: Iterable[tuple[Demand, _Vector]]) -> list[tuple[Demand, _Vector]]:
    return sorted(wanted, key=lambda each: (each[1][_MEMORY], each[1]), reverse=True)


def _holds(free: Sequence[float], needs: _Vector) -> bool:
    # Written out: it is asked for each instance and each host.
    return needs[0] <= free[0] and needs[1] <= free[1] and needs[2] <= free[2]


def _slots(free: _Vector, largest: _Vector | None) -> int:
    """How many instances of the largest kind a host has room for."""
    if largest is None:
        return 0
    numbers = (has // need for need, has in zip(largest, free) if need and has != math.inf)  # noqa: B905
    return int(max(0, min(numbers, default=_ANY_NUMBER)))


def _vector(amounts: Mapping[str, int], missing: float) -> _Vector:
    return tuple(amounts.get(kind, missing) for kind in CLASSES)

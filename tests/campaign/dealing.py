# SPDX-License-Identifier: Apache-2.0
"""Which faults strike in which run: dealt out like cards, so that a round of runs has seen all of them. Pure.

In a round of ``ROUND`` seeds (1 to 60, 61 to 120 ...) every kind of fault strikes twice at least, alone or beside
others; from round to round what strikes together differs, and a kind's moments come in turn.
"""

import collections
import dataclasses
import functools
import itertools
import random

from tests.campaign.disturbances import KINDS
from tests.campaign.moments import AROUND_DEATH

ROUND = 60

# How many faults strike beside the death, run after run. In a round that is a few more than twice the kinds that there
# are; and no divisor of their number, or the same ones would always come alone.
BESIDE = (2, 1, 2, 1, 2, 2, 2, 0)

DEATHS = tuple(name for name, kind in KINDS.items() if kind.is_death)
OTHERS = tuple(name for name, kind in KINDS.items() if not kind.is_death)


@dataclasses.dataclass(frozen=True)
class Hand:
    """What strikes in one run.

    :param death: name of the kind
    :param others: names of the other kinds
    :param moments: when each of these strikes
    """

    death: str
    others: tuple[str, ...]
    moments: tuple[str, ...]


def hand(seed):
    """What strikes in the run of a seed."""
    number, place = divmod(seed - 1, ROUND)
    return _round(number)[place]


def fits(death, others):
    """Whether a death goes with other faults: what they need is there, and one host is left that can take instances."""
    dies, kinds = KINDS[death], [KINDS[name] for name in others]
    return (
        all(not kind.deaths or death in kind.deaths for kind in kinds)
        and all(moments_after(death, name) for name in others)
        and (dies.lost_hosts == 1 or not any(kind.lost_hosts for kind in kinds))
        and (dies.lost_hosts < 3 or not any(kind.needs_another_host for kind in kinds))
    )


def moments_after(death, name):
    """When a fault may strike beside a death: a host that may live on has no recovery to be in the middle of."""
    moments = KINDS[name].moments
    return tuple(moment for moment in moments if moment in AROUND_DEATH) if KINDS[death].may_live else moments


@functools.lru_cache(maxsize=4)
def _round(number):
    """The hands of a round."""
    chance = random.Random(f"round {number}")
    deck = itertools.cycle(_order(chance))
    dealt = collections.Counter()
    hands = []
    for place in range(ROUND):
        others = tuple(next(deck) for _ in range(BESIDE[place % len(BESIDE)]))
        # Of the deaths that go with them the one that has been the rarest.
        death = min((name for name in DEATHS if fits(name, others)), key=lambda name: (dealt[name], chance.random()))
        moments = tuple(_moment(number, dealt[name], death, name) for name in others)
        dealt.update((death, *others))
        hands.append(Hand(death, others, moments))
    return hands


def _moment(number, times, death, name):
    """A kind's moments come in turn, and each kind begins with another one."""
    moments = moments_after(death, name)
    return moments[(2 * number + times + OTHERS.index(name)) % len(moments)]


def _order(chance):
    """The other kinds in an order in which no two neighbours are of one part, first and last being neighbours, too."""
    parts = collections.Counter(KINDS[name].group for name in OTHERS)
    while True:
        # The kinds of a part as far from each other as may be, more or less.
        seen = collections.Counter()
        places = {}
        for name in chance.sample(OTHERS, len(OTHERS)):
            part = KINDS[name].group
            places[name] = (seen[part] + chance.random()) / parts[part]
            seen[part] += 1
        order = sorted(OTHERS, key=places.get)
        if all(KINDS[a].group != KINDS[b].group for a, b in zip(order, order[1:] + order[:1])):
            return order

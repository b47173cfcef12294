# SPDX-License-Identifier: Apache-2.0
"""A seed becomes a plan: which instances there are, what strikes when, what the tenant does meanwhile. Pure.

The same seed (and the same chosen faults) gives the same plan, whatever happened before. Which faults strike at which
moments is dealt out (``dealing``), so that some runs have seen all of them; all else is left to chance.
"""

import dataclasses
import random
from typing import Optional

from tests.campaign import dealing
from tests.campaign.disturbances import KINDS
from tests.campaign.moments import BEFORE, DEATH
from tests.lab import history

HOSTS = ("compute-1", "compute-2", "compute-3")

# How a host dies when other faults were chosen by hand.
DEATHS = ("power-cut", "kill", "hang", "network-cut", "returns-at-once")

# Seconds: how much earlier than the death what strikes before it does, and how long after its moment a fault strikes.
LEAD = (4, 12)
DELAY = 2.0

# What an instance is before the disaster, how often, and what it has to be at the end.
STATES = {
    "running": (10, history.RUNNING),
    "stopped": (3, history.STOPPED),
    "paused": (1, history.PAUSED),
    "locked": (1, history.RUNNING),
    "locked, stopped": (1, history.STOPPED),
    "tagged": (1, history.RUNNING),
}
TAG = "its owner's tag"

# The tenant's deeds, and how often; seconds from the death.
DEEDS = {"create": 3, "stop": 3, "delete": 2}
DEEDS_BETWEEN = (-8, 40)


@dataclasses.dataclass(frozen=True)
class Strike:
    """A fault that strikes.

    :param fault: its name, a key of ``KINDS``
    :param target: the compute host that it is about, where it is about one; that of a death is the victim
    :param moment: when, one of ``moments.MOMENTS``
    :param delay: seconds after that moment; before the death, where the moment is BEFORE
    :param lasts: seconds until it is undone
    :param size: 0 to 1, for what else there is to choose
    """

    fault: str
    target: str
    moment: str = DEATH
    delay: float = 0.0
    lasts: float = 0.0
    size: float = 0.0

    @property
    def what(self):
        """The fault, and the host that it is about, for people."""
        kind = KINDS[self.fault]
        return f"{self.fault} ({self.target})" if kind.lost_hosts or kind.needs_another_host else self.fault

    def __str__(self):
        when = f"{self.delay:.1f} s {self.moment}" if self.moment == BEFORE else f"{self.moment} + {self.delay:.1f} s"
        lasts = f", for {self.lasts:.0f} s" if self.lasts else ""
        return f"{self.what}, {when}{lasts}"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """An instance that is there before the disaster.

    :param host: where
    :param state: a key of ``STATES``
    :param flavor: ``tiny`` or ``small``
    :param priority: in the order of recovery, None for none of its own
    """

    host: str
    state: str = "running"
    flavor: str = "tiny"
    priority: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Deed:
    """Something that the tenant does.

    :param at: seconds from the death
    :param what: one of ``DEEDS``
    :param pick: 0 to 1: which of the instances that are there then, or which host
    """

    at: float
    what: str
    pick: float


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run does.

    :param seed: what it was made from
    :param only: the faults that were chosen by hand, which are part of the seed
    :param strikes: the death of the victim first, then the others
    :param instances: what is booted
    :param deeds: what the tenant does, in the order of time
    :param spawn_seconds: how long a spawn takes
    :param options: the engine's, as ``cluster.set_options`` takes them
    """

    seed: int
    only: tuple[str, ...]
    strikes: tuple[Strike, ...]
    instances: tuple[Wanted, ...]
    deeds: tuple[Deed, ...]
    spawn_seconds: float
    options: dict

    @property
    def victim(self):
        """The host whose recovery the moments are of."""
        return self.strikes[0].target

    @property
    def faults(self):
        """The names of the faults."""
        return tuple(strike.fault for strike in self.strikes)

    @property
    def forgets(self):
        """Whether Nova may lose what it has accepted."""
        return any(KINDS[fault].forgets for fault in self.faults)

    @property
    def patient(self):
        """Whether something may be lost with a part of Nova or a destination, which is certain only after minutes."""
        return self.forgets or sum(KINDS[fault].lost_hosts for fault in self.faults) > 1

    @property
    def command(self):
        """The command line that carries this plan out again."""
        chosen = "".join(f" {fault}" for fault in self.only)
        return f"/usr/bin/python3 -m tests.campaign --seed {self.seed}" + (f" --fault{chosen}" if chosen else "")


def make(seed, only=()):
    """The plan of a seed.

    :param only: names of the faults that it is to have; by default chance chooses
    :raises ValueError: an unknown fault, or two deaths
    """
    unknown = [name for name in only if name not in KINDS]
    if unknown:
        raise ValueError(f"--fault: no such fault: {', '.join(unknown)}; --list names them")
    chance = random.Random(f"{seed} {' '.join(only)}")
    faults, when = _faults(chance, seed, only)
    kinds = [KINDS[fault] for fault in faults]
    first = chance.randrange(len(HOSTS))
    hosts = HOSTS[first:] + HOSTS[:first]
    lost = sum(kind.lost_hosts for kind in kinds)
    # The victim, whoever dies with it or after it, and of the living any.
    targets = [hosts[0]]
    targets += [hosts[1] if kind.lost_hosts else chance.choice(hosts[lost:] or hosts[1:]) for kind in kinds[1:]]
    spawns = [kind.spawn_seconds for kind in kinds if kind.spawn_seconds is not None]
    return Plan(
        seed=seed,
        only=tuple(only),
        strikes=tuple(_strike(chance, kind, target, moment) for kind, target, moment in zip(kinds, targets, when)),
        instances=tuple(_instances(chance, hosts, victims=kinds[0].lost_hosts)),
        deeds=tuple(_deeds(chance)),
        spawn_seconds=max(spawns) if spawns else chance.choice((0.5, 0.5, 2.0, 6.0)),
        options=_options(chance, kinds),
    )


def lines(plan):
    """What a plan says, for people."""
    states = {}
    for wanted in plan.instances:
        states.setdefault(wanted.host, []).append(wanted.state)
    return [
        f"seed {plan.seed}: {', '.join(plan.faults)}",
        *(f"  {strike}" for strike in plan.strikes),
        *(
            f"  {host}: " + ", ".join(f"{found.count(state)} {state}" for state in STATES if state in found)
            for host, found in sorted(states.items())
        ),
        f"  the tenant: {', '.join(f'{deed.what} at {deed.at:+.0f} s' for deed in plan.deeds)}",
        f"  a spawn takes {plan.spawn_seconds} s; options {plan.options or 'as they are by default'}",
    ]


def _faults(chance, seed, only):
    """Names of the faults, the death first, and the moments at which they strike."""
    if not only:
        hand = dealing.hand(seed)
        return [hand.death, *hand.others], [DEATH, *hand.moments]
    deaths = [name for name in only if KINDS[name].is_death]
    others = [name for name in only if not KINDS[name].is_death]
    if len(deaths) > 1:
        raise ValueError(f"--fault: a run has one death: {' or '.join(deaths)}, and second-death for another")
    fitting = [name for name in deaths or DEATHS if dealing.fits(name, others)]
    if not fitting:
        raise ValueError(f"--fault: these do not go together: {', '.join(only)}")
    death = chance.choice(fitting)
    return [death, *others], [DEATH, *(chance.choice(dealing.moments_after(death, name)) for name in others)]


def _strike(chance, kind, target, moment):
    """How a fault strikes; the death is what the others' moments are counted from."""
    delay = chance.uniform(*LEAD) if moment == BEFORE else 0.0 if kind.is_death else chance.uniform(0, DELAY)
    return Strike(
        kind.name, target, moment, round(delay, 1), round(chance.uniform(*kind.lasts), 1), round(chance.random(), 2)
    )


def _instances(chance, hosts, victims):
    """Many instances on the hosts that die first, a few on the others."""
    states, weights = list(STATES), [weight for weight, _becomes in STATES.values()]
    for place, host in enumerate(hosts):
        for _ in range(chance.randint(5, 11) if place < victims else chance.randint(1, 3)):
            yield Wanted(
                host,
                chance.choices(states, weights)[0],
                chance.choice(("tiny", "tiny", "small")),
                chance.choice((None, None, None, -5, 10)),
            )


def _deeds(chance):
    times = sorted(chance.uniform(*DEEDS_BETWEEN) for _ in range(chance.randint(4, 9)))
    for at in times:
        yield Deed(round(at, 1), chance.choices(list(DEEDS), list(DEEDS.values()))[0], round(chance.random(), 3))


def _options(chance, kinds):
    """The engine's options: those that a fault needs, else now and then a narrow limit."""
    options = {}
    for kind in kinds:
        for section, more in kind.options.items():
            options.setdefault(section, {}).update(more)
    return options or chance.choice(({}, {}, {}, {}, {"recovery": {"in_flight": 3}}))

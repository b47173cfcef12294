# SPDX-License-Identifier: Apache-2.0
"""What is to be done about all hosts, on its way through the gates that each evacuation has to pass."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence

from nova_ha.model.actions import Evacuate, Step, Wait
from nova_ha.recovery.decide.case import Case
from nova_ha.recovery.decide.situation import Situation


@dataclasses.dataclass(frozen=True)
class Proposal:
    """All steps of a pass, as far as has been decided.

    :param window: how many evacuations may be in flight at once, over all hosts
    :param cases: the hosts that are being recovered, by the cluster's names
    :param recovering: the steps for each of them
    :param others: the steps for the other hosts
    :param order: the ids of the instances that are evacuated, or wait for their turn only, as they have their turns
    """

    situation: Situation
    window: float
    cases: Mapping[str, Case]
    recovering: Sequence[Sequence[Step]]
    others: Sequence[Step]
    order: Sequence[str] = ()

    @property
    def evacuates(self) -> bool:
        """Whether there is an evacuation among the steps: most passes follow what has been sent."""
        return any(isinstance(step, Evacuate) for own in self.recovering for step in own)

    def instead(self, judge: Callable[[Evacuate], Step]) -> Proposal:
        """The same with what ``judge`` says in the place of each evacuation; that may be the evacuation itself."""
        if not self.evacuates:
            return self
        recovering = [[judge(step) if isinstance(step, Evacuate) else step for step in own] for own in self.recovering]
        return dataclasses.replace(self, recovering=recovering)

    def steps(self) -> list[Step]:
        """All steps in one list: the evacuations first, those that wait for their turn only at the end."""
        places = {instance: place for place, instance in enumerate(self.order)}
        send: list[tuple[int, Step]] = []
        hold: list[tuple[int, Step]] = []
        rest: list[Step] = []
        for step in itertools.chain(*self.recovering):
            if isinstance(step, Evacuate):
                send.append((places[step.instance.id], step))
            elif isinstance(step, Wait) and step.held and step.instance is not None:
                hold.append((places[step.instance.id], step))
            else:
                rest.append(step)
        return [*_by_place(send), *rest, *self.others, *_by_place(hold)]


# Something that an evacuation has to pass. What it holds back has something else in its place afterwards: a Wait, or
# what is to be done first.
Gate = Callable[[Proposal], Proposal]


def _by_place(found: list[tuple[int, Step]]) -> list[Step]:
    return [step for _, step in sorted(found, key=lambda each: each[0])]

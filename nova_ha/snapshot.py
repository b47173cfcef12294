# SPDX-License-Identifier: Apache-2.0
"""What the engine knows of the world at one moment: immutable, and all that a decision may look at.

Read once a pass (by ``engine``, through ``cluster`` and ``nova``); never changed, never half old and half new.
"""

import dataclasses
from collections.abc import Mapping
from typing import Optional

# An evacuation whose record says one of these is over. Whatever else a record says is taken to be in flight:
# a state that we do not know must not lead to a second evacuation.
FINISHED = frozenset({"done", "completed"})
FAILED = frozenset({"failed", "error", "cancelled"})


@dataclasses.dataclass(frozen=True)
class Service:
    """A nova-compute service as Nova reports it.

    :param id: its UUID, by which it is changed
    :param host: Nova's name of the host
    :param up: Nova holds it to be up; never true while it is forced down
    :param enabled: the scheduler may place instances there
    :param forced_down: somebody declared it dead
    :param disabled_reason: why it is disabled, if it is
    :param last_report: when it last reported (Nova's text, only compared for change)
    """

    id: str
    host: str
    up: bool
    enabled: bool
    forced_down: bool
    disabled_reason: Optional[str] = None
    last_report: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Instance:
    """An instance as Nova reports it.

    :param host: the host that it belongs to by Nova's record (it changes when an evacuation has been claimed there)
    :param vm_state: Nova's ``OS-EXT-STS:vm_state``
    :param task_state: Nova's ``OS-EXT-STS:task_state``, None when nothing is going on
    :param image: id of the image that it was made from, None when it boots from a volume
    :param extra_specs: the extra specs of its flavor as they were when it was made
    """

    id: str
    name: str
    host: Optional[str]
    vm_state: str
    task_state: Optional[str] = None
    image: Optional[str] = None
    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Migration:
    """Nova's record of one evacuation; ids grow with time.

    :param destination: the host that was chosen, None as long as none is
    """

    id: int
    instance: str
    status: str
    source: str
    destination: Optional[str] = None

    @property
    def in_flight(self):
        """Whether it may still start, or be starting, the guest somewhere."""
        return self.status not in FINISHED and self.status not in FAILED


@dataclasses.dataclass(frozen=True)
class Host:
    """One flagged host.

    :param name: the cluster's name of it
    :param flag: its flag's value
    :param service: its nova-compute service, None if Nova has none of that name
    :param instances: what Nova says is on it, read *after* ``evacuations``: an evacuation that ends in between
        then shows as in flight on an instance that is gone, never as done on one that seems left behind
    :param evacuations: the records of evacuations away from it, oldest first
    :param problem: why nothing can be known of it, None if it can
    """

    name: str
    flag: str
    service: Optional[Service] = None
    instances: tuple[Instance, ...] = ()
    evacuations: tuple[Migration, ...] = ()
    problem: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class World:
    """Everything that one pass decides on.

    :param hosts: every flagged host
    :param dead: Nova's names of the hosts that are proved dead: flagged, and forced down in Nova
    """

    hosts: tuple[Host, ...] = ()
    dead: frozenset = frozenset()

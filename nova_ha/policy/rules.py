# SPDX-License-Identifier: Apache-2.0
"""What the operator configured about recovery, as the decisions use it."""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_ha.policy.instance_restarts import InstanceRules
from nova_ha.policy.mass_failure import Guard
from nova_ha.policy.priorities import Order
from nova_ha.policy.selection import Policy

WAIT = "wait"
RESTART_IN_PLACE = "restart_in_place"


@dataclasses.dataclass(frozen=True)
class Rules:
    """All of it; the defaults are those of the configuration.

    :param policy: which instances
    :param order: who goes first
    :param guard: when it is a mass failure
    :param group_patience: seconds after which an instance does not hold back the groups behind it any more
    :param in_flight_per_source: evacuations in flight at once away from one host; 0: as many as all in all
    :param in_flight_per_destination: the same towards each host, on average; 0: as many as all in all
    :param no_room: WAIT or RESTART_IN_PLACE
    :param no_room_patience: seconds without room after which instances are restarted in place
    :param stuck_after: seconds after which an evacuation that does not move is called stuck
    :param long_rpc_timeout: seconds for which Nova's conductor waits for a scheduler that lives
    :param rpc_response_timeout: seconds for which it waits for one that it hears nothing of
    :param evacuate_delay: seconds between taking a host up and its first evacuation
    :param shared_storage: whether the instances' disks are reachable from every host
    :param reserve_destination: whether a lost host's instances are sent to the reserved host that was enabled for it
    :param instances: which instances that fail on a living host are restarted
    """

    policy: Policy = Policy()
    order: Order = Order()
    guard: Guard = Guard()
    group_patience: float = 300.0
    in_flight_per_source: int = 0
    in_flight_per_destination: int = 20
    no_room: str = WAIT
    no_room_patience: float = 300.0
    stuck_after: float = 600.0
    long_rpc_timeout: float = 1800.0
    rpc_response_timeout: float = 60.0
    evacuate_delay: float = 0.0
    shared_storage: bool = True
    reserve_destination: bool = False
    instances: InstanceRules = InstanceRules()

    @property
    def use_aggregates(self) -> bool:
        """Whether any of it asks in which aggregates a host is."""
        chosen = self.policy.aggregates or self.policy.skip_aggregates
        return bool(chosen) or self.guard.max_aggregate_share < 100

    @classmethod
    def from_options(cls, conf: Any) -> Rules:
        """From the whole configuration (``loader.load``)."""
        return cls(
            policy=Policy.from_options(conf.policy),
            order=Order.from_options(conf.order),
            guard=Guard.from_options(conf.guard),
            group_patience=conf.order.group_patience,
            in_flight_per_source=conf.recovery.in_flight_per_source,
            in_flight_per_destination=conf.recovery.in_flight_per_destination,
            no_room=conf.recovery.no_room,
            no_room_patience=conf.recovery.no_room_patience,
            stuck_after=conf.recovery.stuck_after,
            long_rpc_timeout=conf.recovery.long_rpc_timeout,
            rpc_response_timeout=conf.recovery.rpc_response_timeout,
            evacuate_delay=conf.recovery.evacuate_delay,
            shared_storage=conf.recovery.shared_storage,
            reserve_destination=conf.reserve.destination,
            instances=InstanceRules.from_options(conf.instances),
        )

# SPDX-License-Identifier: Apache-2.0
"""A sound history of the lab, and others that differ from it."""

import dataclasses

from tests.lab.history import (
    FlagChange,
    GuestChange,
    History,
    Instance,
    Migration,
    PowerChange,
    Request,
    Service,
    ServiceStart,
)

SERVICES = (Service("s-a", "a"), Service("s-b", "b"), Service("s-c", "c"))


def changed_service(time, host, **service):
    return Request(time, 0.1, "PUT", action=None, service=service, service_id=f"s-{host}")


def evacuate(time, instance="i", duration=0.1, status=200):
    return Request(time, duration, action="evacuate", instance=instance, status=status)


# Host a dies at 100 and is off until 112; its instance i is recovered on b; a is back in service at 135.
SOUND = History(
    power=(PowerChange(100, "a", False), PowerChange(112, "a", True)),
    guests=(GuestChange(50, "a", "i", True), GuestChange(125, "b", "i", True)),
    flags=(
        FlagChange(110, "a", "yes"),
        FlagChange(111, "a", "control-1@111"),
        FlagChange(130, "a", "no"),
        FlagChange(135, "a", None),
    ),
    requests=(
        changed_service(115, "a", forced_down=True, status="disabled"),
        evacuate(120),
        changed_service(131, "a", forced_down=False, status="enabled"),
    ),
    starts=(ServiceStart(40, "a"), ServiceStart(132, "a")),
    migrations=(Migration(1, "i", "done", "a", "b", 120, 126),),
    services=SERVICES,
    instances=(Instance("i", "b", "ACTIVE"),),
)


def but(history=SOUND, **changes):
    """A history that differs; a list is put in its place in the order of time, a tuple replaces."""
    for name, value in changes.items():
        if isinstance(value, list):
            changes[name] = tuple(sorted((*getattr(history, name), *value), key=lambda moment: moment.time))
    return dataclasses.replace(history, **changes)

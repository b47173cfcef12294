# SPDX-License-Identifier: Apache-2.0
"""What the tenant asked for, what he was told, and so what his instances have to be at the end. Pure."""

import dataclasses
from typing import Optional

from tests.lab import history

# Seconds around a flag's appearance in which a deed can meet the recovery half way.
CLOSE = 2.0


@dataclasses.dataclass
class Done:
    """A deed that was done.

    :param time: when it was asked for, seconds since the epoch
    :param what: one of ``plan.DEEDS``
    :param instance: its id; None if Nova did not say, for a create
    :param host: where the instance was, None if that is not known
    :param accepted: whether Nova said that it would do it
    :param confirmed: whether it was seen to be done
    :param answered: when Nova answered; None if it did not
    """

    time: float
    what: str
    instance: Optional[str] = None
    host: Optional[str] = None
    accepted: bool = False
    confirmed: bool = False
    answered: Optional[float] = None


_BECOMES = {"create": history.RUNNING, "stop": history.STOPPED, "delete": history.GONE}


def expected(before, deeds, flags, forgets):
    """What every instance has to be at the end.

    What Nova accepted has to be done, whatever dies, unless Nova itself may have lost it. What met a host's recovery
    half way is not held against anybody.

    :param before: ``{id: state}`` of the instances that were there before, as ``history`` calls the states
    :param deeds: a ``Done`` for each deed, in the order of time
    :param flags: the history's changes of flags
    :param forgets: whether parts of Nova were killed in the run
    :return: ``{id: state}``
    """
    wanted = dict(before)
    for deed in deeds:
        if deed.instance is None:
            continue
        wanted[deed.instance] = _BECOMES[deed.what] if _is_owed(deed, flags, forgets) else history.UNSURE
    return wanted


def _is_owed(deed, flags, forgets):
    if deed.what == "create":
        # An instance is its owner's once he has seen it run; one that is built when its host dies is lost.
        return deed.confirmed
    if _met_recovery(deed, flags):
        return False
    return deed.confirmed or (deed.accepted and not forgets)


def _met_recovery(deed, flags):
    """Whether the instance's host was flagged just when the deed was asked for."""
    until = deed.answered if deed.answered is not None else deed.time
    return any(
        change.host == deed.host and change.stands and deed.time - CLOSE <= change.time <= until + CLOSE
        for change in flags
    )

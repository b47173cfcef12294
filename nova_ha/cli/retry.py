# SPDX-License-Identifier: Apache-2.0
"""``nova-ha retry``: has what failed be tried again now, and not only after its pause; never where a guest may run.

The engine alone knows what was asked for an instance, so by its account it is decided what may be ordered. It goes by
its own proofs all the same when it takes the order up: what may still be carried out is not asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from nova_ha.cli import explain, orders
from nova_ha.cli.deployment import CommandFailed
from nova_ha.cli.status import GOES_ON, Status
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.explanations import catalogue
from nova_ha.model import flag
from nova_ha.model.orders import Retry, written
from nova_ha.model.reasons import Code
from nova_ha.model.request import RETRIED
from nova_ha.model.wording import counted
from nova_ha.reporting.status_report import InstanceAccount

# Seconds in which a running engine takes an order up.
PATIENCE = 15.0

# Why an instance waits where a guest of it may run, or may still be started, so that another one would be a second.
MAY_RUN = frozenset(
    (
        Code.STUCK,
        Code.UNKNOWN_GUEST,
        Code.LIVE_MIGRATION,
        Code.REQUEST_UNANSWERED,
        Code.EVACUATING,
        Code.SENDING,
        Code.ASKED,
        Code.WOULD_BE_DESTROYED,
        Code.UNKNOWN_STATE,
        Code.FLAGGED_HOST_LIVES,
        Code.START_INTERLOCK,
        Code.LATE_REQUEST,
        Code.REPAIR_AWAITS_HOST,
    )
)

# Instances that a question names.
_SHOWN = 10


class Meant(NamedTuple):
    """What is to be tried again.

    :param claim: the host's flag
    :param instances: ids and names of those that are
    :param others: why others of the host are not, and how many
    """

    host: str
    claim: str
    instances: dict[str, str]
    others: Mapping[str, int]


def of_host(host: str, found: Status) -> Meant:
    """Everything of a host that waits after a failure.

    :param host: the cluster's name of it, one of ``found``
    :raises CommandFailed: there is nothing
    """
    claim = _claim(host, found)
    known = found["hosts"][host]["instances"] or {}
    instances = {id: about["name"] for id, about in known.items() if about["code"] in RETRIED}
    others: dict[str, int] = {}
    for id, about in known.items():
        if id not in instances:
            why = about["code"] or about["doing"]
            others[why] = others.get(why, 0) + 1
    if not instances:
        rest = "; ".join(f"{counted(number, 'instance')}: {why}" for why, number in others.items())
        raise CommandFailed(
            f"{host}: no instance of it waits after a failure ({rest or 'none is known'}), so there is nothing to try"
            f" again; what each waits for: nova-ha explain {host}; nothing has been changed"
        )
    return Meant(host, claim, instances, others)


def of_instance(id: str, host: str, found: Status) -> Meant:
    """One instance.

    :param host: the cluster's name of its host
    :raises CommandFailed: it does not wait after a failure; and what is to be proved first, where its guest may run
    """
    claim = _claim(host, found)
    about = (found["hosts"][host]["instances"] or {})[id]
    if about["code"] not in RETRIED:
        raise CommandFailed(_refusal(id, about))
    return Meant(host, claim, {id: about["name"]}, {})


def retry(cluster: Cluster, meant: Meant, every: bool, reason: str | None, yes: bool) -> bool:
    """Order it, and wait until the engine has taken it up.

    :param every: all of the host's is meant
    :return: whether the engine has done so
    :raises CommandFailed: the host's flag, or what is ordered, is another meanwhile; or nobody has said yes
    :raises ClusterError: Pacemaker does not answer
    """
    who = orders.given_by(cluster)
    orders.confirm(_question(meant), yes)
    if cluster.flag(meant.host) != meant.claim:
        now = cluster.flag(meant.host) or "absent"
        raise CommandFailed(f"{meant.host}: nothing is ordered, its flag is {now} meanwhile")
    door = cluster.orders()
    text = written(Retry(None if every else frozenset(meant.instances), who, int(time.time())))
    if not door.swap_flag(meant.host, None, text):
        standing = door.flag(meant.host) or "another order"
        raise CommandFailed(f"{meant.host}: nothing is ordered: the engine has still to take up {standing}")
    orders.note(f"retry {'all' if every else ','.join(meant.instances)}", [meant.host], who, reason)
    return orders.awaited(lambda: door.flag(meant.host) != text, PATIENCE)


def _question(meant: Meant) -> Iterable[str]:
    names = [f"{id} {name}" for id, name in meant.instances.items()]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    yield f"{meant.host}: tried again now, and not only after a pause: {', '.join(names[:_SHOWN])}{more}"
    for why, number in meant.others.items():
        yield f"{counted(number, 'other instance')}: left as it is ({why})"
    yield "What each has to pass before it is asked for stays: nothing is asked for where a guest may run."


def _claim(host: str, found: Status) -> str:
    """The flag of a host that an engine, which runs, has taken up.

    :raises CommandFailed: it is not so
    """
    about, engine = found["hosts"][host], found["engine"]
    value = about["flag"]
    if value is None or value in flag.OVER:
        raise CommandFailed(f"{host}: it is recovered (flag {value or 'absent'}), so there is nothing to try again")
    if about["claimed_by"] is None:
        raise CommandFailed(f"{host}: no engine has taken it up (flag {value}): see nova-ha go")
    if about["instances"] is None or engine["state"] not in GOES_ON:
        raise CommandFailed(f"{host}: what its instances wait for is not known: the engine is {engine['state']}")
    return value


def _refusal(id: str, about: InstanceAccount) -> str:
    """Why an instance is not tried again, and what is to be proved first."""
    code, known = about["code"], catalogue.entries().get(about["code"] or "")
    head = f"{id} {about['name']}: {code or about['doing']}: {about['reason']}"
    if known is None or code not in MAY_RUN:
        return f"{head}; it does not wait after a failure, so there is nothing to try again; nothing has been changed"
    first = [catalogue.plain(text) for text in (known.text.look, known.text.do, known.text.never) if text]
    way_out = f" Then: {about['command']}" if about["command"] else ""
    return (
        f"{head}. A guest of it may run, or may still be started, so it is not asked for again; nothing has been"
        f" changed. To be proved first: {' '.join(first)}{way_out} (nova-ha explain {id[: explain.PREFIX]})"
    )

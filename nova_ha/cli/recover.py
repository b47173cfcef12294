# SPDX-License-Identifier: Apache-2.0
"""``nova-ha evacuate`` and ``end``: an operator begins a recovery that Pacemaker has not begun, or ends one.

Both can destroy data, so each looks at the cluster and at Nova first, and refuses what is surely wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from nova_ha.cli import orders
from nova_ha.cli.deployment import CommandFailed
from nova_ha.cli.printing import remark
from nova_ha.cloud.reader import NovaReader
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import disabled_reason, flag, hostnames
from nova_ha.model.orders import End, written
from nova_ha.model.snapshot import FINISHED, Instance, Migration, Service, unfinished
from nova_ha.model.wording import counted
from nova_ha.recovery.memory.timing import SETTLE

# Seconds within which a host that has been fenced is flagged: its level's second device does so in the same operation.
FLAG_PATIENCE = 60.0

# Seconds in which an engine that runs ends a recovery of which nothing is under way.
END_PATIENCE = 30.0

# Seconds in which Nova must answer without a break until what an engine that is gone has asked for has shown, or never
# will; and those between two looks at that.
QUIET, _QUIET_LOOK = float(SETTLE), 5.0

# Instances that a question names.
_SHOWN = 10


class Subject(NamedTuple):
    """A host, as cluster and Nova have it.

    :param service: its nova-compute service
    :param instances: what Nova says is on it
    :param evacuations: the records of evacuations away from it
    """

    host: str
    flag: str | None
    online: bool
    service: Service
    instances: tuple[Instance, ...]
    evacuations: tuple[Migration, ...]


def subject(cluster: Cluster, cloud: NovaReader, host: str, domain: str | None) -> Subject:
    """What is known of a host.

    :param host: the cluster's name of it
    :raises CommandFailed: Nova has no nova-compute service of that name
    :raises ClusterError: Pacemaker does not answer
    :raises CloudError: Nova does not answer
    """
    services = cloud.services()
    name = hostnames.resolve(host, services, domain)
    if name is None:
        raise CommandFailed(f"{host}: Nova has no nova-compute service of that name; nothing has been changed")
    # After the records: see snapshot.Host.
    evacuations = tuple(record for record in cloud.migrations(name) if record.source == name)
    return Subject(
        host, cluster.flag(host), host in cluster.online(), services[name], cloud.instances(name), evacuations
    )


def evacuate(cluster: Cluster, about: Subject, reason: str | None, yes: bool) -> None:
    """Have Pacemaker fence a host by its own devices, and return once it is flagged.

    :raises CommandFailed: it is flagged already, or is not flagged after it was fenced; or nobody has said yes
    :raises ClusterError: Pacemaker does not answer, or cannot fence it
    """
    _refuse_flagged(about)
    who = orders.given_by(cluster)
    orders.confirm(
        [
            *_described(about),
            f"Pacemaker cuts the power of {about.host} by its own fencing devices, and its instances are evacuated.",
        ],
        yes,
    )
    orders.note("evacuate", [about.host], who, reason)
    cluster.fence(about.host)
    if not orders.awaited(lambda: flag.is_dead(cluster.flag(about.host)), FLAG_PATIENCE):
        raise CommandFailed(
            f"{about.host}: fenced, and not flagged within {FLAG_PATIENCE:.0f} s: does its fencing level end in"
            " fence_compute? Nothing is evacuated"
        )


def flag_by_hand(
    cluster: Cluster, look: Callable[[], Subject], reason: str | None, typed: Callable[[str], str]
) -> None:
    """Flag a host that Pacemaker cannot fence, on an operator's word that its power is off.

    :param look: tells what is known of the host; asked once more when the operator has typed: that may take minutes
    :param typed: asks a question, returns the answer
    :raises CommandFailed: it is flagged already, or lives; or its name was not typed
    :raises ClusterError: Pacemaker does not answer
    """
    about = _surely_off(look())
    who = orders.given_by(cluster)
    for line in _described(about):
        print(line)
    print(f"If {about.host} is NOT off, its instances run twice, and their disks are destroyed.")
    if typed("Type the host's name to go on: ").strip() != about.host:
        raise CommandFailed("that is not the host's name; nothing has been changed")
    about = _surely_off(look())
    orders.note("evacuate --power-is-off-i-am-certain", [about.host], who, reason)
    if about.flag is None:
        cluster.set_flag(about.host, flag.FLAGGED)
    elif not cluster.swap_flag(about.host, about.flag, flag.FLAGGED):
        raise CommandFailed(f"{about.host}: not changed, its flag is {cluster.flag(about.host) or 'absent'} meanwhile")
    print(f"{about.host}: flag {about.flag or 'absent'} -> yes")


def end(cluster: Cluster, look: Callable[[], Subject], reason: str | None, yes: bool) -> None:
    """End the recovery of a host, whatever is left of it: the host may return.

    The engine that has taken the host up ends it, for it alone knows what it has asked for. Without one, or before
    that, the flag is changed.

    :param look: tells what is known of the host; asked once more when the operator has said yes
    :raises CommandFailed: it is not in recovery, or its evacuations are in flight, or may be asked for just now; or
        nobody has said yes
    :raises ClusterError: Pacemaker does not answer
    :raises CloudError: Nova does not answer
    """
    engines = cluster.active("NovaEvacuate")
    about, value = may_end(look(), engines)
    gone = sorted({record.instance for record in about.evacuations if record.status in FINISHED})
    who = orders.given_by(cluster)
    orders.confirm(
        [
            *_described(about),
            f"They are not recovered: {_listed(_named(each) for each in about.instances)}.",
            f"What was evacuated is deleted from {about.host} when its nova-compute starts: {_listed(gone)}.",
        ],
        yes,
    )
    if value is not None and flag.claimant(value) is not None and any(engines.values()):
        _have_ended(cluster, about.host, value, who, reason)
        return
    if _is_under_way(about) or value is None:
        remark(f"waits {QUIET:.0f} s: what the engine may have asked for shows by then")
        _keep_looking(lambda: may_end(look(), cluster.active("NovaEvacuate")), QUIET)
    about, now = may_end(look(), cluster.active("NovaEvacuate"))
    if now != value or not _set_recovered(cluster, about.host, value):
        # Fenced anew, say: that is another death, which nobody has said may be ended.
        raise CommandFailed(f"{about.host}: not changed, its flag is {cluster.flag(about.host) or 'absent'} meanwhile")
    orders.note("end", [about.host], who, reason)
    print(f"{about.host}: flag {value or 'absent'} -> no")


def may_end(about: Subject, engines: Mapping[str, Collection[str]]) -> tuple[Subject, str | None]:
    """The host, and its flag, if its recovery may be ended. None: its flag was deleted in the middle of that.

    :param engines: ``{resource: control nodes on which its engine is active}``
    :raises CommandFailed: it is not in recovery, or its evacuations are in flight, or may be asked for just now
    """
    was_deleted = about.flag is None and disabled_reason.is_marked(about.service)
    if not was_deleted and not flag.is_dead(about.flag):
        now = f"its flag is {about.flag}" if about.flag else "it is not flagged"
        raise CommandFailed(f"{about.host}: {now}, so there is no recovery to end; nothing has been changed")
    flying = [record.instance for record in unfinished(about.evacuations)]
    if flying:
        what = f"{counted(len(flying), 'evacuation')} in flight ({_listed(flying)})"
        why = "which the returning host would destroy: wait for their end"
        raise CommandFailed(f"{about.host}: {what}, {why}; nothing has been changed")
    nodes = ", ".join(sorted({node for each in engines.values() for node in each}))
    if nodes and flag.is_new(about.flag) and disabled_reason.is_under_way(about.service):
        # One that it has asked for before would start a guest elsewhere when the host starts its own.
        raise CommandFailed(
            f"{about.host}: it was fenced again in the middle of its recovery, and the engine on {nodes} has not taken"
            " that up: end it once it has (nova-ha status); nothing has been changed"
        )
    return about, about.flag


def _have_ended(cluster: Cluster, host: str, claim: str, who: str, reason: str | None) -> None:
    """Order the end of the engine that has taken a host up, and wait until that has come.

    :param claim: the host's flag
    """
    door = cluster.orders()
    if not door.swap_flag(host, None, written(End(claim, who, int(time.time())))):
        standing = door.flag(host) or "another order"
        raise CommandFailed(f"{host}: nothing is ordered: the engine has still to take up {standing}")
    orders.note("end", [host], who, reason)
    if not orders.awaited(lambda: cluster.flag(host) != claim, END_PATIENCE):
        remark(f"the engine ends it as soon as all that was asked for is over: see nova-ha status {host}")
        return
    value = cluster.flag(host)
    if flag.is_dead(value):
        raise CommandFailed(f"{host}: not ended, its flag is {value} meanwhile")
    print(f"{host}: flag {claim} -> {value or 'absent'}")


def _surely_off(about: Subject) -> Subject:
    """The host, if it may be flagged on an operator's word."""
    _refuse_flagged(about)
    if about.online or about.service.up:
        who = "the cluster reaches it" if about.online else "its nova-compute reports to Nova"
        raise CommandFailed(f"{about.host}: {who}, so it is not off; nothing has been changed")
    return about


def _is_under_way(about: Subject) -> bool:
    """Whether an engine has taken the host up, also where that was fenced once more since."""
    return flag.claimant(about.flag) is not None or disabled_reason.is_under_way(about.service)


def _set_recovered(cluster: Cluster, host: str, value: str | None) -> bool:
    """Set a host's flag to say recovered, if it is still ``value``; returns whether that was done."""
    if value is not None:
        return cluster.swap_flag(host, value, flag.RECOVERED)
    cluster.set_flag(host, flag.RECOVERED)
    return True


def _refuse_flagged(about: Subject) -> None:
    if flag.is_dead(about.flag):
        raise CommandFailed(f"{about.host}: it is flagged already ({about.flag}); see nova-ha status {about.host}")


def _described(about: Subject) -> list[str]:
    """The host and its instances, in lines."""
    cluster = "online" if about.online else "offline"
    nova = "up" if about.service.up else "down"
    state = f"flag {about.flag or 'absent'}; {cluster} in the cluster; {nova} in Nova"
    if about.service.last_report:
        state += f", last report {about.service.last_report}"
    return [f"{about.host}: {state}.", f"{counted(len(about.instances), 'instance')} on it."]


def _named(instance: Instance) -> str:
    return f"{instance.id} {instance.name} ({instance.vm_state})"


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return (", ".join(every[:_SHOWN]) + more) or "none"


def _keep_looking(look: Callable[[], object], seconds: float) -> None:
    """Look again and again for so long; what is raised ends that."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _QUIET_LOOK))
        look()

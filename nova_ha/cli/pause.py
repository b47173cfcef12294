# SPDX-License-Identifier: Apache-2.0
"""``nova-ha pause``, ``resume``, ``hold`` and ``go``: which flagged hosts the engine may take up.

Each changes the cluster's configuration only if it is still what was shown; see ``model.pauses`` and ``model.flag``.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from nova_ha.cli import orders
from nova_ha.cli.deployment import CommandFailed
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.model import flag, hostnames, pauses
from nova_ha.model.pauses import Pause, UnknownPause
from nova_ha.model.wording import counted
from nova_ha.policy import holds


def pause(
    cluster: Cluster, hosts: Sequence[str] | None, reason: str, seconds: int | None, yes: bool, order: str = "pause"
) -> None:
    """Put new recoveries off.

    :param hosts: the cluster's names; None: all
    :param seconds: after which that ends by itself, None: never
    :param order: the command, as the journal tells it
    :raises CommandFailed: somebody changes it just now; or nobody has said yes
    :raises ClusterError: Pacemaker does not answer
    """
    now, who = int(time.time()), orders.given_by(cluster)
    until = None if seconds is None else now + seconds
    new = [Pause(pauses.ALL if hosts is None else pauses.HOST, host, now, until, who, reason) for host in hosts or [""]]
    text, before = _standing(cluster)
    after = [each for each in before if not any(each.is_same(other) for other in new)] + new
    orders.confirm(
        [
            f"{holds.subject(new)}: recovery {holds.described(new[0])}",
            "Dead hosts are still fenced and flagged; the engine does not take them up. Recoveries under way go on.",
        ],
        yes,
    )
    _change(cluster, text, after)
    orders.note(order, hosts or ["all"], who, reason)


def hold(cluster: Cluster, hosts: Sequence[str], reason: str, yes: bool) -> None:
    """Put the recovery of hosts off until an operator ends that, also of one that had been let go.

    :raises CommandFailed: the engine has taken one up already, or does so just now; or somebody changes the pauses; or
        nobody has said yes
    :raises ClusterError: Pacemaker does not answer
    """
    flags = cluster.flags()
    for host in hosts:
        value = flags.get(host)
        if value is not None and not flag.is_new(value):
            raise CommandFailed(f"{host}: its flag is {value}, so it is taken up already; nothing has been changed")
    pause(cluster, hosts, reason, None, yes, order="hold")
    for host in hosts:
        if flags.get(host) == flag.GO and cluster.swap_flag(host, flag.GO, flag.FLAGGED):
            print(f"{host}: flag go -> yes")
    flags = cluster.flags()
    taken = [host for host in hosts if host in flags and not flag.is_new(flags[host])]
    if taken:
        raise CommandFailed(f"{', '.join(taken)}: taken up by the engine before the pause stood; that recovery goes on")


def resume(cluster: Cluster, hosts: Sequence[str] | None, yes: bool) -> None:
    """End pauses.

    :param hosts: the cluster's names; None: every pause
    :raises CommandFailed: a host is not paused by itself, or somebody changes it just now; or nobody has said yes
    :raises ClusterError: Pacemaker does not answer
    """
    now, who = time.time(), orders.given_by(cluster)
    text, before = _standing(cluster, forgiving=hosts is None)
    if text is None:
        print("Nothing is paused.")
        return
    wanted = None if hosts is None else {hostnames.fold(host) for host in hosts}
    kept = [each for each in before if wanted is not None and hostnames.fold(each.name) not in wanted]
    known = {hostnames.fold(each.name) for each in before}
    for host in hosts or ():
        if hostnames.fold(host) not in known:
            ways = "; all hosts are: nova-ha resume --all" if any(each.scope == pauses.ALL for each in before) else ""
            raise CommandFailed(f"{host}: it is not paused itself{ways}; nothing has been changed")
    left = pauses.standing(kept, now)
    new = [host for host, value in cluster.flags().items() if flag.is_new(value)]
    free = sorted(host for host in new if holds.by_pause(host, left) is None)
    ended = [f"{holds.subject([each])}: no more {holds.described(each)}" for each in before if each not in kept]
    starts = f"Taken up at once, unless the mass failure guard holds them: {', '.join(free)}" if free else None
    orders.confirm(filter(None, [*ended, starts]), yes)
    _change(cluster, text, kept)
    orders.note("resume", hosts or ["all"], who, None)


def listed(cluster: Cluster) -> list[str]:
    """The pauses that stand, in lines.

    :raises ClusterError: Pacemaker does not answer
    """
    try:
        return holds.listed(pauses.standing(pauses.read(cluster.pauses()), time.time()))
    except UnknownPause:
        return [holds.UNREADABLE]


def held(flags: Mapping[str, str], reasons: Mapping[str, str | None]) -> list[str]:
    """What may be let go, in lines.

    :param flags: ``{host: value}``
    :param reasons: ``{host: why the engine does not take it up}``, as far as that is known
    """
    hosts = sorted(host for host, value in flags.items() if value == flag.FLAGGED)
    if not hosts:
        return ["No host is held: no flag is yes."]
    alike: dict[str, list[str]] = {}
    for host in hosts:
        alike.setdefault(reasons.get(host) or "the engine has not come to it yet", []).append(host)
    said = [f"{', '.join(group)}: {reason}" for reason, group in alike.items()]
    whole = f"{counted(len(hosts), 'host')} of {len(flags)} flagged. Nothing has been changed."
    return [*said, whole, "Let them go, once it is certain that they are off: nova-ha go HOST ..., or nova-ha go --all"]


def go(cluster: Cluster, hosts: Collection[str], reason: str | None, yes: bool) -> None:
    """Let held hosts go: an operator's word that so many hosts are dead indeed.

    :param hosts: those whose flag is ``yes``
    :raises CommandFailed: one's flag is another meanwhile; or nobody has said yes
    :raises ClusterError: Pacemaker does not answer
    """
    who = orders.given_by(cluster)
    orders.confirm(
        [
            *(f"{host}: flag yes -> go: the mass failure guard does not hold it any more" for host in hosts),
            "Their instances are evacuated at once. If one of these hosts still runs, its instances run twice then.",
        ],
        yes,
    )
    for host in hosts:
        if not cluster.swap_flag(host, flag.FLAGGED, flag.GO):
            raise CommandFailed(f"{host}: not changed, its flag is {cluster.flag(host) or 'absent'} meanwhile")
        orders.note("go", [host], who, reason)


def _standing(cluster: Cluster, forgiving: bool = False) -> tuple[str | None, list[Pause]]:
    """What is written, and the pauses that it says stand.

    :param forgiving: what cannot be read is to be replaced
    :raises CommandFailed: it cannot be read
    """
    text = cluster.pauses()
    try:
        return text, pauses.standing(pauses.read(text), time.time())
    except UnknownPause as error:
        if forgiving:
            return text, []
        raise CommandFailed(f"{error}: nova-ha resume --all ends every pause; nothing has been changed") from error


def _change(cluster: Cluster, text: str | None, after: Iterable[Pause]) -> None:
    if not cluster.swap_pauses(text, pauses.written(after)):
        raise CommandFailed("somebody else changes the pauses just now; nothing has been changed: try again")

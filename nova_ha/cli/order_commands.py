# SPDX-License-Identifier: Apache-2.0
"""The commands of ``nova-ha`` by which an operator orders what the engine may take up: arguments, and whom they mean.

What they do: ``pause``, ``recover``, ``retry``, ``maintenance``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from nova_ha.cli import orders, table
from nova_ha.cli.deployment import CommandFailed, Deployment, asking_the_cloud, configuration, flagged_host
from nova_ha.cli.printing import print_json, print_lines, remark
from nova_ha.model import flag

if TYPE_CHECKING:
    from nova_ha.cli import maintenance as work
    from nova_ha.cli import recover, status

# Seconds between two looks at a recovery that is followed.
FOLLOW_INTERVAL = 2.0

# Instances that move away from a host at the same time; Nova lets one host send one at a time, unless told otherwise.
_MOST_AT_ONCE = 50


def pause(given: argparse.Namespace, deployment: Deployment) -> int:
    """Put new recoveries off: hosts are fenced and flagged, and not taken up."""
    from nova_ha.cli import pause as order

    _refuse_all_and_some(given)
    if not (given.hosts or given.all or given.aggregate):
        raise CommandFailed("name hosts, --aggregate or --all; nothing has been changed")
    hosts = None if given.all else _meant(given, deployment)
    order.pause(deployment.cluster, hosts, given.reason, given.seconds, given.yes)
    return 0


def resume(given: argparse.Namespace, deployment: Deployment) -> int:
    """End pauses. Without HOST or --all, show them."""
    from nova_ha.cli import pause as order

    _refuse_all_and_some(given)
    if not (given.hosts or given.all or given.aggregate):
        for line in order.listed(deployment.cluster) or ["Nothing is paused."]:
            print(line)
        return 0
    hosts = None if given.all else _meant(given, deployment)
    order.resume(deployment.cluster, hosts, given.yes)
    return 0


def hold(given: argparse.Namespace, deployment: Deployment) -> int:
    """Put the recovery of hosts off until that is ended by resume, also of those that were let go."""
    from nova_ha.cli import pause as order

    order.hold(deployment.cluster, _meant(given, deployment), given.reason, given.yes)
    return 0


def go(given: argparse.Namespace, deployment: Deployment) -> int:
    """Let held hosts go, once it is certain that they are off. Without HOST or --all, show what is held and why."""
    from nova_ha.cli import pause as order

    _refuse_all_and_some(given)
    flags = deployment.cluster.flags()
    if not (given.hosts or given.all):
        for line in [*order.held(flags, _reasons(deployment)), *order.listed(deployment.cluster)]:
            print(line)
        return 0
    if given.all:
        hosts = sorted(host for host, value in flags.items() if value == flag.FLAGGED)
    else:
        hosts = list(dict.fromkeys(_held(host, flags) for host in given.hosts))
    if not hosts:
        print("No host is held: no flag is yes.")
        return 0
    order.go(deployment.cluster, hosts, given.reason, given.yes)
    for line in order.listed(deployment.cluster):
        remark(line)
    if deployment.resource is None or not deployment.cluster.active_on(deployment.resource):
        remark("no engine runs; they are taken up as soon as one does (pcs status says why)")
    return 0


def evacuate(given: argparse.Namespace, deployment: Deployment) -> int:
    """Fence a host by its own devices, have its instances evacuated, and follow that to its end."""
    from nova_ha.cli import maintained, recover, status, status_text, watch
    from nova_ha.cli.colour import painter

    look_at = _subject(given, deployment)
    about = look_at()
    if given.power_is_off_i_am_certain:
        recover.flag_by_hand(deployment.cluster, look_at, given.reason, _typed)
    else:
        recover.evacuate(deployment.cluster, about, given.reason, given.yes)

    def look() -> status.Status:
        found = status.look(deployment.cluster, deployment.resource, deployment.state, deployment.board, time.time())
        return status.of_host(found, about.host)

    remark(f"follows the recovery of {about.host}; Ctrl-C ends that, and not the recovery")
    if about.host in maintained.standing(deployment.cluster):
        remark(f"{about.host} is in maintenance: once it is recovered, nova-ha maintenance {about.host} --off")
    found = watch.watch(look, None, FOLLOW_INTERVAL, until_done=True)
    print_lines(status_text.lines(found, table.width(), True, painter(given.no_color)))
    return status.CODES[found["verdict"]]


def end(given: argparse.Namespace, deployment: Deployment) -> int:
    """End the recovery of a host, whatever is left of it; refused while its evacuations are in flight."""
    from nova_ha.cli import recover

    recover.end(deployment.cluster, _subject(given, deployment), given.reason, given.yes)
    return 0


def retry(given: argparse.Namespace, deployment: Deployment) -> int:
    """Try again now what failed, and would be only after a pause; refused where a guest may run."""
    from nova_ha.cli import explain, status
    from nova_ha.cli import retry as order

    found = status.look(deployment.cluster, deployment.resource, deployment.state, deployment.board, time.time())
    host = flagged_host(given.subject, found["hosts"])
    if host is not None:
        meant = order.of_host(host, found)
    else:
        try:
            instance = explain.of_instance(given.subject, found)
        except explain.AmbiguousInstance as error:
            raise CommandFailed(str(error)) from error
        if instance is None:
            raise CommandFailed(f"{given.subject}: no host, and no instance, in recovery goes by that name")
        meant = order.of_instance(instance["subject"], instance["facts"][0]["host"], found)
    if order.retry(deployment.cluster, meant, host is not None, given.reason, given.yes):
        print("The engine has taken it up.")
    else:
        remark(f"the engine has not taken it up within {order.PATIENCE:.0f} s; it does when it can: see nova-ha status")
    return 0


def maintenance(given: argparse.Namespace, deployment: Deployment) -> int:
    """Take a host out for planned work, and back; it is neither fenced nor recovered meanwhile. Alone: show which."""
    from nova_ha.cli import maintained
    from nova_ha.cli import maintenance as order

    if (given.on or given.off) and given.host is None:
        given.wrong("a HOST is needed with --on and --off")
    if given.on and given.reason is None:
        given.wrong("--on needs --reason TEXT")
    if not given.on and (given.live_migrate or given.cold_migrate or given.allow_instances):
        given.wrong("--live-migrate, --cold-migrate and --allow-instances go with --on")
    if given.json and (given.on or given.off) and not given.yes:
        given.wrong("--json needs --yes with --on and --off: a question would stand in it")
    cluster = deployment.cluster
    host = None if given.host is None else cluster.resolve(given.host, deployment.parameters.get("domain"))
    steps = _maintained(given, deployment, host) if host is not None and (given.on or given.off) else None
    works = {name: each for name, each in maintained.standing(cluster).items() if host in (None, name)}
    told = order.told(works, steps or [], time.time())
    if given.json:
        print_json(told)
    elif steps is None:
        nothing = f"{host or 'No host'} is {'not ' if host else ''}in maintenance."
        print_lines([maintained.line(name, each, told["time"]) for name, each in told["hosts"].items()] or [nothing])
    return 0


def _maintained(given: argparse.Namespace, deployment: Deployment, host: str) -> list[work.StepTold]:
    """Take a host into maintenance, or out of it; returns the steps."""
    from nova_ha.cli import maintenance as order
    from nova_ha.policy.planned_work import Manner

    # What --json prints stands alone on standard output.
    say = remark if given.json else print
    with asking_the_cloud():
        conf = configuration(deployment)
        doer = order.Maintenances(deployment.cluster, order.connect(conf), conf.recovery.domain, say)
        if given.off:
            return doer.end(host, given.reason, given.yes)
        manner = Manner(given.live_migrate, given.cold_migrate, given.allow_instances, given.at_once)
        return doer.begin(host, given.reason, manner, given.yes)


ORDERS: tuple[Callable[[argparse.Namespace, Deployment], int], ...] = (
    *(end, evacuate, go, hold, maintenance, pause, resume, retry),
)


def add_arguments(parser: argparse.ArgumentParser, order: Callable[..., int]) -> None:
    """Give a command's parser the arguments of an order."""
    if order in (end, evacuate):
        parser.add_argument("host", metavar="HOST", help="the host")
    elif order is maintenance:
        _add_arguments_of_maintenance(parser)
    elif order is retry:
        subject = parser.add_argument("subject", metavar="INSTANCE|HOST")
        subject.help = "an instance's name, id, or at least 8 characters of its beginning; or a host: all of its own"
    else:
        parser.add_argument("hosts", metavar="HOST", nargs="+" if order is hold else "*", help="the hosts")
    if order is evacuate:
        parser.add_argument(
            "--power-is-off-i-am-certain", action="store_true", help="flag it without fencing; asks for its name"
        )
    if order in (go, pause, resume):
        parser.add_argument(
            "--all", action="store_true", help="all hosts that are held" if order is go else "all hosts"
        )
    if order in (pause, resume):
        parser.add_argument("--aggregate", metavar="NAME", help="the hosts that are in this aggregate of Nova's now")
    if order is pause:
        parser.add_argument(
            "--for",
            dest="seconds",
            metavar="TIME",
            type=_seconds,
            help="such as 30m, 2h or 3d; without it, until resume",
        )
    if order is not resume:
        parser.add_argument(
            "--reason", metavar="TEXT", required=order in (hold, pause), help="why: the journal tells it"
        )
    parser.add_argument("--yes", action="store_true", help="do not ask; for scripts")


def _add_arguments_of_maintenance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST", nargs="?", help="the host")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--on", action="store_true", help="disable its service, drain it, stop its connection")
    way.add_argument("--off", action="store_true", help="start its connection, enable its service")
    parser.add_argument("--live-migrate", action="store_true", help="move the instances that run elsewhere")
    parser.add_argument("--cold-migrate", action="store_true", help="move the instances that are stopped elsewhere")
    parser.add_argument("--allow-instances", action="store_true", help="go on though instances are left")
    at_once = parser.add_argument("--at-once", metavar="N", type=_number, default=1)
    at_once.help = "so many instances move at the same time; without it, 1"
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(wrong=parser.error)


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f"invalid value '{text}': expected a whole number, 1 to {_MOST_AT_ONCE}")
    return int(text)


def _seconds(text: str) -> int:
    try:
        return orders.seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _refuse_all_and_some(given: argparse.Namespace) -> None:
    """Demand that it is clear whether all hosts are meant."""
    if given.all and (given.hosts or getattr(given, "aggregate", None)):
        raise CommandFailed("--all: not with hosts or --aggregate: give one or the other; nothing has been changed")


def _meant(given: argparse.Namespace, deployment: Deployment) -> list[str]:
    """The cluster's names of the hosts that are meant."""
    domain = deployment.parameters.get("domain")
    names = [*given.hosts, *(_members(given.aggregate, deployment) if getattr(given, "aggregate", None) else ())]
    return list(dict.fromkeys(deployment.cluster.resolve(name, domain) for name in names))


def _subject(given: argparse.Namespace, deployment: Deployment) -> Callable[[], recover.Subject]:
    """What tells how cluster and Nova have the host that an order is about."""
    from nova_ha.cli import plan, recover

    conf = configuration(deployment)
    host = deployment.cluster.resolve(given.host, conf.recovery.domain)

    def look() -> recover.Subject:
        with asking_the_cloud():
            return recover.subject(deployment.cluster, plan.connect(conf), host, conf.recovery.domain)

    return look


def _typed(question: str) -> str:
    """What somebody types at a terminal."""
    if not sys.stdin.isatty():
        raise CommandFailed("the host's name can be asked for at a terminal only; nothing has been changed")
    print(question, end="", flush=True)
    return sys.stdin.readline()


def _members(aggregate: str, deployment: Deployment) -> list[str]:
    """Nova's names of the hosts of an aggregate."""
    from nova_ha.cli import plan

    with asking_the_cloud():
        found = plan.connect(configuration(deployment)).aggregates()
    if not found.get(aggregate):
        raise CommandFailed(f"--aggregate: Nova has no host in an aggregate {aggregate!r}; nothing has been changed")
    return sorted(found[aggregate])


def _reasons(deployment: Deployment) -> dict[str, str | None]:
    """Why the engine does not take hosts up, as far as it has told."""
    from nova_ha.cli import status

    found = status.look(deployment.cluster, deployment.resource, deployment.state, deployment.board, time.time())
    return {host: about["reason"] for host, about in found["hosts"].items()}


def _held(name: str, flags: Mapping[str, str]) -> str:
    """The flagged host that a name means.

    :raises CommandFailed: its flag is not ``yes``, so that nothing holds it
    """
    host = flagged_host(name, flags)
    if host is None:
        raise CommandFailed(f"{name}: it is not flagged, so there is nothing to let go; nothing has been changed")
    if flags[host] != flag.FLAGGED:
        raise CommandFailed(
            f"{host}: its flag is {flags[host]}, and only hosts whose flag is yes are held; nothing has been changed"
        )
    return host

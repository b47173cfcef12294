# SPDX-License-Identifier: Apache-2.0
"""The commands of ``nova-ha`` that look further than status does. They change nothing."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from nova_ha.cli.deployment import (
    CommandFailed,
    Deployment,
    Surroundings,
    asking_the_cloud,
    chosen_engine,
    configuration,
    demand_root,
    flagged_host,
)
from nova_ha.cli.printing import print_json, print_lines
from nova_ha.cli.table import width
from nova_ha.cluster import pacemaker
from nova_ha.cluster.pacemaker import Cluster
from nova_ha.rundir import engine_state

if TYPE_CHECKING:
    from nova_ha.checks.facts import Facts
    from nova_ha.cli.explain import Explained

# Hosts lost at once that a plan is made for.
_MOST_FAILURES = 100

# A command of these, and what adds one to the parser: called with it and the text below its help.
_Command = Callable[[argparse.Namespace, Surroundings], int]
_Adder = Callable[[_Command, str], argparse.ArgumentParser]


def plan(given: argparse.Namespace, here: Surroundings) -> int:
    """Show what would be done if a host were lost, and why, or who would find room; changes nothing."""
    if (given.host is None) != given.all or (given.failures != 1 and not given.all):
        given.wrong("a HOST is needed, or --all, with which --failures may be given")
    deployment = here.deployment()
    with asking_the_cloud():
        return _plan_all(given, deployment) if given.all else _plan_host(given, deployment)


def _plan_host(given: argparse.Namespace, deployment: Deployment) -> int:
    from nova_ha.cli import plan as view

    conf = configuration(deployment)
    host = deployment.cluster.resolve(given.host, conf.recovery.domain)
    flags = deployment.cluster.flags()
    found = view.look(host, flags, view.connect(conf), conf, time.time(), time.monotonic)
    if given.json:
        print_json(found)
    else:
        print_lines(view.lines(found, width()))
    return 0


def _plan_all(given: argparse.Namespace, deployment: Deployment) -> int:
    from nova_ha.cli import losses as view

    report = deployment.state.read_report() if deployment.state is not None else {}
    events = report.get("events", ()) if engine_state.is_known(report) else ()
    conf = configuration(deployment)
    found = view.look(view.connect(conf), conf, given.failures, events, time.time())
    if given.json:
        print_json(found)
    else:
        print_lines(view.lines(found, width()))
    return view.exit_code(found)


def check(given: argparse.Namespace, here: Surroundings) -> int:
    """Look whether dead hosts would be recovered, and say what is not as it should be; changes nothing."""
    from nova_ha.checks import registry
    from nova_ha.cli import check as view
    from nova_ha.cli.colour import painter

    begun = time.monotonic()
    facts = _facts(here)
    findings = registry.run(facts)
    found = view.look(facts, findings, time.monotonic() - begun)
    if given.nagios:
        text, code = view.nagios(found, findings)
        print(text)
        return code
    if given.json:
        print_json(found)
    elif given.journal:
        print_lines(view.journal(found, findings))
    else:
        print_lines(view.lines(found, findings, width(), painter(given.no_color)))
    return view.exit_code(findings)


def _facts(here: Surroundings) -> Facts:
    """All that a check goes by."""
    from nova_ha.checks import gather
    from nova_ha.cluster.survey import Survey

    cluster = Survey(runner=here.runner)
    with contextlib.suppress(pacemaker.ClusterError):  # that is a finding
        chosen_engine(here.chosen, cluster.resource_parameters("NovaEvacuate"))
    known = gather.facts(cluster, here.chosen, here.config_file)
    return dataclasses.replace(known, keepers=_keepers(cluster, here.runner))


def _keepers(cluster: Cluster, runner: pacemaker.Runner) -> frozenset[str] | None:
    """The control nodes that keep the history: this one by its lock, the others by what they tell.

    What one has told stands until its Pacemaker ends: where the service has ended since, the node's own check finds it.
    """
    from nova_ha.cli import keeper
    from nova_ha.cluster.private_attributes import PrivateAttributes
    from nova_ha.reporting.history_log import HistoryLog

    try:
        told, here = frozenset(PrivateAttributes(keeper.ATTRIBUTE, runner=runner).read()), {cluster.local_node()}
    except pacemaker.ClusterError:
        return None
    return told | here if keeper.runs(HistoryLog()) else told - here


def notify(given: argparse.Namespace, here: Surroundings) -> int:
    """Send a test to each receiver of notifications, and say which of them take it."""
    from nova_ha.cli import notify as view
    from nova_ha.config import loader
    from nova_ha.notifications import receivers

    deployment = here.deployment()
    conf = configuration(deployment)
    found = receivers.configured(conf, lambda: loader.access(conf))
    failed = bool(found.problems)
    print_lines([f"wrong: {problem}" for problem in found.problems] or ["[notify] is read"])
    for name, why in view.tried(found.receivers, deployment.resource or "", time.time()):
        failed = failed or why is not None
        print_lines([f"{name}: {'taken' if why is None else f'not taken: {why}'}"])
    if not found.receivers:
        raise CommandFailed("nobody is told: [notify] names no receiver")
    return 1 if failed else 0


def drill(given: argparse.Namespace, here: Surroundings) -> int:
    """See whether a host would be recovered if it died now: on paper, or by asking what it takes; it is not touched."""
    from nova_ha.checks import registry
    from nova_ha.cli import drill as view
    from nova_ha.cli.colour import painter
    from nova_ha.cloud.survey import CloudSurvey
    from nova_ha.cluster.fencer import Fencer
    from nova_ha.config import loader
    from nova_ha.policy import drill as decisions
    from nova_ha.reporting.history_log import HistoryLog

    now, deployment = time.time(), here.deployment()
    conf = configuration(deployment)
    domain = conf.recovery.domain
    host, node = deployment.cluster.resolve(given.host, domain), deployment.cluster.local_node()
    facts = _facts(here)
    findings = registry.run(facts)
    with asking_the_cloud():
        access = loader.access(conf)
    paper = view.paper(deployment, host, findings, CloudSurvey(access), domain)
    phases = decisions.on_paper(paper)
    if given.level:
        known = facts.cluster.configuration.fencing_devices() if facts.cluster is not None else []
        phases += view.fencing(host, Fencer(runner=here.runner).devices(host), known, paper.online)
        phases += view.cloud(CloudSurvey(access), paper.service.host if paper.service else None)
        phases += view.others(deployment, host, node, HistoryLog().events(now - decisions.RECENT), now)
    found = view.told(host, given.level, node, phases, now)
    view.keep(deployment, found)
    if given.json:
        print_json(found)
    else:
        print_lines(view.lines(found, width(), painter(given.no_color)))
    return view.PASSED if found["passed"] else view.NOT_PASSED


def explain(given: argparse.Namespace, here: Surroundings) -> int:
    """Say what a code means, or what is the matter with a host or an instance; what to do, and what never."""
    from nova_ha.cli import explain as view
    from nova_ha.cli.colour import painter

    # A code is explained to whoever asks, though cluster and cloud are away.
    found = view.of_code(given.subject) or _of_subject(given.subject, here)
    if given.json:
        print_json(found)
    else:
        print_lines(view.lines(found, time.time(), width(), painter(given.no_color)))
    return 0


def _of_subject(subject: str, here: Surroundings) -> Explained:
    """What is the matter with a host or an instance.

    :raises CommandFailed: it is neither
    """
    from nova_ha.cli import explain as view
    from nova_ha.cli import status

    demand_root()
    deployment = here.deployment()
    found = status.look(deployment.cluster, deployment.resource, deployment.state, deployment.board, time.time())
    host = flagged_host(subject, found["hosts"])
    if host is not None:
        return view.of_host(host, found)
    try:
        instance = view.of_instance(subject, found)
        if instance is not None:
            return instance
        return view.of_unflagged(deployment.cluster.resolve(subject, deployment.parameters.get("domain")), found)
    except view.AmbiguousInstance as error:
        raise CommandFailed(str(error)) from error
    except pacemaker.UnknownNode as error:
        known = view.alike(subject)
        hint = f"; codes that are alike: {', '.join(known)}" if known else ""
        raise CommandFailed(f"{subject!r} is no code, no instance in recovery, and no node{hint}") from error


def add_arguments(command: _Adder) -> None:
    """Add these commands, with what they take.

    :param command: adds one, and returns its parser
    """
    codes = "Exit code with --all: 3 if instances would find no room, else 0."
    about = command(plan, codes)
    about.add_argument("host", metavar="HOST", nargs="?", help="the host that is taken for lost")
    about.add_argument("--all", action="store_true", help="whether all would find room, for each host")
    about.add_argument("--failures", metavar="N", type=_number, default=1, help="for any N hosts lost together")
    about.set_defaults(wrong=about.error)
    codes = "Exit code: 0 nothing is found but notes, 3 warnings, 4 errors. With --nagios: 0, 1, 2."
    forms = command(check, codes).add_mutually_exclusive_group()
    forms.add_argument("--nagios", action="store_true", help="one line and an exit code, for monitoring systems")
    forms.add_argument("--journal", action="store_true", help="lines with their priorities, for a service of systemd's")
    about = command(drill, "Exit code: 0 it is passed, 4 not.")
    about.add_argument("host", metavar="HOST", help="the host")
    level = about.add_argument("--level", metavar="N", type=int, choices=(0, 1), default=0)
    level.help = "0: on paper; 1: fencing devices, cloud and message bus are asked, too"
    command(notify, "Exit code: 0 all of them take it, 1 not.")
    subject = command(explain, "").add_argument("subject", metavar="CODE|INSTANCE|HOST")
    subject.help = "a code; a host's name; an instance's name, id, or at least 8 characters of its beginning"


def _number(text: str) -> int:
    """A whole number of an argument, 1 or more."""
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_FAILURES:
        raise argparse.ArgumentTypeError(f"invalid value '{text}': expected a whole number, 1 to {_MOST_FAILURES}")
    return int(text)

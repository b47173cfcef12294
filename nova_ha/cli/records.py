# SPDX-License-Identifier: Apache-2.0
"""The commands of ``nova-ha`` about what has happened: history, report, collect; and the keeper of the history."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from nova_ha.cli import history as past
from nova_ha.cli.deployment import CommandFailed, Surroundings
from nova_ha.cli.printing import print_json, print_lines, remark
from nova_ha.cli.table import width
from nova_ha.cluster import pacemaker
from nova_ha.cluster.private_attributes import PrivateAttributes
from nova_ha.reporting import recoveries
from nova_ha.reporting.history_log import HistoryLog
from nova_ha.rundir import engine_state

_Command = Callable[[argparse.Namespace, Surroundings], int]
_Adder = Callable[[_Command], argparse.ArgumentParser]


class _Records(NamedTuple):
    """Where what has happened is found.

    :param resource: whose engine; None: any, as the cluster does not tell
    """

    history: HistoryLog
    resource: str | None
    state: engine_state.RunState | None


def history(given: argparse.Namespace, here: Surroundings) -> int:
    """Show what engines did, and why they waited, and what operators ordered."""
    records = _records(here)
    events = _gathered(records)
    shown = past.about(events, given.subject, given.since)
    if given.json:
        print_json({"resource": records.resource, "events": shown})
        return 0
    if shown:
        print_lines(past.lines(shown, width()))
    elif not given.follow:
        about = f" about {given.subject}" if given.subject else ""
        print(f"No event{about} is kept on this node. The journal may reach further back:")
        print(f"journalctl -t 'NovaEvacuate({records.resource or 'RESOURCE'})'")
    if given.follow:
        past.follow(
            lambda since: past.about(past.gather(*records, since), given.subject),
            events,
            lambda new: print("\n".join(past.lines(new, width())[1:]), flush=True),
        )
    return 0


def report(given: argparse.Namespace, here: Surroundings) -> int:
    """Show what a recovery was like: phases, instances, what went wrong. Without ID, HOST or --last, list all."""
    from nova_ha.cli import report as view
    from nova_ha.reporting import recovery_report

    if given.subject and given.last:
        given.wrong("an ID or HOST, or --last: not both")
    if given.html and not (given.subject or given.last):
        given.wrong("--html: an ID or HOST is needed, or --last")
    records = _records(here)
    events = _gathered(records)
    known = recoveries.recoveries(events)
    if not (given.subject or given.last):
        listed = [recovery_report.summary(each) for each in known]
        if given.json:
            print_json({"resource": records.resource, "recoveries": listed})
        else:
            print_lines(view.listing(listed, width()) if listed else ["No recovery is kept on this node."])
        return 0
    found = recovery_report.report(view.chosen(known, given.subject), events)
    if given.html:
        from nova_ha.cli import report_page

        view.write(given.html, report_page.page(found, records.resource, time.time()))
        print(f"{found['id']}: written to {given.html}")
    elif given.json:
        print_json({"resource": records.resource, "recoveries": [found]})
    else:
        print_lines(view.lines(found, width()))
    return 0


def keeper(given: argparse.Namespace, here: Surroundings) -> int:
    """Have this node and the other control nodes come to the same history, until it is stopped."""
    from nova_ha.cli import keeper as keeping

    records = HistoryLog()
    cluster = pacemaker.Cluster(runner=here.runner)
    try:
        lock = keeping.begin(records)
    except OSError as error:
        raise CommandFailed(f"{records.directory}: {error.strerror or error}") from error
    if lock is None:
        raise CommandFailed("this node has a keeper already: systemctl status nova-ha-history")
    board = PrivateAttributes(keeping.ATTRIBUTE, runner=here.runner)
    keeping.keep(keeping.Keeper(records, board, cluster.local_node(), cluster.control_nodes), records)
    return 0


def collect(given: argparse.Namespace, here: Surroundings) -> int:
    """Put what support needs into one archive, with passwords masked; changes nothing."""
    from nova_ha.cli import collect as collecting
    from nova_ha.cli import main

    def run(arguments: list[str]) -> int:
        chosen = ["--resource", here.chosen] if here.chosen is not None else []
        return main.main([*chosen, *arguments], here.runner, here.root, here.config_file)

    now = time.time()
    since = given.since if given.since is not None else now - collecting.BACK
    print_lines(collecting.collect(here, run, since, given.output, now))
    return 0


def _gathered(records: _Records) -> list[dict[str, Any]]:
    """All events, oldest first.

    :raises CommandFailed: the disk cannot be read
    """
    try:
        return past.gather(*records)
    except OSError as error:
        raise CommandFailed(f"{records.history.directory}: {error.strerror or error}") from error


def _records(here: Surroundings) -> _Records:
    """What is known of what has happened, whether the cluster answers or not.

    :raises CommandFailed: the cluster has no engine
    """
    from nova_ha.cli import keeper as keeping

    kept = HistoryLog()
    try:
        found = here.deployment()
    except pacemaker.ClusterError as error:
        if not kept.have():
            raise
        remark(f"{' '.join(str(error).split())}; this is what this node has kept")
        return _Records(kept, here.chosen, None)
    if found.resource is None or found.state is None:
        raise CommandFailed("the cluster has no resource of the agent ocf:openstack:NovaEvacuate, so no engine either")
    if not keeping.runs(kept):
        remark("no keeper runs here, so what other nodes did may be missing: systemctl enable --now nova-ha-history")
    return _Records(kept, found.resource, found.state)


def add_arguments(command: _Adder) -> None:
    """Add these commands, with what they take.

    :param command: adds one, and returns its parser
    """
    added = command(history)
    forms = added.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON, for programs")
    forms.add_argument("--follow", action="store_true", help="go on, and show what comes")
    added.add_argument("--since", metavar="TIME", type=_moment, help="such as 2h (ago), 3d, or 2026-11-30")
    _subject(added)
    added = command(report)
    forms = added.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON, for programs")
    forms.add_argument("--html", metavar="FILE", help="write one page of HTML, which needs no network")
    added.add_argument("--last", action="store_true", help="the newest recovery of all")
    added.add_argument("subject", metavar="RECOVERY|HOST", nargs="?", help="a recovery's id, or a host: its newest one")
    added.set_defaults(wrong=added.error)
    command(keeper)
    added = command(collect)
    added.add_argument("--since", metavar="TIME", type=_moment, help="how far back: such as 2h, 3d (7d), 2026-11-30")
    added.add_argument("--output", metavar="FILE", help="the archive; else one with node and time in its name, here")


def _subject(parser: argparse.ArgumentParser) -> None:
    subject = parser.add_argument("subject", metavar="HOST|INSTANCE|RECOVERY", nargs="?")
    subject.help = (
        "a host's name, an instance's id or at least 8 characters of its beginning, or a recovery's id; without it,"
        " everything"
    )


def _moment(text: str) -> float:
    try:
        return past.moment_of(text, time.time())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error

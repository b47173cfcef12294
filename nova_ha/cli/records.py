# SPDX-License-Identifier: Apache-2.0
"""The commands of ``nova-ha`` about what has happened: history, and the keeper, which has all nodes have it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

from nova_ha.cli import history as past
from nova_ha.cli.deployment import CommandFailed, Surroundings
from nova_ha.cli.printing import print_json, print_lines, remark
from nova_ha.cli.table import width
from nova_ha.cluster import pacemaker
from nova_ha.cluster.private_attributes import PrivateAttributes
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
    try:
        events = past.gather(*records)
    except OSError as error:
        raise CommandFailed(f"{records.history.directory}: {error.strerror or error}") from error
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
    command(keeper)


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

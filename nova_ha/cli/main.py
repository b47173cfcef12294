# SPDX-License-Identifier: Apache-2.0
"""The operator's command ``nova-ha``: looks at recovery, explains it, and lets held hosts go.

Exit codes: 0 what was asked is done, 1 it cannot be done (one line says why), 2 wrong usage. ``status`` tells by 0 that
all is well, by 3 that hosts are in recovery, by 4 that something needs an operator.

``status`` is asked when the control plane burns, so nothing that talks to the cloud is imported for it.
"""

from __future__ import annotations

import argparse
import functools
import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from nova_ha.cli import looks, order_commands, records
from nova_ha.cli.deployment import CommandFailed, Deployment, Surroundings, demand_root, flagged_host
from nova_ha.cli.looks import check, drill, explain, notify, plan
from nova_ha.cli.printing import print_json, print_lines, remark
from nova_ha.cli.records import collect, history, keeper, report
from nova_ha.cli.table import width
from nova_ha.cluster import pacemaker
from nova_ha.config.agent_parameters import DEFAULT_CONFIG
from nova_ha.rundir import ROOT

if TYPE_CHECKING:
    from nova_ha.cli import status as view

FAILED = 1

# Seconds between two looks, where none are given.
WATCH_INTERVAL = 2.0

# Where the exporter listens; what is to be scraped from elsewhere names the address of the management network.
DEFAULT_LISTEN = ("127.0.0.1", 9877)

# Those that have something to do though the cluster does not answer.
_FIND_THEIR_OWN = (check, drill, explain, notify, plan, history, report, keeper, collect)


def main(
    arguments: Sequence[str] | None = None,
    runner: pacemaker.Runner = pacemaker.run,
    root: str = ROOT,
    config_file: str = DEFAULT_CONFIG,
) -> int:
    """Do what the command line asks for; returns the exit code.

    :param runner: runs Pacemaker's programs, see ``pacemaker.run``
    :param root: where engines keep their state
    """
    given = _parser().parse_args(arguments)
    here = Surroundings(given.resource, runner, root, config_file)
    try:
        if given.command in (metrics, exporter):
            code: int = given.command(given, here.deployment)
            return code
        if given.command is not explain:  # which asks nothing of the cluster for a code
            demand_root()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # an instance's name may hold what a poor terminal cannot show
        code = given.command(given, here if given.command in _FIND_THEIR_OWN else here.deployment())
        print(end="", flush=True)  # sys.stdout is None where it was closed
        return code
    except (CommandFailed, pacemaker.ClusterError) as error:
        remark(" ".join(str(error).split()))
        return FAILED
    except BrokenPipeError:
        # Who reads us (head, less) has seen enough; without this Python would complain when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return 130


def status(given: argparse.Namespace, deployment: Deployment) -> int:
    """Show hosts in need, and what the engine does about them."""
    from nova_ha.cli import status as view
    from nova_ha.cli import status_text, watch

    if given.nagios:
        try:
            text, code = status_text.nagios(_status(given, deployment))
        except (CommandFailed, pacemaker.ClusterError) as error:
            text, code = f"NOVA-HA UNKNOWN - {' '.join(str(error).split())}", status_text.UNKNOWN
        print(text)
        return code
    show = functools.partial(_show_status, given)
    if given.watch is not None or given.until_done:
        shown = show if given.watch is not None else None
        interval = given.watch or WATCH_INTERVAL
        found = watch.watch(lambda: _status(given, deployment), shown, interval, given.until_done)
    else:
        found = _status(given, deployment)
    if given.watch is None:
        show(found)
    return view.CODES[found["verdict"]]


def _status(given: argparse.Namespace, deployment: Deployment) -> view.Status:
    """The status of all hosts, or of the one that is asked for."""
    from nova_ha.cli import status as view

    found = view.look(deployment.cluster, deployment.resource, deployment.state, deployment.board, time.time())
    if given.host is not None:
        host = flagged_host(given.host, found["hosts"])
        if host is None:
            # A name that was mistyped must not read as a host that is well.
            given.host = deployment.cluster.resolve(given.host, deployment.parameters.get("domain"))
        found = view.of_host(found, host or given.host)
    return found


def _show_status(given: argparse.Namespace, found: view.Status) -> None:
    from nova_ha.cli import maintained, status_text
    from nova_ha.cli.colour import painter

    if given.json:
        print_json(found)
    elif given.host is not None and not found["hosts"]:
        print(f"{given.host} is not flagged: it is not in recovery.")
        for host, work in found["maintenance"].items():
            print(maintained.line(host, work, found["time"]))
    else:
        print_lines(status_text.lines(found, width(), given.host is not None, painter(given.no_color)))


def metrics(given: argparse.Namespace, looking: Callable[[], Deployment]) -> int:
    """Print what Prometheus is told, for node_exporter's textfile collector."""
    print(_telling().text(looking), end="", flush=True)
    return 0


def exporter(given: argparse.Namespace, looking: Callable[[], Deployment]) -> int:
    """Answer Prometheus' scrapes, until it is stopped; needs no root, but the group haclient."""
    _telling().serve(looking, given.listen or [DEFAULT_LISTEN])
    return 0


def _telling() -> ModuleType:
    """What tells metrics; prometheus_client is not needed for anything else.

    :raises CommandFailed: it is not installed
    """
    try:
        from nova_ha.cli import metrics as telling
    except ImportError as error:
        raise CommandFailed(f"{error}: install python3-prometheus-client") from error
    return telling


def _seconds(text: str) -> float:
    """Seconds of an argument."""
    value = float(text) if text.replace(".", "", 1).isdecimal() else 0.0
    if value < 0.1:
        raise argparse.ArgumentTypeError(f"invalid value '{text}': expected seconds, 0.1 or more")
    return value


def _address(text: str) -> tuple[str, int]:
    """``127.0.0.1:9877`` or ``[::1]:9877``."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"invalid value '{text}': expected ADDRESS:PORT, such as 127.0.0.1:9877")
    return host.strip("[]"), int(port)


class _OneLineParser(argparse.ArgumentParser):
    """A parser that answers a wrong argument with one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def _parser() -> _OneLineParser:
    parser = _OneLineParser(prog="nova-ha", description="High availability of OpenStack instances.", allow_abbrev=False)
    parser.add_argument("--resource", metavar="NAME", help="the NovaEvacuate resource; needed if there are several")
    parser.add_argument("--no-color", action="store_true", help="no colour, though it is a terminal")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_OneLineParser)

    def command(
        function: Callable[[argparse.Namespace, Any], int], epilog: str | None = None
    ) -> argparse.ArgumentParser:
        short = (function.__doc__ or "").partition("\n")[0]
        added = commands.add_parser(function.__name__, help=short, description=short, epilog=epilog, allow_abbrev=False)
        added.set_defaults(command=function)
        if function in (status, plan, check, drill, explain):
            added.add_argument("--json", action="store_true", help="print JSON, for programs")
        return added

    codes = "Exit code: 0 all is well, 3 hosts are in recovery, 4 something needs an operator, 1 it cannot be told."
    about = command(status, codes)
    about.add_argument("host", metavar="HOST", nargs="?", help="show this host, and all its instances")
    about.add_argument("--until-done", action="store_true", help="wait until no host is in recovery, or one needs you")
    forms = about.add_mutually_exclusive_group()
    watch = forms.add_argument("--watch", metavar="SECONDS", nargs="?", type=_seconds, const=WATCH_INTERVAL)
    watch.help = "show it again and again"
    forms.add_argument("--nagios", action="store_true", help="one line and an exit code, for monitoring systems")
    looks.add_arguments(command)
    records.add_arguments(command)
    command(metrics)
    where = command(exporter)
    where.add_argument(
        *("--listen",), metavar="ADDRESS:PORT", type=_address, action="append", help="where; may be given several times"
    )
    for order in order_commands.ORDERS:
        order_commands.add_arguments(command(order), order)
    return parser

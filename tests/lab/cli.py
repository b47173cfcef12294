# SPDX-License-Identifier: Apache-2.0
"""The lab's command line. A failure is one line, which says where to look, and exit code 1."""

import argparse
import dataclasses
import os
import sys

from tests.lab import demo, faults, lab, nodes, runtime, settings
from tests.lab.progress import Progress
from tests.lab.shell import LabError

DEATHS = {
    "power-cut": faults.power_cut,
    "kill": faults.kill,
    "hang": faults.hang,
    "network": faults.cut_network,
}


def main(arguments=None):
    """Run one command; returns its exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        if others := lab.other_trees():
            print(f"lab: lab {settings.NUMBER} runs what is in {', '.join(others)}, not this tree", file=sys.stderr)
        return chosen.run(chosen) or 0
    except (LabError, ValueError) as error:
        print(f"lab: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(prog="./lab", description="A Pacemaker cluster and an OpenStack cloud to try on.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="bring the lab up; what is up stays as it is")
    up.add_argument("--computes", type=int, help=f"number of compute hosts, 1 to {settings.MAX_COMPUTES}")
    up.add_argument("--release", choices=settings.RELEASES, help="Debian release of the hosts")
    _add_guests(up)
    up.set_defaults(run=_up)

    status = commands.add_parser("status", help="nodes, resources and services on one screen")
    status.set_defaults(run=lambda _: print(lab.status(settings.Settings.load())))

    shell = commands.add_parser("shell", help="a shell on a node, or one command there")
    shell.add_argument("node")
    shell.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    shell.set_defaults(run=_shell)

    show = commands.add_parser("demo", help="a host of 20 instances loses its power, and the cloud heals itself")
    _add_guests(show)
    show.set_defaults(run=_demo)

    kill = commands.add_parser("kill", help="let a host die")
    kill.add_argument("host")
    kill.add_argument("--how", choices=sorted(DEATHS), default="power-cut")
    kill.set_defaults(run=_kill)

    collect = commands.add_parser("collect", help="pack the logs and records of all parts")
    collect.add_argument("file", nargs="?", metavar="FILE")
    collect.set_defaults(run=lambda given: print(lab.collect(settings.Settings.load(), given.file)))

    down = commands.add_parser("down", help="take the lab down, put the machine back as it was")
    down.set_defaults(run=lambda _: lab.down(settings.Settings.load(), Progress()))

    wipe = commands.add_parser("wipe", help="down, and remove images and caches")
    wipe.set_defaults(run=lambda _: lab.wipe(settings.Settings.load(), Progress()))
    return parser


def _add_guests(command):
    command.add_argument("--virt", choices=settings.VIRTS, help="the fake driver, or real guests by libvirt and QEMU")
    command.add_argument("--instances", choices=settings.INSTANCES, help="where the disks of real guests are")


def _chosen(given):
    """The settings of the lab that is up, or the defaults, but for what was given."""
    names = [field.name for field in dataclasses.fields(settings.Settings)]
    return dataclasses.replace(
        settings.Settings.load(), **{name: value for name in names if (value := getattr(given, name, None)) is not None}
    )


def _up(given):
    lab.up(_chosen(given), Progress())


def _demo(given):
    chosen = _chosen(given)
    with lab.claimed():
        lab.up(chosen, Progress())
        return demo.demo(chosen)


def _shell(given):
    if not nodes.running(given.node):
        raise LabError(f"{given.node} does not run; these exist: {', '.join(nodes.existing()) or 'none'}")
    terminal = ("--interactive", "--tty") if sys.stdin.isatty() else ("--interactive",)
    os.environ.update(runtime.ENVIRONMENT)
    os.execvp("podman", ["podman", "exec", *terminal, settings.container(given.node), *(given.words or ["bash"])])


def _kill(given):
    powered = settings.Settings.load().powered
    if given.host not in powered:
        raise LabError(f"{given.host} is no host of the lab: {', '.join(powered)}")
    DEATHS[given.how](given.host)
    print(f"{given.host}: {given.how}. Watch it with: {settings.COMMAND} status")

# SPDX-License-Identifier: Apache-2.0
"""What can be broken, each as a function that says in the faults' record when it began and when it ended.

A fault that is over at once has both moments in one call; one that lasts (a hang, a cut network, a stopped service or
cluster) stands until its opposite is called, or ``end_all``.
"""

import contextlib
import shlex
import time

from tests.lab import bmc, cluster, computes, nodes, power, settings
from tests.lab.cloud import units
from tests.lab.shell import LabError

# One file for each fault that stands; its name says which.
STANDING = settings.RUN / "faults"

# The unit that starves a node's services, and what it does.
_STARVER = "lab-starver"
_STARVER_SCRIPT = f"/run/{_STARVER}.sh"

# What keeps systemd's unit of nova-compute in its start, and the file for as long as which it does.
_HOLDING = "/etc/systemd/system/nova-compute.service.d/lab-hold-start.conf"
_HELD = "/etc/nova-ha-lab-hold-start"
_HOLDING_LINES = f"""\
[Service]
ExecStartPre=/bin/sh -c 'while test -e {_HELD}; do sleep 0.2; done'
TimeoutStartSec=infinity
"""

# By how many seconds a control node's clock is wrong (recipes/control-clock.c).
CLOCK = "/run/clock"


def power_cut(node):
    """Cut a host's power: nobody hears a word from it, no connection is closed."""
    with _brief("power-cut", node):
        power.power_off(node, by="fault:power-cut")


def kill(node):
    """Kill a host's container: all its processes die at once, but its kernel still closes their connections."""
    with _brief("kill", node):
        power.power_off(node, by="fault:kill", goodbye=True)


def hang(node):
    """Freeze a host: it keeps its power, its address and its connections, and answers nothing."""
    _begin("hang", node)
    nodes.pause(node)


def unhang(node):
    """Let a frozen host go on, if nobody has switched it off meanwhile."""
    if nodes.state(node) == "paused":
        nodes.unpause(node)
    _end("hang", node)


def cut_network(node):
    """Cut a host off the network while it runs on."""
    _begin("network", node)
    nodes.unplug(node)


def restore_network(node):
    """Give a host its network back; one that was switched off has it already when it starts."""
    if nodes.powered(node):
        nodes.plug(node)
    _end("network", node)


def stop_service(unit, node=settings.CLOUD, at_once=False):
    """Stop a systemd unit, or nova-compute in whatever way it is run, until ``start_service``.

    :param at_once: kill all its processes, instead of asking them to end
    """
    _begin("stop", f"{node}/{unit}")
    if at_once:
        _signal(unit, node, "KILL")
    # Also after that: some units would start again by themselves.
    if unit == computes.SERVICE:
        computes.stop(node)
    else:
        nodes.execute(node, "systemctl", "stop", unit, timeout=120)


def start_service(unit, node=settings.CLOUD):
    """Start a systemd unit that was stopped or killed."""
    if unit == computes.SERVICE:
        computes.start(node)
    else:
        nodes.execute(node, "systemctl", "start", unit, timeout=120)
    _end("stop", f"{node}/{unit}")


def freeze_service(unit, node=settings.CLOUD):
    """Stop every process of a systemd unit where it is: it keeps its connections, and does nothing."""
    _begin("freeze", f"{node}/{unit}")
    _signal(unit, node, "STOP")


def thaw_service(unit, node=settings.CLOUD):
    """Let a frozen unit go on, if its host has not been switched off meanwhile."""
    _signal(unit, node, "CONT", check=False)
    _end("freeze", f"{node}/{unit}")


def starve(*names, node=settings.CLOUD, away=4, runs=0.5):
    """Let services work only now and then, as where others take the processors; until ``feed``. Once a node.

    :param names: systemd units, or nova-compute; with none, nova-compute on a compute host, and in the cloud all
    :param away: seconds for which they are stopped again and again, all at once
    :param runs: seconds for which they run in between
    """
    names = names or (units.SERVICES if node == settings.CLOUD else (computes.SERVICE,))
    _begin("starve", node)
    lines = []
    for function, signal in (("stop", "STOP"), ("go_on", "CONT")):
        lines += [f"{function}() {{", *(shlex.join(_signal_command(name, signal)) for name in names), "}"]
    lines += ["trap 'go_on; kill $!; exit 0' TERM"]
    lines += [f"while :; do stop; sleep {away} & wait; go_on; sleep {runs} & wait; done"]
    # Its end is its shell's affair: whatever else is killed could be what lets the services go on. Each has a name of
    # its own, for systemd may not notice that the last one is over (see ``cloud.units``).
    unit = f"systemd-run --unit={_STARVER}-{time.time_ns()} --property=KillMode=process"
    run = f"cat >{_STARVER_SCRIPT} && {unit} sh {_STARVER_SCRIPT}"
    nodes.execute(node, "sh", "-c", run, stdin="\n".join(lines))


def feed(node=settings.CLOUD):
    """Let starved services work as ever, if their host has not been switched off meanwhile."""
    nodes.execute(node, "systemctl", "stop", f"{_STARVER}-*", check=False)
    _end("starve", node)


def hold_start(node):
    """Have each start of nova-compute on a host last until ``release_start``, where systemd runs it.

    The start is recorded when it begins; the program itself begins at the end. A reboot changes nothing in that.
    """
    _begin("hold-start", node)
    script = f"mkdir -p $(dirname {_HOLDING}) && cat >{_HOLDING} && touch {_HELD} && systemctl daemon-reload"
    nodes.execute(node, "sh", "-c", script, stdin=_HOLDING_LINES)


def release_start(node):
    """Let nova-compute start as ever, and a start that is held go on."""
    nodes.execute(node, "sh", "-c", f"rm -f {_HELD} {_HOLDING} && systemctl daemon-reload")
    _end("hold-start", node)


def kill_service(unit, node=settings.CLOUD):
    """Kill every process of a systemd unit; systemd may start it again, as the unit says."""
    with _brief("kill-service", f"{node}/{unit}"):
        _signal(unit, node, "KILL")


def kill_process(name, node):
    """Kill every process of a program on a host, such as a daemon of Pacemaker's."""
    with _brief("kill-process", f"{node}/{name}"):
        nodes.execute(node, "sh", "-c", 'kill -KILL $(pidof "$0")', name)


def kill_engine(node):
    """Kill the recovery engine where it runs."""
    with _brief("kill-engine", node):
        _signal_engine(node, "KILL")


def freeze_engine(node):
    """Stop the recovery engine where it is: it holds its connections and its lock, and does nothing."""
    _begin("freeze-engine", node)
    _signal_engine(node, "STOP")


def thaw_engine(node):
    """Let a frozen engine go on, if it is still there."""
    _signal_engine(node, "CONT", check=False)
    _end("freeze-engine", node)


def _signal_engine(node, signal, check=True):
    asked = f"from nova_ha.rundir.engine_state import RunState; print(RunState({cluster.ENGINE!r}).holder())"
    script = f'kill -{signal} "$(/usr/bin/python3 -c "$0")"'
    nodes.execute(node, "sh", "-c", script, asked, check=check)


def jump_clock(node, seconds):
    """Have a control node's clock jump, ahead or (below 0) back; until ``right_clock``, or the node's next boot."""
    _begin("clock", node)
    nodes.execute(node, "sh", "-c", f"echo {seconds} >{CLOCK}")


def right_clock(node):
    """Set a clock right again; that of a host that was switched off is so when it starts."""
    if nodes.running(node):
        nodes.execute(node, "rm", "-f", CLOCK)
    _end("clock", node)


def standby(chosen, node):
    """Put a node in standby, as an operator does: nothing runs there any more."""
    _begin("standby", node)
    cluster.pcs(chosen, "node", "standby", node)


def unstandby(chosen, node):
    """Let things run on a node again."""
    cluster.pcs(chosen, "node", "unstandby", node)
    _end("standby", node)


def ban_engine(chosen, node):
    """Have the engine run on any other node, as an operator does who moves it away."""
    _begin("ban", node)
    cluster.pcs(chosen, "resource", "ban", cluster.ENGINE, node)


def unban_engine(chosen, node):
    """Take away the constraint that this leaves."""
    cluster.pcs(chosen, "resource", "clear", cluster.ENGINE, node)
    _end("ban", node)


def stop_bmc(node):
    """Take a BMC off the network."""
    _begin("bmc-away", node)
    bmc.stop(None, node)


def start_bmc(chosen, node):
    """Give a host its BMC back."""
    bmc.start(chosen, node)
    _end("bmc-away", node)


def impair_bmc(node, **wrong):
    """Have a BMC do things wrong; see ``bmc.impair``."""
    _begin("bmc-impaired", node)
    bmc.impair(node, **wrong)


def mend_bmc(node):
    """Have a BMC do everything right again."""
    bmc.impair(node)
    _end("bmc-impaired", node)


def stop_cluster(chosen):
    """Stop the whole cluster in good order, as for maintenance."""
    _begin("stop-cluster", settings.CLUSTER_NAME)
    cluster.stop(chosen)


def start_cluster(chosen):
    """Start the whole cluster again."""
    cluster.start(chosen)
    _end("stop-cluster", settings.CLUSTER_NAME)


def end_all(chosen):
    """End every fault that stands; returns whether there was any. A host without power is left to its fencing.

    One that cannot be ended does not keep the others from it.

    :raises LabError: something does not come back; what it is stands still
    """
    # First what the others need: hosts that answer, and a cluster.
    ends = {
        "hang": unhang,
        "network": restore_network,
        "bmc-away": lambda node: start_bmc(chosen, node),
        "bmc-impaired": mend_bmc,
        "stop-cluster": lambda _name: start_cluster(chosen),
        "stop": lambda target: start_service(*reversed(target.split("/"))),
        "freeze": lambda target: thaw_service(*reversed(target.split("/"))),
        "freeze-engine": thaw_engine,
        "starve": feed,
        "hold-start": release_start,
        "clock": right_clock,
        "standby": lambda node: unstandby(chosen, node),
        "ban": lambda node: unban_engine(chosen, node),
    }
    order = list(ends)
    standing = sorted((marker.read_text().split() for marker in STANDING.glob("*")), key=lambda s: order.index(s[0]))
    failed = []
    for fault, target in standing:
        try:
            ends[fault](target)
        except LabError as error:
            failed.append(f"{fault} of {target}: {error}")
    if failed:
        raise LabError("; ".join(failed))
    return bool(standing)


@contextlib.contextmanager
def _brief(fault, target):
    _record(fault, target, "begin")
    yield
    _record(fault, target, "end")


def _signal(unit, node, name, check=True):
    nodes.execute(node, *_signal_command(unit, name), check=check)


def _signal_command(unit, name):
    """What sends a signal to every process of a unit; nova-compute is one process, and not everywhere a unit."""
    if unit == computes.SERVICE:
        return computes.signal_command(name)
    return ("systemctl", "kill", f"--signal={name}", unit)


def _begin(fault, target):
    STANDING.mkdir(parents=True, exist_ok=True)
    _marker(fault, target).write_text(f"{fault} {target}\n")
    _record(fault, target, "begin")


def _end(fault, target):
    if _marker(fault, target).exists():
        _record(fault, target, "end")
        _marker(fault, target).unlink()


def _marker(fault, target):
    return STANDING / f"{fault}:{target.replace('/', ':')}"


def _record(fault, target, phase):
    power.append(settings.FAULT_LOG, {"time": time.time(), "fault": fault, "target": target, "phase": phase})

# SPDX-License-Identifier: Apache-2.0
"""The recovery engine as a process: configuration, log and signals. ``nova_evacuate`` starts it.

SIGTERM ends it. SIGHUP has it read its configuration again; see ``reload``.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import ctypes
import json
import logging
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from nova_ha.cloud import nova
from nova_ha.cluster import pacemaker as cluster
from nova_ha.cluster.private_attributes import PrivateAttributes
from nova_ha.config import loader
from nova_ha.config.agent_parameters import DEFAULT_CONFIG
from nova_ha.model import instance_failures
from nova_ha.policy.rules import Rules
from nova_ha.recovery import reload as reloading
from nova_ha.recovery.engine import Engine, log
from nova_ha.recovery.instance_reports import InstanceReports
from nova_ha.recovery.observe.parallel import Readers
from nova_ha.recovery.publisher import Publisher
from nova_ha.recovery.recorder import Recorder
from nova_ha.recovery.telling import Telling
from nova_ha.reporting import journal, published
from nova_ha.reporting.history_log import HistoryLog
from nova_ha.reporting.status_report import Account
from nova_ha.rundir import engine_state

# Seconds between two looks at whether the engine that is to end on another node has ended.
LOOK = 1.0

# Seconds that an engine which ends gives the disk to take its last events: they are in its report all the same.
LAST_WORDS = 1.0

_PR_SET_DUMPABLE = 4  # prctl(2)


def main(arguments: Sequence[str] | None = None) -> str | int:
    """Run the engine; parameters come as JSON on standard input, so that no password shows in ``ps``."""
    parser = argparse.ArgumentParser(prog="nova_ha.recovery.daemon", description="nova-ha's recovery engine")
    parser.add_argument("--name", required=True, help="the resource that supervises this engine")
    name = parser.parse_args(arguments).name
    _leave_no_core()
    # Until it can be heeded: it would end us.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    state = engine_state.RunState(name)
    # Before it becomes ours: the history of the engine before goes on.
    account = Account.from_dict(state.read_report(), log)
    try:
        state.acquire(**account.as_dict())
    except engine_state.AlreadyRunning as error:
        return str(error)
    parameters = json.load(sys.stdin)["parameters"]
    _log_to_journal(name, parameters)
    state.report(engine_state.STARTING, "reading the configuration", **account.as_dict())
    telling = Telling(name, state)
    try:
        _run(name, parameters, state, account, telling)
    except (nova.Misconfigured, cluster.NotInstalled) as error:
        log.error("%s", error)
        is_absent = isinstance(error, cluster.NotInstalled)
        word = engine_state.NOT_INSTALLED if is_absent else engine_state.MISCONFIGURED
        state.report(word, str(error), **account.as_dict())
        telling.give_up()
        return 1
    return 0


def _run(
    name: str, parameters: Mapping[str, str], state: engine_state.RunState, account: Account, telling: Telling
) -> None:
    """Be the engine until SIGTERM comes.

    :raises nova.Misconfigured: it cannot become that
    :raises cluster.NotInstalled: likewise
    """
    conf = loader.load(parameters)
    _publish(name, state)
    state.listen(telling.tell)
    telling.go_by(conf)
    recorder = _recorder(name, account)
    pacemaker = cluster.Cluster(conf.recovery.attribute, runner=_showing_progress(state))
    engine = Engine(
        pacemaker,
        loader.cloud(conf, before_request=state.progress),
        name,
        state,
        account,
        Rules.from_options(conf),
        conf.recovery,
        concurrent.futures.ThreadPoolExecutor(conf.recovery.workers, "errand"),
        Readers(),
    )
    engine.heed(pacemaker.orders())
    _watch_instances(engine)
    reload = reloading.Reload(engine, state, parameters, conf, telling.go_by)
    signal.signal(signal.SIGHUP, reload.ask)
    await_others(pacemaker, name, lambda why: state.report(engine_state.STARTING, why, **account.as_dict()))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: engine.stop())

    def before_pass() -> None:
        reload.if_asked()
        telling.complain()

    engine.run(before_pass)
    recorder.finish(LAST_WORDS)


def _watch_instances(engine: Engine) -> None:
    """Have the engine know, from now on, what hosts tell of their failed instances."""
    reports = InstanceReports(PrivateAttributes(instance_failures.ATTRIBUTE), engine.wake)
    reports.start()
    engine.watch(reports)


def _publish(name: str, state: engine_state.RunState) -> None:
    """Have all control nodes know the engine's account from now on."""
    publisher = Publisher(PrivateAttributes(published.attribute(name)))
    state.listen(publisher.tell)
    publisher.start()


def _recorder(name: str, account: Account) -> Recorder:
    """What writes the account's events down from now on."""
    recorder = Recorder(HistoryLog(), name, cluster.Cluster().local_node, account.events())
    account.listen(recorder.tell)
    recorder.start()
    return recorder


def await_others(
    pacemaker: cluster.Cluster,
    name: str,
    report: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once no other engine does this one's work: not one that is supervised on another node.

    :param name: the resource that supervises this engine
    :param report: called with a line that says for what we wait
    :raises nova.Misconfigured: another resource's engine does it, so that waiting is of no use
    :raises cluster.NotInstalled: Pacemaker's programs are not there
    """
    while True:
        try:
            ours = {pacemaker.local_node()}
            known = pacemaker.resource_parameters("NovaEvacuate")
            reason = None
            for other, nodes in sorted(pacemaker.active("NovaEvacuate").items()):
                elsewhere = nodes - ours if other == name else nodes
                where = ", ".join(sorted(elsewhere))
                if elsewhere and other == name:
                    reason = f"the cluster has {name} active on {where}"
                elif elsewhere and other not in known:
                    reason = f"the cluster has {other} active on {where}, of which the configuration says nothing"
                elif elsewhere:
                    _refuse_twin(other, known[other], where, pacemaker.attribute)
            if reason is None:
                return
        except cluster.NotInstalled:
            raise
        except cluster.ClusterError as error:
            reason = str(error)
        report(reason)
        sleep(LOOK)


def _refuse_twin(other: str, parameters: Mapping[str, str], where: str, attribute: str) -> None:
    """See that another engine's flag is surely not ours.

    :param parameters: those of the resource that supervises it
    :raises nova.Misconfigured: it is, or may be
    """
    theirs = loader.attribute(parameters)
    if theirs == attribute:
        raise nova.Misconfigured(f"resource {other} does the same on {where}: one engine is to do it")
    if theirs is None:
        raise nova.Misconfigured(
            f"resource {other} may do the same on {where}: its configuration file "
            f"{parameters.get('config', DEFAULT_CONFIG)} cannot be read here. One engine is to do it; if {other} is "
            f"for another flag, say so: pcs resource update {other} attribute=NAME"
        )


def _showing_progress(state: engine_state.RunState) -> cluster.Runner:
    def run(command: list[str], timeout: float) -> tuple[int, str, str]:
        state.progress()
        return cluster.run(command, timeout)

    return run


def _leave_no_core() -> None:
    """Have the kernel dump no core of this process, and let nobody but root look into it: it knows a password."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The limit does not hold where cores are piped into a program.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _log_to_journal(name: str, parameters: Mapping[str, str]) -> None:
    # Where nobody listens the log is lost, which must not fill the supervisor's file with tracebacks; nor are libraries
    # to do so, whose warnings we hear of as errors, too.
    logging.raiseExceptions = False
    logging.lastResort = None
    log.addHandler(journal.handler(f"NovaEvacuate({name})", name))
    reloading.set_level(parameters)


def process() -> NoReturn:
    """``main``, then the process' end, at once: requests that workers have still open would hold it up."""
    try:
        said = main()
    except Exception:
        traceback.print_exc()
        log.critical("the engine dies of %s", traceback.format_exc(limit=-1).strip().replace("\n", " "))
        said = 1
    if isinstance(said, str):
        sys.stderr.write(f"{said}\n")
    sys.stderr.flush()
    os._exit(1 if said else 0)


if __name__ == "__main__":
    process()

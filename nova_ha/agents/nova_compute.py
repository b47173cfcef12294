# SPDX-License-Identifier: Apache-2.0
"""What the agent NovaCompute does: it starts nova-compute once its host is not being recovered, watches and stops it.

Monitors of a healthy service end before this module is imported: see ``ocf/NovaCompute`` and
``nova_ha.rundir.pidfile``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Callable

from nova_ha.agents import framework, recovery_gate
from nova_ha.agents.framework import Action, Deadline, Failure, ocf
from nova_ha.agents.nova_compute_parameters import ANSWERS, DIRECT, LONG, PARAMETERS, SHORT, WAYS
from nova_ha.compute import procfs, rpc_ping, systemd
from nova_ha.compute.container import Container
from nova_ha.compute.process import Direct
from nova_ha.compute.service import PATIENCE, NotInTime, Service, ServiceError, State
from nova_ha.compute.systemd import Unit
from nova_ha.config import agent_parameters
from nova_ha.rundir.pidfile import Record

DEEP = 10  # the check level of which a monitor asks nova-compute

_LOOK = 0.2  # seconds between two looks at a service that is about to change
_AGAIN = 1  # seconds until who did not answer, or refused, is asked again
_FIRMNESS = 5  # seconds of a stop that are kept for killing what does not end
_LAST_TURN = 3  # seconds by which a question may last longer than it was given
# Seconds that one which has not answered yet may be silent. It first asks, for a minute each, the dead hosts that have
# what was evacuated from its own; to be started anew in the middle of it does not help.
_STARTING = 600

# What an action must be given, less whatever an operator adds (evacuation_delay).
_START, _STOP, _MONITOR = 60, 240, 20


def main() -> None:
    """Be the agent."""
    actions = {
        "start": Action(_start, _START),
        "stop": Action(_stop, _STOP),
        "monitor": Action(_monitor, _MONITOR, 10),
        "reload-agent": Action(check_configuration, 20),
        "validate-all": Action(_validate, 20),
        "meta-data": Action(None, 5),
    }
    framework.run("NovaCompute", SHORT, LONG, PARAMETERS, actions)


def _start() -> None:
    given = check_configuration()
    deadline, (record, answered) = Deadline(_START), _records()
    place = service(given)
    if find(place, _within(PATIENCE, deadline.left)) is None:
        raise Failure(ocf.OCF_ERR_INSTALLED, place.missing)
    recovery_gate.check(given, deadline.left)
    start(place, record, answered if given.get("started_when", ANSWERS) == ANSWERS else None, deadline.left)


def _stop() -> None:
    deadline, (record, _answered) = Deadline(_STOP), _records()
    given = {name: value for name, value in framework.values().items() if name in itertools.chain(*WAYS)}
    wrong = next(agent_parameters.problems(PARAMETERS, given), None)
    if wrong is None:
        stop(service(given), record, deadline.left)
    elif record.is_alive():
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute does not stop: how it is run is not known: {wrong}")
    # Otherwise nothing was started by it; a stop that failed would have the host fenced.


def _monitor() -> None:
    deadline, (record, answered) = Deadline(_MONITOR), _records()
    place = service(framework.values())
    monitor(place, record, ocf.is_probe(), deadline.left)
    if framework.check_level() >= DEEP and not ocf.is_probe():
        listen(place, answered, deadline.left)


def _validate() -> None:
    given = check_configuration()
    if framework.check_level() >= DEEP:
        # What can be told only on a host that is to run it.
        framework.check(service(given).problems())


def _records() -> tuple[Record, Record]:
    """What is remembered of the main process: which one it is, and which one has answered."""
    return Record(framework.instance()), Record(f"{framework.instance()}.answered")


def check_configuration() -> dict[str, str]:
    """Demand a configuration that makes sense, on whatever host.

    :return: the parameters that are set, by name
    :raises Failure: OCF_ERR_CONFIGURED
    """
    given = framework.check_parameters(PARAMETERS)
    chosen = [next(name for name in way if name in given) for way in WAYS if given.keys() & set(way)]
    if len(chosen) > 1:
        framework.check(
            [f"{' and '.join(chosen)}: only one of them can be set, each is another way to run nova-compute"]
        )
    if "container_engine" in given and "container" not in given:
        framework.check(["container_engine: container, the container's name, is not set"])
    return given


def service(given: Mapping[str, str]) -> Service:
    """How nova-compute is run on this host.

    :param given: the agent's parameters, by name
    """
    if "container" in given:
        return Container(given["container"], given.get("container_engine"))
    if "unit" not in given and (given.keys() & set(DIRECT) or not systemd.is_running()):
        files = given.get("config_files", "").split()
        return Direct(framework.instance(), given.get("binary"), files, given.get("user"))
    return Unit(given.get("unit"))


def _within(seconds: float, left: Callable[[], float]) -> Callable[[], float]:
    """Says how many of some seconds from now are left, as far as the operation has them."""
    end = max(0.0, left() - seconds)
    return lambda: max(0.0, left() - end)


def find(place: Service, left: Callable[[], float]) -> State | None:
    """The State of the service, or None where it is not installed.

    :param left: says how many seconds the operation has still
    :raises Failure: it cannot be known
    """
    try:
        return _look(place, left)
    except ServiceError as error:
        raise Failure(ocf.OCF_ERR_GENERIC, str(error)) from error


def _look(place: Service, left: Callable[[], float]) -> State | None:
    """The same; who does not answer is asked again for as long as there is time.

    :raises ServiceError: there was no answer in the end
    """
    while True:
        try:
            return place.find(max(_AGAIN, left()))
        except ServiceError:
            if left() <= _AGAIN:
                raise
        time.sleep(_AGAIN)


def start(place: Service, record: Record, answered: Record | None, left: Callable[[], float]) -> None:
    """Start the service, unless it runs, and remember its main process.

    :param answered: remembers that it has answered on Nova's message bus, which is waited for, too, until ``PATIENCE``
        seconds have passed in all; None: that is not waited for
    :param left: says how many seconds the operation has still
    :raises Failure: it does not run in the end
    """
    patience = _within(PATIENCE, left)
    try:
        state = _look(place, patience)
        if state and state.by_itself:
            ocf.logger.warning(f"{state.name} starts at boot by itself, even while the host is being recovered")
        if state and not state.runs:
            state = _bring_up(place, state, left)
    except ServiceError as error:
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute does not start: {error}") from error
    if not (state and state.runs):
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute does not start: {state.words if state else place.missing}")
    record.remember(state.main_pid)
    if answered is not None:
        await_answer(place, state, record, answered, patience)


def _bring_up(place: Service, state: State, left: Callable[[], float]) -> State | None:
    """Start the service; its State then, or None.

    :raises ServiceError: that was refused, or no process of it is there in time
    """
    try:
        place.start(state, left())
    except NotInTime:
        while (now := _look(place, left)) and not (now.runs or now.settled) and left() > _LOOK:
            time.sleep(_LOOK)
        if not (now and now.runs):
            raise
        return now
    return _look(place, left)


def await_answer(place: Service, state: State, record: Record, answered: Record, left: Callable[[], float]) -> None:
    """Return once nova-compute answers; or if it does not in time, or cannot be asked, which is logged.

    :param record: that of its main process
    :param answered: remembers that it has answered
    :param left: says how many seconds it has for that
    :raises Failure: it ended meanwhile
    """
    with rpc_ping.Question(place, state, max(_LOOK, left())) as question:
        while True:
            answer = question.answer()
            if state.main_pid and not record.is_alive():
                now = find(place, left)
                words = now.words if now else place.missing
                raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute ended while it started: {words}")
            if answer or left() <= _LOOK:
                break
            time.sleep(_LOOK)
    if answer and answer.word == rpc_ping.ANSWERS:
        answered.remember(state.main_pid)
    elif answer and answer.word == rpc_ping.IMPOSSIBLE:
        ocf.logger.warning(f"nova-compute runs, but cannot be asked whether it answers: {answer.why}")
    else:
        ocf.logger.warning(
            "nova-compute runs, but does not answer on Nova's message bus yet: Nova gives this host no work until it "
            "reports. See its log, and whether RabbitMQ and nova-conductor work"
        )


def stop(place: Service, record: Record, left: Callable[[], float]) -> None:
    """Stop the service; kill it if it does not end in time.

    :param left: says how many seconds the operation has still
    :raises Failure: a process of it is left, or that cannot be known
    """
    record.forget()
    try:
        state = _look(place, left)
        if state and not state.is_over:
            state = _end(place, state, left)
    except ServiceError as error:
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute does not stop: {error}") from error
    if state and not state.is_over:
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute does not stop, though killed: {state.words}")


def _end(place: Service, state: State, left: Callable[[], float]) -> State | None:
    """Ask the service to end, then kill it, and again if that was refused, until it is over or no time is left.

    :return: its last State, or None
    :raises ServiceError: it cannot be killed, or it cannot be known whether it is over
    """
    is_firm, is_killed = False, False
    refusal: ServiceError | None = None
    try:
        place.stop(state, max(1, left() - _FIRMNESS))
    except ServiceError as error:
        ocf.logger.warning(f"{error}: nova-compute is killed")
        is_firm = True
    while True:
        if is_firm and not is_killed:
            try:
                place.kill(state)
                is_killed, refusal = True, None
            except ServiceError as error:
                refusal = error
        now = _look(place, left)
        if now is None or now.is_over:
            return now
        state = now
        if left() <= _LOOK:
            break
        is_firm = is_firm or left() <= _FIRMNESS
        time.sleep(_AGAIN if refusal else _LOOK)
    if refusal:
        raise refusal
    return state


def monitor(place: Service, record: Record, probe: bool, left: Callable[[], float]) -> None:
    """Return if the service runs, and remember its main process for the next monitor.

    :param probe: the cluster asks whether it runs, and does not hold it to
    :param left: says how many seconds the operation has still
    :raises Failure: it does not
    """
    state = find(place, left)
    while state and not (state.runs or state.settled) and left() > _LOOK:
        time.sleep(_LOOK)
        state = find(place, left)
    if state is None:
        record.forget()
        if probe:
            raise Failure(ocf.OCF_NOT_RUNNING)
        raise Failure(ocf.OCF_ERR_INSTALLED, place.missing)
    if state.runs:
        record.remember(state.main_pid)
        return
    record.forget()
    if not state.is_over:
        raise Failure(ocf.OCF_ERR_GENERIC, f"nova-compute neither runs nor is stopped: {state.words}")
    raise Failure(ocf.OCF_NOT_RUNNING, None if probe else f"nova-compute does not run: {state.words}")


def listen(place: Service, answered: Record, left: Callable[[], float]) -> None:
    """Return if nova-compute answers; or if a restart would not help: that cannot be found out, or it may still start.

    What is no success is logged then.

    :param answered: remembers that it has answered
    :param left: says how many seconds the operation has still
    :raises Failure: it does not, though Nova's conductor does
    """
    state, seconds = find(place, left), left() - _LAST_TURN
    if state is None or seconds < _LAST_TURN:
        raise Failure(ocf.OCF_ERR_ARGS, f"a monitor of level {DEEP} needs a timeout of 60 s or so")
    with rpc_ping.Question(place, state, seconds) as question:
        while (answer := question.answer()) is None and left() > _LOOK:
            time.sleep(_LOOK)
    if answer is None or answer.word == rpc_ping.UNKNOWN:
        ocf.logger.warning("nova-compute runs; it does not answer, but nor does nova-conductor, or RabbitMQ is away")
    elif answer.word == rpc_ping.IMPOSSIBLE:
        ocf.logger.warning(f"nova-compute runs, but cannot be asked whether it answers: {answer.why}")
    elif answer.word == rpc_ping.ANSWERS:
        answered.remember(state.main_pid)
    elif answered.pid() != state.main_pid and (age := procfs.age(state.main_pid)) < _STARTING:
        since = f"since it was started {age:.0f} s ago"
        ocf.logger.warning(f"nova-compute has not answered on Nova's message bus {since}: see its log")
    else:
        raise Failure(
            ocf.OCF_ERR_GENERIC,
            f"nova-compute hangs: no answer on Nova's message bus for {seconds:.0f} s, though nova-conductor answers",
        )

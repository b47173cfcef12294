# SPDX-License-Identifier: Apache-2.0
"""The recovery engine: reads the world, asks ``decide`` what to do, does it, and begins again.

One process, supervised by the NovaEvacuate agent. The main thread reads, decides and does everything but the evacuate
requests, which a few workers send side by side. Whatever it knows by itself (``attempts``) may be lost at any line: the
flags and Nova's own records are enough to go on from.
"""

import argparse
import concurrent.futures
import json
import logging
import logging.handlers
import signal
import sys
import threading
import time

from nova_ha import attempts as tried
from nova_ha import cluster as pacemaker
from nova_ha import config, decide, flag, mark, nova, runstate
from nova_ha.observer import Observer

log = logging.getLogger("nova-ha")

# Seconds between two passes: while instances are being recovered (at least, for each of them, at most); while recovered
# hosts are awaited; when there is no flag (a change of the cluster's configuration ends any pause at once); when the
# cloud or the cluster is away.
FOLLOW, FOLLOW_EACH, FOLLOW_MOST = 1.0, 0.1, 3.0
AWAIT_RETURN = 3.0
IDLE = 10.0
AWAY = 2.0

# Seconds between two looks, within a pause, at what would end it.
TICK = 0.1


class Engine:
    """Recovers every flagged host, for ever.

    :param cluster: a ``cluster.Cluster``
    :param cloud: a ``nova.Nova``
    :param resource: name of the resource that supervises engines, to tell on which nodes others run
    :param state: a ``runstate.RunState``, told of progress and of what happens
    :param options: the ``recovery`` section of the configuration
    :param workers: an executor that sends the evacuate requests
    :param clock: monotonic seconds
    """

    def __init__(self, cluster, cloud, resource, state, options, workers, clock=time.monotonic):
        self._cluster = cluster
        self._cloud = cloud
        self._node = None  # this control node's name in the cluster
        self._resource = resource
        self._state = state
        self._options = options
        self._stop = threading.Event()
        self._workers = workers
        self._observer = Observer(cloud, options.domain, clock)
        self._clock = clock
        self._sent = {}  # Future -> the Evacuate step that it carries out
        self._attempts = tried.Attempts()
        self._flags = {}  # as last read; workers look at it before they send
        self._own = {}  # host -> the claim that this engine made
        self._taken_up = set()  # hosts claimed since they were last looked at
        self._first_report = {}  # recovered host -> its service's last report when we first saw it recovered
        self._said = {}
        self._account = {}
        self._connected = False
        self._waits = None  # for what, while the cloud or the cluster does not answer

    def stop(self):
        """End ``run`` after the step at hand; what has been sent is left to Nova."""
        self._stop.set()

    def run(self):
        """Pass after pass, until ``stop``.

        :raises nova.Misconfigured: before the first connection to the cloud; later it is waited out
        """
        while not self._stop.is_set():
            change = pacemaker.last_change()
            try:
                pause = self.one_pass()
            except (nova.CloudError, pacemaker.ClusterError) as error:
                if isinstance(error, nova.Misconfigured) and not self._connected:
                    raise
                if self._waits != str(error):
                    self._waits = str(error)
                    log.warning("waiting: %s", error)
                self._state.report("waiting", str(error), hosts=self._account)
                pause = AWAY
            else:
                if self._waits is not None:
                    self._waits = None
                    log.info("working again")
            self._rest(pause, change)
        self._workers.shutdown(wait=False, cancel_futures=True)

    def one_pass(self):
        """Look at the world once and do what follows from it; returns the seconds to rest.

        :raises nova.CloudError: the cloud is away; nothing is lost by that
        :raises cluster.ClusterError: the cluster is away; likewise
        """
        self._state.progress()
        self._collect()
        self._claim()
        if not self._connected:
            self._cloud.connect()
            self._connected = True
            log.info("connected to Nova")
        ours = {host: value for host, value in self._flags.items() if value in (flag.RECOVERED, self._own.get(host))}
        steps = self._decide(ours) if ours else []
        acted = [self._do(step) for step in steps]
        self._report(steps)
        if not self._flags:
            self._said.clear()  # else it would grow with every instance that was ever recovered
        if any(acted):
            return TICK
        if any(value != flag.RECOVERED for value in self._flags.values()):
            # The more there is to wait for, the less does one look more or less matter.
            return min(max(FOLLOW, len(steps) * FOLLOW_EACH), FOLLOW_MOST)
        return AWAIT_RETURN if self._flags else IDLE

    # Reading

    def _claim(self):
        """Read the flags, and take up the hosts that are free to take."""
        self._node = self._node or self._cluster.local_node()
        self._flags = self._cluster.flags()
        self._own = {host: value for host, value in self._own.items() if self._flags.get(host) == value}
        foreign = any(flag.claimant(value) not in (None, self._node) for value in self._flags.values())
        others = self._cluster.active_on(self._resource) - {self._node} if foreign else set()
        for step in decide.claims(self._flags, self._own, others):
            self._say(step.host, step.reason)
            if isinstance(step, decide.Claim):
                mine = flag.claim(self._node, time.time())
                if self._cluster.swap_flag(step.host, step.old, mine):
                    self._own[step.host] = mine
                    self._flags = {**self._flags, step.host: mine}
                    self._taken_up.add(step.host)

    def _decide(self, ours):
        """What to do about the hosts that are ours; a glance may be enough to see that it is nothing."""
        glimpsed = self._observer.glance(ours)
        if glimpsed is not None:
            steps = self._steps(glimpsed)
            if not any(map(decide.is_action, steps)):
                return steps
        world = self._observer.look(ours)
        for host in world.hosts:
            self._inherit(host)
        self._attempts.forget({instance.id for host in world.hosts for instance in host.instances})
        return self._steps(world)

    def _steps(self, world):
        now = self._clock()
        for host in world.hosts:
            self._attempts.observe(host, now)
        policy = self._observer.policy() if any(host.instances for host in world.hosts) else None
        reported = {host.name for host in world.hosts if self._reported(host)}
        return decide.steps(world, self._attempts, policy, self._options.in_flight, now, reported)

    def _inherit(self, host):
        """Reckon with requests of a former engine that have not shown yet.

        Whether there was one, the flag does not tell: a host that is fenced again loses its claim. But no engine asks
        for anything before it has forced the host down.
        """
        if host.name not in self._taken_up or host.service is None:
            return
        self._taken_up.discard(host.name)
        if host.service.forced_down:
            newest = {record.instance: record.id for record in host.evacuations}
            for instance in host.instances:
                self._attempts.inherited(instance.id, newest.get(instance.id, 0), self._clock())

    def _reported(self, host):
        """Whether a recovered host's nova-compute has reported since we first saw the host recovered."""
        if host.flag != flag.RECOVERED or host.service is None:
            self._first_report.pop(host.name, None)
            return False
        return host.service.last_report != self._first_report.setdefault(host.name, host.service.last_report)

    # Doing

    def _do(self, step):
        """Carry a step out; returns whether the world may be different now, so that looking again is worth while."""
        if not decide.is_action(step):
            return False
        try:
            return self._DEEDS[type(step)](self, step)
        except nova.CloudError as error:
            self._say(step.host, f"{step.reason}; but {error}", logging.WARNING)
            return False

    def _take_out(self, step):
        if not step.service.forced_down:
            self._cloud.force_down(step.service, True)
        if step.mark is not None:
            self._cloud.disable(step.service, step.mark)
        self._say(step.host, "forced down and disabled in Nova")
        return True

    def _evacuate(self, step):
        self._attempts.sending(step.instance.id, step.newest)
        self._sent[self._workers.submit(self._send, step)] = step
        return False

    def _close(self, step):
        closed = self._cluster.swap_flag(step.host, self._own[step.host], flag.RECOVERED)
        if closed:
            self._say(step.host, f"recovered: {step.reason}")
        return closed

    def _put_back(self, step):
        if self._cluster.flag(step.host) != flag.RECOVERED:
            return True  # fenced again since this pass read the flags
        before = mark.reason_before(step.service)
        self._cloud.force_down(step.service, False)
        if before is not None:
            self._cloud.disable(step.service, before)
        elif mark.is_marked(step.service):
            self._cloud.enable(step.service)
        self._say(step.host, "service put back" + (f", disabled as before: {before}" if before is not None else ""))
        return True

    def _clear(self, step):
        cleared = self._cluster.swap_flag(step.host, flag.RECOVERED, None)
        if cleared:
            self._say(step.host, f"flag cleared: {step.reason}")
        return cleared

    _DEEDS = {
        decide.TakeOut: _take_out,
        decide.Evacuate: _evacuate,
        decide.Close: _close,
        decide.PutBack: _put_back,
        decide.Clear: _clear,
    }

    def _send(self, step):
        """In a worker: one evacuate request, unless the host ceased to be ours while it was queued."""
        if self._stop.is_set() or self._flags.get(step.host) != self._own.get(step.host, ""):
            raise nova.Refused("not sent: the host is not this engine's any more", status=0)
        return self._cloud.evacuate(step.instance)

    def _collect(self):
        """Learn how the requests that have been answered were answered."""
        for future in [future for future in self._sent if future.done()]:
            step = self._sent.pop(future)
            now = self._clock()
            subject = f"{step.host}: instance {step.instance.id}"
            try:
                request = future.result()
            except nova.Unreachable as error:
                if error.sent:
                    self._attempts.unclear(step.instance.id, now, f"no clear answer: {error}")
                else:
                    self._attempts.failed(step.instance.id, now, str(error))
                self._say(subject, f"evacuate: {error}", logging.WARNING)
            except nova.CloudError as error:
                self._attempts.failed(step.instance.id, now, str(error))
                self._say(subject, f"evacuate: {error}", logging.WARNING)
            else:
                self._attempts.accepted(step.instance.id, now)
                self._say(subject, f"evacuation accepted ({request})")

    # Telling, resting

    def _report(self, steps):
        hosts = {host: {"flag": value, "steps": []} for host, value in self._flags.items()}
        for step in steps:
            instance = getattr(step, "instance", None)
            subject = f"{step.host}: instance {instance.id}" if instance else step.host
            if not decide.is_action(step):
                self._say(subject, f"{type(step).__name__.lower()}: {step.reason}")
            hosts[step.host]["steps"].append(
                {"step": type(step).__name__, "instance": instance and instance.id, "reason": step.reason}
            )
        self._account = hosts
        self._state.report("working", f"{len(hosts)} hosts flagged" if hosts else "no host is flagged", hosts=hosts)

    def _say(self, subject, text, level=logging.INFO):
        """Log what is new: the same thing about the same subject is said once."""
        if self._said.get(subject) != text:
            self._said[subject] = text
            log.log(level, "%s: %s", subject, text)

    def _rest(self, seconds, change):
        """Wait, but no longer than until the cluster's configuration changes or we are told to stop."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and pacemaker.last_change() == change:
            self._state.progress()
            if self._stop.wait(TICK):
                return


def main(arguments=None):
    """Run the engine; parameters come as JSON on standard input, so that no password shows in ``ps``."""
    parser = argparse.ArgumentParser(prog="nova_ha.engine", description="nova-ha's recovery engine")
    parser.add_argument("--name", required=True, help="the resource that supervises this engine")
    name = parser.parse_args(arguments).name
    state = runstate.RunState(name)
    try:
        state.acquire()
    except runstate.AlreadyRunning as error:
        return str(error)
    parameters = json.load(sys.stdin)["parameters"]
    _log_to_journal(name, parameters)
    state.report("starting", "reading the configuration")
    try:
        conf = config.load(parameters)
        cloud = nova.Nova(
            config.session(conf),
            conf[config.GROUP].valid_interfaces,
            conf[config.GROUP].region_name,
            before_request=state.progress,
        )
        workers = concurrent.futures.ThreadPoolExecutor(conf.recovery.workers, "evacuate")
        engine = Engine(pacemaker.Cluster(conf.recovery.attribute), cloud, name, state, conf.recovery, workers)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: engine.stop())
        engine.run()
    except nova.Misconfigured as error:
        log.error("%s", error)
        state.report("misconfigured", str(error))
        return 1
    return 0


def _log_to_journal(name, parameters):
    # Where nobody listens the log is lost, which must not fill the supervisor's file with tracebacks.
    logging.raiseExceptions = False
    handler = logging.handlers.SysLogHandler("/dev/log", logging.handlers.SysLogHandler.LOG_DAEMON)
    handler.ident = f"NovaEvacuate({name}): "
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if config.is_true(parameters.get("verbose", "")) else logging.INFO)


if __name__ == "__main__":
    sys.exit(main())

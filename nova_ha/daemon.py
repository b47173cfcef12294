# SPDX-License-Identifier: Apache-2.0
"""The recovery engine as a process: configuration, log and signals. ``supervisor`` starts it."""

import argparse
import concurrent.futures
import json
import logging
import logging.handlers
import signal
import sys

from nova_ha import cluster, config, nova, runstate
from nova_ha.account import Account
from nova_ha.engine import Engine, log
from nova_ha.rules import Rules


def main(arguments=None):
    """Run the engine; parameters come as JSON on standard input, so that no password shows in ``ps``."""
    parser = argparse.ArgumentParser(prog="nova_ha.daemon", description="nova-ha's recovery engine")
    parser.add_argument("--name", required=True, help="the resource that supervises this engine")
    name = parser.parse_args(arguments).name
    state = runstate.RunState(name)
    # Before it becomes ours: the history of the engine before goes on.
    account = Account.from_dict(state.read_report(), log)
    try:
        state.acquire(**account.as_dict())
    except runstate.AlreadyRunning as error:
        return str(error)
    parameters = json.load(sys.stdin)["parameters"]
    _log_to_journal(name, parameters)
    state.report(runstate.STARTING, "reading the configuration", **account.as_dict())
    try:
        conf = config.load(parameters)
        engine = Engine(
            cluster.Cluster(conf.recovery.attribute),
            config.cloud(conf, before_request=state.progress),
            name,
            state,
            account,
            Rules.from_options(conf),
            conf.recovery,
            concurrent.futures.ThreadPoolExecutor(conf.recovery.workers, "errand"),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: engine.stop())
        engine.run()
    except nova.Misconfigured as error:
        log.error("%s", error)
        state.report(runstate.MISCONFIGURED, str(error), **account.as_dict())
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

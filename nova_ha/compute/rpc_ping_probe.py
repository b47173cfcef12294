# SPDX-License-Identifier: Apache-2.0
"""Asks nova-compute, by Nova's message bus, whether it is there. Not imported: nova-compute's own Python runs it.

Arguments: the seconds until it gives up, and nova-compute's own --config-file and --config-dir. It reads from these
what nova-compute does: where the bus is, with which credentials, and the host's name. The question is one that every
service of Nova answers (``baseapi.ping``), and answering it needs what any work needs: that it has started, hears from
the bus, and is not hung. Nova's conductor is asked the same: when it does not answer either, the fault is not
nova-compute's.

Writes one word: ``answers``; ``silent``, though the conductor answers; ``unknown``, because it does not either; or
``impossible``, and why: the question cannot be put.
"""

import signal
import socket
import sys
import time
from types import ModuleType
from typing import Any, Callable, Optional

# No "from __future__ import annotations" here: the oldest Novas are run by a Python that does not know it.

TURN = 5  # seconds that one question has


def main() -> str:
    """Be the program."""
    seconds = float(sys.argv[1])
    end = time.time() + seconds
    # A bus that cannot be reached is tried for ever; and who waits for us may have ended.
    signal.alarm(int(seconds) + 3)
    import oslo_messaging as messaging
    from oslo_config import cfg

    conf = cfg.CONF
    conf.register_opts([cfg.StrOpt("host", default=socket.gethostname())])
    conf(sys.argv[2:], project="nova", prog="nova-compute")
    messaging.set_transport_defaults("nova")
    transport = messaging.get_rpc_transport(conf)

    conductor_answers = False

    def answers(topic: str, server: Optional[str] = None) -> bool:
        target = messaging.Target(topic=topic, server=server, namespace="baseapi", version="1.0")
        turn = max(1, min(TURN, end - time.time()))
        try:
            client(messaging)(transport, target, timeout=turn).call({}, "ping", arg="nova-ha")
        except messaging.MessagingTimeout:
            return False
        except Exception:
            # The bus refuses, or breaks: it may be better in a moment.
            time.sleep(1)
            return False
        return True

    while True:
        if answers("compute", conf.host):
            return "answers"
        # The last question is nova-compute's: it is silent only if it does not answer after the conductor has.
        if time.time() >= end:
            return "silent" if conductor_answers else "unknown"
        conductor_answers = answers("conductor")


def client(messaging: ModuleType) -> Callable[..., Any]:
    """How a client is made: by a function, or in older releases by the class itself."""
    how: Callable[..., Any] = getattr(messaging, "get_rpc_client", None) or messaging.RPCClient
    return how


if __name__ == "__main__":
    try:
        print(main())
    except ImportError as error:
        print(f"impossible: {error}")
    # No more than its kind: the text could hold the bus's password.
    except Exception as error:
        print(f"impossible: {type(error).__name__}")

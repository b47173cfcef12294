# SPDX-License-Identifier: Apache-2.0
"""What the OCF agents share: from declared parameters and actions to an agent that Pacemaker can run.

The OCF standard's part (metadata, dispatch, exit reasons) is done by the helpers of resource-agents.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Callable, NamedTuple, NoReturn
from xml.sax.saxutils import escape

from nova_ha.config import agent_parameters
from nova_ha.config.agent_parameters import Parameter

# What the agents use; ocf they have from here, where it is found.
__all__ = [
    "Action",
    "Deadline",
    "Failure",
    "check",
    "check_level",
    "check_parameters",
    "instance",
    "meta",
    "ocf",
    "run",
    "values",
]

sys.path.append(os.environ.get("OCF_FUNCTIONS_DIR", os.environ.get("OCF_ROOT", "/usr/lib/ocf") + "/lib/heartbeat"))
try:
    import ocf
except ImportError:
    sys.stderr.write(f"ocf-exit-reason:resource-agents is not installed: no ocf.py in {sys.path[-1]}\n")
    sys.exit(5)

# By hand there may be no log to write to; then the exit reason is enough, and need not be printed twice.
ocf.log.addHandler(logging.NullHandler())

# Part of an operation's time that is kept for its last words, in seconds; of a short operation, a quarter.
_RESERVE = 5

# The document type of metadata, which is that of OCF 1.0, and what OCF 1.1 adds to it.
_DOCTYPE = '<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd"'
_OCF_1_1 = "<!ATTLIST parameter reloadable (1|0) #IMPLIED> <!ATTLIST action name CDATA #REQUIRED>"

# Set by Pacemaker beside the agent's parameters.
_NOT_PARAMETERS = ("CRM_meta_", "crm_", "OCF_")


class Failure(Exception):
    """An action failed.

    :param code: one of the ``ocf.OCF_*`` exit codes
    :param reason: one line for an operator, or None where the code says it all
    """

    def __init__(self, code: int, reason: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason and " ".join(reason.split())


class Action(NamedTuple):
    """An action of an agent; times are the advised ones, in seconds.

    :param handler: called without arguments; raises Failure
    """

    handler: Callable[[], object] | None
    timeout: int
    interval: int | None = None


class _Agent(ocf.Agent):
    """An agent of OCF 1.1, which knows ``reload-agent``."""

    def to_xml(self) -> str:
        return super().to_xml().replace(f"{_DOCTYPE}>", f"{_DOCTYPE} [{_OCF_1_1}]>", 1)


class _ReloadableParameter(ocf.Parameter):
    def to_xml(self) -> str:
        return super().to_xml().replace("<parameter ", '<parameter reloadable="1" ', 1)


class Deadline:
    """The end of the running operation.

    :param default: the operation's timeout in seconds, where Pacemaker does not say
    """

    def __init__(self, default: float) -> None:
        milliseconds = meta("timeout") or ""
        timeout = int(milliseconds) / 1000 if milliseconds.isdigit() else default
        self._end = time.monotonic() + timeout - min(_RESERVE, timeout / 4)

    def left(self) -> float:
        """Seconds that remain, 0 at least, less a reserve for reporting what happened."""
        return max(0.0, self._end - time.monotonic())


def meta(name: str) -> str | None:
    """What Pacemaker says about the running operation, such as ``timeout`` (milliseconds) or ``on_node``."""
    return os.environ.get(f"OCF_RESKEY_CRM_meta_{name}")


def instance() -> str:
    """The resource's name: what is started and stopped goes by it, so that none is guessed.

    :raises Failure: OCF_ERR_ARGS
    """
    if not ocf.OCF_RESOURCE_INSTANCE:
        raise Failure(ocf.OCF_ERR_ARGS, "OCF_RESOURCE_INSTANCE, the resource's name, is not set")
    return ocf.OCF_RESOURCE_INSTANCE


def check_level() -> int:
    """How deep a monitor or validate-all is to look (OCF_CHECK_LEVEL): 0, or more on an operator's wish."""
    level = os.environ.get("OCF_CHECK_LEVEL", "")
    return int(level) if level.isdigit() else 0


def values() -> dict[str, str]:
    """The agent's parameters that are set and not empty, as ``{name: value}``."""
    prefix = "OCF_RESKEY_"
    named = {name[len(prefix) :]: value for name, value in os.environ.items() if name.startswith(prefix)}
    return {name: value for name, value in named.items() if value and not name.startswith(_NOT_PARAMETERS)}


def check(problems: Iterable[str]) -> None:
    """Demand that nothing is wrong with the configuration; every problem becomes an exit reason of its own.

    :param problems: lines of text
    :raises Failure: OCF_ERR_CONFIGURED
    """
    problems = list(problems)
    for problem in problems[:-1]:
        ocf.ocf_exit_reason(problem)
    if problems:
        raise Failure(ocf.OCF_ERR_CONFIGURED, problems[-1])


def run(name: str, short: str, long: str, known: Iterable[Parameter], actions: Mapping[str, Action]) -> NoReturn:
    """Be the agent: do the action of the command line, and exit with its OCF code.

    :param short: short description
    :param long: long description
    :param known: the agent's parameters
    :param actions: by their names
    """
    agent = _Agent(name, shortdesc=escape(short), longdesc=escape(long), ocf_version=1.1)
    for parameter in known:
        kind = _ReloadableParameter if parameter.reloadable else ocf.Parameter
        made = kind(
            parameter.name,
            shortdesc=escape(parameter.short),
            longdesc=escape(parameter.long),
            content_type=parameter.kind,
            unique=False,
            required=False,
            default=parameter.default,
        )
        agent.parameters.append(made)
    for action, (handler, timeout, interval) in actions.items():
        agent.add_action(action, timeout, interval, handler=handler and _guarded(handler))
    asked = sys.argv[1] if len(sys.argv) == 2 else None
    if asked not in {*actions, "usage", "methods", "-h", "--help"}:
        ocf.ocf_exit_reason(f"{name} does one of {', '.join(actions)}; asked was {' '.join(sys.argv[1:])!r}")
        sys.exit(ocf.OCF_ERR_UNIMPLEMENTED)
    agent.run()


def _guarded(handler: Callable[[], object]) -> Callable[[], int]:
    def guarded() -> int:
        try:
            handler()
        except Failure as failure:
            if failure.reason:
                ocf.ocf_exit_reason(failure.reason)
            return failure.code
        return ocf.OCF_SUCCESS

    return guarded


def check_parameters(known: Iterable[Parameter]) -> dict[str, str]:
    """Demand that every parameter that is set is known, and its value a possible one.

    :return: the values, by name
    :raises Failure: OCF_ERR_CONFIGURED
    """
    given = values()
    check(agent_parameters.problems(known, given))
    return given

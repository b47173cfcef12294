# SPDX-License-Identifier: Apache-2.0
"""The one door to BMCs: another fence agent, which is asked as Pacemaker's fencer would ask it.

Its options, passwords among them, go by standard input, and its environment is clean. What counts is what its
``status`` says after an order, not whether the order was taken: a host is off when that says so.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from xml.etree import ElementTree

from nova_ha.system import programs

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Without the fencer's own variables: the agent then keeps to its own time limits, and can say what it waited for.
_ENVIRONMENT = {"PATH": _PATH, "LC_ALL": "C"}

# Exit codes of ``status`` by what it says (the FenceAgentAPI of ClusterLabs).
_STATUS = {"on": 0, "off": 2}

# What the fencing library adds to every wrong use, and to every reason why options will not do.
_HINTS = ("Please use '-h' for usage", "validate-all failed")

# Options whose values are never repeated, whatever the agent says: passwords, IPMI's and SNMP's keys.
_SECRET = re.compile("passw|hexadecimal_kg|community|token")

# An agent that has it serves one host at each address; without it, its plug says which of many is meant.
_ONE_HOST_AGENT = "port_as_ip"

_VALIDATE = "validate-all"


class PowerError(Exception):
    """The power agent failed, or left it open in which state the power is; the text is one line, without passwords."""


class PowerAgent:
    """A fence agent that powers one host.

    :param agent: its name, such as ``fence_ipmilan``, or its path
    :param options: its options by their names on standard input
    :param limit: seconds that one order may take, its proof included
    :param recheck: seconds after which a host that was off is looked at once more, 0 not to
    :raises PowerError: there is no such agent, or an option cannot be handed over
    """

    def __init__(self, agent: str, options: Mapping[str, str], limit: int, recheck: int = 0) -> None:
        self._path = _find(agent)
        self.name = os.path.basename(agent)
        for name, value in options.items():
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or name in ("action", "option"):
                raise PowerError(f"{name[:80]!r} cannot be an option of {self.name}")
            if "\n" in value or "\r" in value:
                raise PowerError(f"the value of {name} for {self.name} has more than one line")
        self._options = options
        self._limit = limit
        self._recheck = recheck

    def off(self) -> None:
        """Power the host off, and prove that it is.

        :raises PowerError: it is not proved
        """
        self._order("off")
        if self._recheck:
            time.sleep(self._recheck)
            state = self.status()
            if state != "off":
                since = f"the power was off, and is {state} again {self._recheck} s later"
                raise PowerError(f"{self.name} off: {since}: whether the host ever lost it is not certain")

    def on(self) -> None:
        """Power the host on, and prove that it is.

        :raises PowerError: it is not proved
        """
        self._order("on")

    def status(self) -> str:
        """``on`` or ``off``.

        The exit code alone is not believed: 2, which means off, is also what many programs answer to wrong usage.

        :raises PowerError: the agent failed, or its words and its exit code do not agree
        """
        return self._status(self._deadline())

    def _status(self, deadline: float) -> str:
        code, out, err = self._ask("status", deadline)
        said: list[str] = re.findall(r"^\s*status:\s*(\w+)\s*$", out, re.IGNORECASE | re.MULTILINE)
        state = said[-1].lower() if said else None
        if state is not None and _STATUS.get(state) == code:
            return state
        if code in _STATUS.values():
            answer = self._without_secrets(" ".join(out.split()))[:80] or "nothing"
            raise PowerError(f"{self.name} status: not understood: it said {answer!r} with exit code {code}")
        raise PowerError(self._failure("status", code, err))

    def monitor(self) -> None:
        """Look whether the BMC answers.

        :raises PowerError: it does not
        """
        self._succeed("monitor", self._deadline())

    def validate(self) -> None:
        """Have the agent look at its options, without asking the BMC; not every agent can.

        :raises PowerError: they will not do
        """
        if _VALIDATE in self._declared("action"):
            self._succeed(_VALIDATE, self._deadline())

    def serves_one(self) -> bool:
        """Whether the agent powers one host at each address, so that it does not look at its plug.

        :raises PowerError: its metadata cannot be read
        """
        return _ONE_HOST_AGENT in self._declared("parameter")

    def _declared(self, kind: str) -> set[str | None]:
        """The names of what the agent's metadata has of a kind."""
        out = self._succeed("metadata", self._deadline())
        try:
            return {declared.get("name") for declared in ElementTree.fromstring(out).iter(kind)}
        except ElementTree.ParseError as error:
            raise PowerError(f"{self.name} metadata: not understood: {error}") from error

    def _deadline(self) -> float:
        return time.monotonic() + self._limit

    def _order(self, action: str) -> None:
        # One limit for both, which must end before the fencer's own does: else nobody would hear the reason.
        deadline = self._deadline()
        self._succeed(action, deadline)
        state = self._status(deadline)
        if state != action:
            raise PowerError(f"{self.name} {action}: it reported success, but the power is {state}")

    def _succeed(self, action: str, deadline: float) -> str:
        code, out, err = self._ask(action, deadline)
        if code != 0:
            raise PowerError(self._failure(action, code, err))
        return out

    def _ask(self, action: str, deadline: float) -> tuple[int, str, str]:
        """Run the agent; return (exit code, standard output, standard error)."""
        options = {**self._options, "action": action}
        request = "".join(f"{name}={_quoted(value)}\n" for name, value in options.items())
        left = max(0.0, deadline - time.monotonic())
        try:
            # With what it started: an ipmitool left behind could still switch the power much later.
            return programs.run(
                [self._path], left, _ENVIRONMENT, request.encode(errors="surrogateescape"), apart=True
            )
        except OSError as error:
            raise PowerError(f"{self.name} cannot be run: {error.strerror}") from error
        except programs.NotInTime as error:
            raise PowerError(f"{self.name} {action}: no answer within {self._limit} s") from error

    def _failure(self, action: str, code: int, err: str) -> str:
        lines = [line.strip() for line in err.splitlines() if line.strip() and not any(hint in line for hint in _HINTS)]
        errors = [line.partition("ERROR: ")[2] for line in lines if "ERROR: " in line]
        said = (errors or lines or [f"exit code {code}"])[-1].removeprefix("Failed: ")
        return f"{self.name} {action}: {self._without_secrets(said)[:300]}"

    def _without_secrets(self, text: str) -> str:
        for name, value in self._options.items():
            if _SECRET.search(name) and value:
                text = text.replace(value, "***")
        return text


def _find(agent: str) -> str:
    """The path of an agent given by name or path."""
    if os.path.basename(agent) == "fence_compute":
        raise PowerError("fence_compute cannot be its own power agent")
    paths = [f"{place}/{agent}" for place in _PATH.split(":")] if "/" not in agent else [agent]
    for path in paths:
        if path.startswith("/") and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise PowerError(f"there is no power agent {agent[:80]!r} on this node")


def _quoted(value: str) -> str:
    """A value as the fencing library reads it back: it strips white space and then one pair of quotes."""
    return f'"{value}"' if value != value.strip() or re.fullmatch('".*"', value) else value

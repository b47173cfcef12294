# SPDX-License-Identifier: Apache-2.0
"""The one door to systemd: units, as nova-compute is one."""

import subprocess
from typing import NamedTuple

# Nothing of the agent's environment, which may carry passwords.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

# Seconds within which systemd answers a question, or takes an order that it need not finish.
_ANSWER = 10

_PROPERTIES = "LoadState,ActiveState,SubState,MainPID,Result"


class SystemdError(Exception):
    """systemd did not answer, or refused; the text says what was asked and what it said."""


class NotInTime(SystemdError):
    """A unit did not start or stop within the limit; it may do so still."""


def run(command, timeout):
    """Run systemctl; return (exit code, standard output, standard error).

    :param timeout: seconds
    :raises SystemdError: it is not installed
    :raises NotInTime: it did not end in time
    """
    try:
        done = subprocess.run(
            command, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )
    except FileNotFoundError as error:
        raise SystemdError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise NotInTime(f"{' '.join(command)}: not done within {timeout:.0f} s") from error
    return done.returncode, done.stdout, done.stderr


class Unit(NamedTuple):
    """A unit as systemd described it at one moment.

    :param load: ``loaded``, ``not-found``, ``masked`` ...
    :param active: ``active``, ``inactive``, ``failed``, ``activating``, ``deactivating``, ``reloading``
    :param sub: the same in finer terms, which depend on the kind of unit
    :param main_pid: its main process, or 0
    :param result: why it failed, or ``success``
    """

    name: str
    load: str
    active: str
    sub: str
    main_pid: int
    result: str

    @property
    def runs(self):
        """Whether it is up."""
        return self.active in ("active", "reloading")

    @property
    def settled(self):
        """Whether systemd is neither starting nor stopping it."""
        return self.active not in ("activating", "deactivating")

    @property
    def is_over(self):
        """Whether it is down, and no main process of it is left.

        Other processes may remain where the unit says so (KillMode=process): they are meant to outlive it.
        """
        return self.active in ("inactive", "failed") and self.main_pid == 0


class Systemd:
    """What nova-ha asks of systemd.

    :param runner: called as ``runner(command, timeout)``; see ``run``
    """

    def __init__(self, runner=run):
        self._run = runner

    def units(self, names):
        """The units of these names, in their order, whether they exist or not.

        :rtype: list of Unit
        :raises SystemdError: systemd does not answer
        """
        out = self._demand(["systemctl", "show", f"--property={_PROPERTIES}", "--", *names], _ANSWER)
        blocks = out.strip().split("\n\n")
        if len(blocks) != len(names):
            raise SystemdError(f"systemctl show: asked for {len(names)} units, told of {len(blocks)}")
        return [_unit(*pair) for pair in zip(names, blocks)]  # noqa: B905 (new in Python 3.10)

    def unit(self, name):
        """The unit of this name; see ``units``."""
        return self.units([name])[0]

    def start(self, name, timeout):
        """Start a unit and wait until systemd calls it started.

        :param timeout: seconds
        :raises NotInTime: it is still starting
        :raises SystemdError: it cannot be started
        """
        # Whether to try again is Pacemaker's to say: systemd's count of former failures must not refuse it.
        self._run(["systemctl", "reset-failed", "--", name], _ANSWER)
        self._demand(["systemctl", "start", "--", name], timeout)

    def stop(self, name, timeout):
        """Stop a unit and wait until it is.

        :param timeout: seconds
        :raises NotInTime: it is still stopping
        :raises SystemdError: systemd refused
        """
        self._demand(["systemctl", "stop", "--", name], timeout)

    def kill(self, name):
        """Kill all processes of a unit, at once.

        :raises SystemdError: systemd refused
        """
        self._demand(["systemctl", "kill", "--signal=SIGKILL", "--", name], _ANSWER)

    def _demand(self, command, timeout):
        code, out, err = self._run(command, timeout)
        if code != 0:
            said = " ".join(err.split()) or f"exit code {code}"
            raise SystemdError(f"{' '.join(command[:2])} {command[-1]}: {said}")
        return out


def _unit(name, block):
    try:
        said = dict(line.split("=", 1) for line in block.splitlines())
        return Unit(
            name, said["LoadState"], said["ActiveState"], said["SubState"], int(said["MainPID"]), said["Result"]
        )
    except (KeyError, ValueError) as error:
        raise SystemdError(f"systemctl show {name}: answered what cannot be understood ({error})") from error

# SPDX-License-Identifier: Apache-2.0
"""Telling Nova at once that a host is dead: as soon as it is flagged, before the engine has seen the flag.

A courtesy, within a time limit that nothing can stretch: it is tried in a process of its own, which the kernel ends.
Whatever becomes of it, the host is fenced and flagged, and the engine does the same again and goes on from there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import NoReturn, Protocol

from nova_ha.model import hostnames, snapshot

# Seconds for all of it: imports, the name look-ups, Keystone, Nova.
LIMIT = 3

_DONE = b"done"


class NoService(Exception):
    """Nova has no service of the host, or can read nothing of it."""


class _Nova(Protocol):
    """What is asked of the cloud."""

    def connect(self) -> object: ...

    def services(self) -> snapshot.Services: ...

    def force_down(self, service: snapshot.Service, forced: bool) -> object: ...


def attempt(host: str, domain: str | None, parameters: Mapping[str, str], limit: int = LIMIT) -> str | None:
    """Have Nova take a host's service for down.

    :param host: the cluster's name of it
    :param domain: DNS domain of the hosts, or None
    :param parameters: of the cloud, as ``loader.load`` takes them
    :param limit: whole seconds
    :return: None, or one line that says why it is not known to be done
    """
    try:
        reading, writing = os.pipe()
        child = os.fork()
    except OSError as error:
        return f"no process for it: {error.strerror}"
    if child == 0:
        _child(writing, host, domain, parameters, limit)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    _pid, status = os.waitpid(child, 0)
    if said == _DONE:
        return None
    if os.WIFSIGNALED(status):
        return f"the cloud did not answer within {limit} s"
    return said.decode(errors="replace") or "it was tried, and ended without a word"


def problem(parameters: Mapping[str, str]) -> str | None:
    """Why there is no way to the cloud with these parameters, in one line, or None. Nothing is asked of it."""
    try:
        _cloud(parameters)
    except Exception as error:
        return _told(error)
    return None


def _child(writing: int, host: str, domain: str | None, parameters: Mapping[str, str], limit: int) -> NoReturn:
    """Do it, and write the outcome."""
    # By the kernel, because a look-up of a name cannot be interrupted from within.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.alarm(limit)
    try:
        # Who called waits for the fence agent's own words only.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        _force_down(_cloud(parameters), host, domain)
        os.write(writing, _DONE)
    except Exception as error:
        os.write(writing, _told(error).encode(errors="replace"))
    finally:
        os._exit(0)


def _cloud(parameters: Mapping[str, str]) -> _Nova:
    # Only here: a fence that does not want the cloud must not wait for its clients either.
    from nova_ha.config import loader

    return loader.cloud(loader.load(parameters))


def _force_down(nova: _Nova, host: str, domain: str | None) -> None:
    nova.connect()
    services = nova.services()
    unread = snapshot.unread(services)
    name = hostnames.resolve(host, [*services, *unread], domain)
    if name is None:
        raise NoService(f"Nova has no nova-compute service of {host}")
    if name in unread:
        raise NoService(f"Nova can read nothing of {host}: the database of its cell does not answer")
    if not services[name].forced_down:
        # No more than this: that the host is disabled carries the engine's mark, which is the engine's to write.
        nova.force_down(services[name], True)


def _told(error: Exception) -> str:
    """One line about a failure; only our own errors' texts, and that of a missing library, surely hold no secrets."""
    ours = type(error).__module__.startswith("nova_ha.")
    return str(error) if ours or isinstance(error, ImportError) else f"unexpected {type(error).__name__}"

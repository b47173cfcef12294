# SPDX-License-Identifier: Apache-2.0
"""What readers of the cloud have in common: what they may ask, side by side or not, and what is kept of it how long."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.evacuate_request import Requests
from nova_ha.model.snapshot import Instance, Migration, Services
from nova_ha.recovery.observe.parallel import Answer, Argument

Value = TypeVar("Value")


class Cloud(Protocol):
    """What an observer reads; see ``reader.NovaReader``."""

    def services(self) -> Services: ...
    def aggregates(self) -> Mapping[str, frozenset[str]]: ...
    def instances(self, host: str) -> tuple[Instance, ...]: ...
    def instance(self, id: str) -> Instance | None: ...
    def restoring(self) -> tuple[Instance, ...]: ...
    def in_error(self) -> tuple[Instance, ...]: ...
    def migrations(self, host: str) -> tuple[Migration, ...]: ...
    def evacuation_requests(self, instance: str) -> Requests: ...
    def claims(self, instance: str) -> frozenset[str]: ...
    def live_migrations(self, host: str) -> tuple[Migration, ...]: ...
    def resizes(self, host: str) -> tuple[Migration, ...]: ...
    def hypervisor_type(self, host: str, node: str) -> str | None: ...
    def selection(self, tag: str) -> Selection: ...


class Each(Protocol):
    """As ``map``: calls a function with each of some arguments, side by side if it can (``parallel``)."""

    def __call__(
        self, function: Callable[[Argument], Answer], arguments: Iterable[Argument], /
    ) -> Iterable[Answer]: ...


@dataclasses.dataclass(frozen=True)
class Read(Generic[Value]):
    """What was read, and when (monotonic seconds)."""

    value: Value
    at: float


def kept(known: Read[Value] | None, read: Callable[[], Value], age: float, clock: Callable[[], float]) -> Read[Value]:
    """What is known, read anew when that is old.

    :param age: seconds after which it is
    :param clock: monotonic seconds
    """
    if known is not None and clock() - known.at <= age:
        return known
    return Read(read(), clock())

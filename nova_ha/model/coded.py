# SPDX-License-Identifier: Apache-2.0
"""Codes that stay, each with what it says: what enumerations of them have in common."""

from __future__ import annotations

import enum
from typing import TypeVar

_Self = TypeVar("_Self", bound="Coded")


class Coded(str, enum.Enum):
    """A code; a subclass has a member for each, ``NAME = "code", "what it says"``.

    :ivar meaning: what it says, in one line
    """

    meaning: str

    def __new__(cls: type[_Self], value: str, meaning: str) -> _Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

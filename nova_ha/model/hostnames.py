# SPDX-License-Identifier: Apache-2.0
"""One host, several names: the cluster may know it by its short name and Nova by its full one, or the reverse.

Upper and lower case are one in all of them, as for Pacemaker and for DNS.
"""

from __future__ import annotations

import string
from collections.abc import Iterable

# What is one in names, for who has to compare them elsewhere than here.
UPPER, LOWER = string.ascii_uppercase, string.ascii_lowercase

_FOLDED = str.maketrans(UPPER, LOWER)


class AmbiguousName(ValueError):
    """More than one host could be meant."""


def fold(name: str) -> str:
    """A name with small letters: two names are one if these are. As strcasecmp has it, only the letters of ASCII."""
    return name.translate(_FOLDED)


def label(name: str) -> str:
    """A name's first label, folded."""
    return fold(name.partition(".")[0])


def resolve(name: str, known: Iterable[str], domain: str | None = None) -> str | None:
    """Which of the ``known`` names means the host ``name``, or None if none does.

    An exact match wins, then one that differs in case. Then, with a ``domain``: a short ``name`` with that domain
    appended, and no other. Without one: the known name whose first label is the same, unless both are full names (two
    hosts of different domains may share a first label).

    :raises AmbiguousName: several would do
    """
    known = set(known)
    if name in known:
        return name
    alike = _same(name, known)
    if not alike and domain:
        # Of a full name there is none.
        alike = _same(f"{name}.{domain}", known)
    elif not alike:
        alike = [other for other in known if label(other) == label(name) and not ("." in other and "." in name)]
    if len(alike) > 1:
        way_out = "set the parameter domain" if len(set(map(fold, alike))) > 1 else "remove the one that is no host"
        raise AmbiguousName(f"{name} may mean {' or '.join(sorted(alike))}: {way_out}")
    return alike[0] if alike else None


def are_one(name: str, other: str, domain: str | None = None) -> bool:
    """Whether two names mean the same host."""
    return resolve(name, [other], domain) is not None or resolve(other, [name], domain) is not None


def _same(name: str, known: Iterable[str]) -> list[str]:
    return [other for other in known if fold(other) == fold(name)]

# SPDX-License-Identifier: Apache-2.0
"""What ``nova-ha explain`` shows: what a code means, or what is the matter with a host or an instance just now.

``--json`` prints (see ``schemas/explain.json``):

======= ===========================================================================================================
key     value
======= ===========================================================================================================
subject what was asked for: a code, the cluster's name of a host, an instance's id
facts   what is the matter just now, each with ``host``, ``instance`` (an id, or None), ``code``, ``doing``, ``reason``,
        ``command``, ``needs_operator``, ``since``, as ``nova_ha.reporting.status_report`` has them; of a code: none
codes   the explanations that apply: ``code``, ``kind`` (reason, finding, state), ``meaning``, ``operator``, ``about``,
        ``look``, ``do``, ``never`` (each None where there is nothing to say), ``page`` of the documentation
======= ===========================================================================================================
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypedDict

from nova_ha.cli.colour import BOLD, RED, Paint
from nova_ha.cli.status import HostStatus, Status
from nova_ha.cli.table import ago, clean, explained, way_out, wrapped
from nova_ha.explanations import catalogue
from nova_ha.explanations.catalogue import Entry
from nova_ha.model.wording import counted

# Characters of an instance's id that are enough to ask for it.
PREFIX = 8

# Instances of a host that are told of for each code.
_TOLD = 5

_LABELS = (("means", "about"), ("look", "look"), ("do", "do"), ("never", "never"))
_INDENT = "    "
_STATE = ("doing", "code", "reason", "command", "needs_operator", "since")


class Fact(TypedDict):
    """Something that is the matter just now, see above."""

    host: str
    instance: str | None
    doing: str | None
    code: str | None
    reason: str | None
    command: str | None
    needs_operator: bool | None
    since: float | None


class _Text(TypedDict):
    code: str
    kind: str
    meaning: str
    operator: str | None
    about: str | None
    look: str | None
    do: str
    never: str | None
    page: str


class Explained(TypedDict):
    """All of it, see above."""

    subject: str
    facts: list[Fact]
    codes: list[_Text]


class AmbiguousInstance(ValueError):
    """More than one instance could be meant; the text says which."""


def of_code(code: str) -> Explained | None:
    """What a code means, None if there is none of that name."""
    entry = catalogue.entries().get(code)
    return None if entry is None else {"subject": code, "facts": [], "codes": [_text(entry)]}


def alike(word: str) -> list[str]:
    """Codes that may have been meant by a word that is none."""
    return difflib.get_close_matches(word, catalogue.entries(), 3)


def of_host(host: str, found: Status) -> Explained:
    """What is the matter with a host and with its instances.

    :param host: the cluster's name of it, one of ``found``
    """
    about = found["hosts"][host]
    facts = [_fact(host, None, about)]
    facts += [_fact(host, id, each) for id, each in (about["instances"] or {}).items()]
    return _explained(host, facts, found)


def of_unflagged(host: str, found: Status) -> Explained:
    """That nothing is the matter with a host; but there may be with the engine.

    :param host: the cluster's name of it
    """
    known = catalogue.entries()
    return {"subject": host, "facts": [], "codes": [_text(known[code]) for code in _of_engine(found)]}


def of_instance(word: str, found: Status) -> Explained | None:
    """What is the matter with an instance, None if none is known by that word.

    :param word: its id, 8 characters of its beginning at least, or its name
    :raises AmbiguousInstance: several could be meant
    """
    known = {
        id: (host, about["name"])
        for host, status in found["hosts"].items()
        for id, about in (status["instances"] or {}).items()
    }
    meant = [id for id, (_host, name) in known.items() if name == word or (len(word) >= PREFIX and id.startswith(word))]
    if len(meant) > 1:
        raise AmbiguousInstance(f"{word} may mean instance {' or '.join(sorted(meant)[:_TOLD])}: give the whole id")
    if not meant:
        return None
    host = known[meant[0]][0]
    status = found["hosts"][host]
    facts = [_fact(host, meant[0], (status["instances"] or {})[meant[0]]), _fact(host, None, status)]
    return _explained(meant[0], facts, found)


def lines(found: Explained, now: float, width: int, paint: Paint) -> list[str]:
    """The explanation for people.

    :param now: seconds since the epoch
    """
    said: list[str] = []
    if not found["facts"] and found["subject"] != found["codes"][0]["code"]:
        said += [clean(f"{found['subject']} is not flagged: it is not in recovery."), ""]
    for fact in found["facts"][:1]:
        said += [*_fact_lines(fact, now, width), ""]
    for text in found["codes"]:
        said += [*_text_lines(text, width, paint), *_others(text["code"], found["facts"][1:], width), ""]
    return said[:-1]


def _explained(subject: str, facts: list[Fact], found: Status) -> Explained:
    """The facts, with the text of each code in them, those that need an operator first, and of the engine's state."""
    worst = sorted(facts[1:], key=lambda fact: not fact["needs_operator"])
    codes = [fact["code"] for fact in (facts[0], *worst)]
    known = catalogue.entries()
    wanted = [*(code for code in codes if code is not None), *_of_engine(found)]
    texts = [_text(known[code]) for code in dict.fromkeys(wanted) if code in known]
    return {"subject": subject, "facts": [facts[0], *worst], "codes": texts}


def _of_engine(found: Status) -> list[str]:
    """The codes of what the engine complains of, and of its state."""
    complaint = (found["engine"]["complaint"] or "").partition(":")[0]
    return [*([complaint] if complaint in catalogue.entries() else []), found["engine"]["state"]]


def _fact(host: str, instance: str | None, about: HostStatus | Mapping[str, object]) -> Fact:
    state = {key: about.get(key) for key in _STATE}
    return {"host": host, "instance": instance, **state}  # type: ignore[typeddict-item]


def _text(entry: Entry) -> _Text:
    return {
        "code": entry.code,
        "kind": entry.kind,
        "meaning": entry.meaning,
        "operator": entry.text.operator,
        "about": entry.text.about,
        "look": entry.text.look,
        "do": entry.text.do,
        "never": entry.text.never,
        "page": entry.anchor,
    }


def _fact_lines(fact: Fact, now: float, width: int) -> list[str]:
    """What is the matter with what was asked for."""
    what = fact["host"] if fact["instance"] is None else f"{fact['instance']}, of {fact['host']}"
    since = f", for {ago(now - fact['since'])}" if fact["since"] else ""
    doing = fact["doing"] or "what is done with it is known where the engine runs"
    said = [clean(f"{what}: {doing}{since}")]
    if fact["reason"]:
        said += wrapped(explained(fact), width, _INDENT)
    command = way_out(fact)
    return said + (wrapped(command, width, _INDENT) if command is not None else [])


def _text_lines(text: _Text, width: int, paint: Paint) -> list[str]:
    said = [*wrapped(f"{text['code']}: {text['meaning']}", width)]
    said[0] = paint(said[0], BOLD)
    if text["operator"]:
        said += [paint(line, RED) for line in wrapped(catalogue.plain(text["operator"]), width, _INDENT)]
    for label, key in _LABELS:
        for paragraph in (text.get(key) or "").split("\n\n"):  # type: ignore[attr-defined]
            if paragraph:
                parts = wrapped(catalogue.plain(paragraph), width - len(_INDENT) - 8, "")
                said += [f"{_INDENT}{label if part is parts[0] else '':8}{part}" for part in parts]
    return [*said, f"{_INDENT}{'page':8}docs/{text['page']}"]


def _others(code: str, facts: Iterable[Fact], width: int) -> list[str]:
    """Of which others a code is told, too."""
    same = [fact["instance"] or fact["host"] for fact in facts if fact["code"] == code]
    if not same:
        return []
    more = f" and {len(same) - _TOLD} more" if len(same) > _TOLD else ""
    return wrapped(f"{counted(len(same), 'other')} with it: {', '.join(same[:_TOLD])}{more}", width, _INDENT)

# SPDX-License-Identifier: Apache-2.0
"""Keeps passwords out of what is given away: pure.

In two ways, each of which would do alone where it applies. By name: what follows a name that is one of a secret, in
XML, in configuration files, in logs. By value: what such names were found to hold is masked wherever it stands, in each
way that a text may write it. Too much is masked rather than too little.
"""

from __future__ import annotations

import html
import json
import re
import shlex
import urllib.parse
from collections.abc import Iterable

MASK = "***"

# Of names of parameters and options: fence agents', keystoneauth's, oslo's, Pacemaker's.
_SECRET = (
    r"[A-Za-z0-9_.-]*(?:pass(?!ed\b|es\b|ive)[A-Za-z]*|passwd|passphrase|secret|token|webhook|community|private|credential|apikey)"
    r"[A-Za-z0-9_.-]*|(?:[A-Za-z0-9_-]*[_-])?(?:key|kg|psk|pin)"
)
_NAME = re.compile(_SECRET, re.IGNORECASE)

# Of values shorter than this, what stands elsewhere is not theirs: it would be found in every word.
_SHORT = 4

_NVPAIR = re.compile(r"<(?:nvpair|param)\b[^>]*>")
_ATTRIBUTE = re.compile(r"\b(name|value)=(\"[^\"]*\"|'[^']*')")
_OPTION = re.compile(rf"^(\s*(?:-\s*)?[\"']?)({_SECRET})([\"']?\s*[=:][ \t]*)(.*)$", re.IGNORECASE)
# As logs and command lines have it: password=x, "password": "x", --password x.
_SAID = re.compile(
    rf"(?<![A-Za-z0-9_.-])((?:{_SECRET})[\"']?\s*[=:]\s*|--(?:{_SECRET})\s+)"
    r"(\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s,;\"'<>&})\]]+)",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^/\s:@\"'<>]*:)([^@/\s\"'<>]+)(@)", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a parameter or an option of that name holds what nobody else is to know."""
    return _NAME.fullmatch(name) is not None


def in_xml(text: str) -> set[str]:
    """The secrets in a configuration of Pacemaker's."""
    found = set()
    for tag in _NVPAIR.findall(text):
        pair = {name: html.unescape(value[1:-1]) for name, value in _ATTRIBUTE.findall(tag)}
        if is_secret(pair.get("name", "")) and pair.get("value"):
            found.add(pair["value"])
    return found


def in_options(text: str) -> set[str]:
    """The secrets in a configuration file of ``name = value`` or ``name: value``, their continuations included."""
    found = set()
    for value, _line in _options(text):
        if value is not None:
            # The address of a webhook is one by itself, wherever it stands.
            found |= {value, value.strip("\"'"), *re.findall(r"https?://[^\s\"']+", value)}
    return found - {""}


def masked(text: str, secrets: Iterable[str]) -> tuple[str, int]:
    """A text without secrets, and how many were in it.

    :param secrets: those that are known by their values
    """
    number = 0

    def instead(match: re.Match[str]) -> str:
        nonlocal number
        value = match[2]
        if MASK in value:
            return match[0]
        number += 1
        quote = value[0] if value[0] in "\"'" else ""
        return f"{match[1]}{quote}{MASK}{quote}{match[3] if match.re is _IN_URL else ''}"

    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    for form in forms:
        number += text.count(form)
        text = text.replace(form, MASK)
    for tag in set(_NVPAIR.findall(text)):
        pair = dict(_ATTRIBUTE.findall(tag))
        if is_secret(pair.get("name", "")[1:-1]) and pair.get("value", '""')[1:-1] not in ("", MASK):
            number += text.count(tag)
            text = text.replace(tag, _ATTRIBUTE.sub(_without_value, tag))
    lines = []
    for value, line in _options(text):
        number += bool(value) and MASK not in (value or "")
        lines.append(line)
    text = _IN_URL.sub(instead, "\n".join(lines))
    return _SAID.sub(instead, text), number


def _without_value(match: re.Match[str]) -> str:
    return match[0] if match[1] == "name" else f'value="{MASK}"'


def _options(text: str) -> Iterable[tuple[str | None, str]]:
    """Each line of a text: the secret that it holds, None if none; and the line without it."""
    depth = None  # of the secret option that the line before belongs to
    for line in text.split("\n"):
        option = _OPTION.fullmatch(line)
        indented = len(line) - len(line.lstrip())
        if option:
            depth = indented
            value = option[4].strip()
            yield value or None, f"{option[1]}{option[2]}{option[3]}{MASK if value else ''}"
        elif depth is not None and indented > depth and line.strip():
            yield line.strip(), f"{line[:indented]}{MASK}"
        else:
            depth = None
            yield None, line


def _forms(secret: str) -> set[str]:
    """How a text may write a secret; none if it is too short to be told from a word."""
    if len(secret) < _SHORT:
        return set()
    found = {secret, html.escape(secret), html.escape(secret, quote=False), shlex.quote(secret)}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    found |= {urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)}
    found |= {secret.replace("%", "%%"), secret.replace("$", "$$"), html.escape(secret).replace("&#x27;", "&apos;")}
    return {form for form in found if len(form) >= _SHORT}

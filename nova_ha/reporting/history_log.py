# SPDX-License-Identifier: Apache-2.0
"""The history on this node's disk: what this node has told of, and what was fetched from other control nodes.

It is made of logs. A log has one writer's events, from one boot of its node, numbered from 1 without a gap; its name is
``WRITER@NODE.ID``. The writer is an engine's resource, or ORDERS for what operators ordered. A boot begins a new log: a
node whose power was cut may have lost the end of one that other nodes know, and a number never stands for two events.

A log lies in segments, files named by it and by the number of their first line. Each line is an event as
``status_report`` has it, in JSON; one that cannot be read counts, and is left out. A segment without lines only tells
how far its log was: what was in it was too old to be kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

ROOT = "/var/lib/nova-ha/history"

# The writer of what operators ordered.
ORDERS = "orders"

# Bytes after which a segment is followed by another: as much as is read again for each append.
SEGMENT = 1_000_000
# Bytes that are kept at most: 400,000 events (measured); the recovery of a host with 60 instances has some 250.
LARGEST = 100_000_000
# Seconds for which events are kept, where there is room: a year, and the time in which its report is written.
OLDEST = 400 * 86400
# Characters of a text that are kept: a line must find room in what nodes tell each other (``exchange``).
_LONGEST_TEXT = 2000
# Seconds that another writer on this node may take.
_PATIENCE = 5.0

_LOG = re.compile(r"(?P<writer>[A-Za-z0-9_.:-]{1,64})@(?P<node>[A-Za-z0-9_.-]{1,128})\.[0-9a-f]{8}")
_SEGMENT = re.compile(rf"({_LOG.pattern})\.([0-9]{{10}})\.jsonl")
_BOOT = "/proc/sys/kernel/random/boot_id"

Line = Optional[Mapping[str, Any]]


def is_log(name: str) -> bool:
    """Whether it can be the name of a log, and so of files."""
    return _LOG.fullmatch(name) is not None


class _Segment(NamedTuple):
    log: str
    first: int
    path: str


class HistoryLog:
    """The logs in a directory. Several processes may use it at once.

    :param clock: seconds since the epoch
    """

    def __init__(self, directory: str | None = None, clock: Callable[[], float] = time.time) -> None:
        self.directory = directory or ROOT
        self._clock = clock
        self._counted: dict[str, tuple[int, int]] = {}  # of a path: its size when its lines were counted, and these

    def append(self, writer: str, node: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Write down events of this node; when this returns they are on the disk.

        :param node: the cluster's name of it
        :raises OSError: they are not, none of them
        """
        with self._locked():
            log = f"{writer}@{node}.{self._life()}"
            if not is_log(log):
                raise OSError(f"{log!r} cannot name a file of the history")
            self._write(log, 1, [_shortened(event) for event in events])

    def extend(self, log: str, first: int, lines: Sequence[Line]) -> None:
        """Write down what another node has of a log, as far as it is not known here.

        :param first: number of the first line
        :raises OSError: it is not written down
        """
        with self._locked():
            known = self.have().get(log, 0)
            self._write(log, max(first, known + 1), lines[max(0, known + 1 - first) :])

    def have(self) -> dict[str, int]:
        """How many lines of each log there were so far, as ``{log: number of the last}``."""
        return {log: segments[-1].first - 1 + self._count(segments[-1]) for log, segments in self._logs().items()}

    def first(self, log: str) -> int:
        """Number of the first line that is still there."""
        return self._logs()[log][0].first

    def lines(self, log: str, first: int, most: int) -> list[Line]:
        """So many lines of a log at most, from that number on; None for what cannot be read."""
        found: list[Line] = []
        segments = self._logs().get(log, [])
        for segment, after in zip(segments, [*segments[1:], None]):  # noqa: B905
            if (after is None or after.first > first) and len(found) < most:
                found += _parsed(segment.path)[max(0, first - segment.first) :]
        return found[:most]

    def events(self, since: float | None = None) -> list[dict[str, Any]]:
        """All events, oldest first, each with the ``node`` that told of it and its ``writer``; the same on all nodes.

        :param since: seconds since the epoch; what happened before is left out
        """
        found = []
        for log, segments in self._logs().items():
            name = _LOG.fullmatch(log)
            about = {"node": name["node"], "writer": name["writer"]} if name else {}
            for segment in segments:
                if since is None or _changed(segment.path) >= since:
                    lines = enumerate(_parsed(segment.path), segment.first)
                    found += [(line["time"], log, number, {**line, **about}) for number, line in lines if line]
        return [event for at, _log, _number, event in sorted(found, key=_order) if since is None or at >= since]

    def prune(self) -> None:
        """Delete what is too old, or too much: the oldest first.

        :raises OSError: it cannot be deleted
        """
        with self._locked():
            self._prune()

    def _prune(self) -> None:
        last = {segments[-1].path: segments[-1] for segments in self._logs().values()}
        known = sorted((os.stat(path).st_mtime, path) for path in self._paths())
        size = sum(os.path.getsize(path) for _at, path in known)
        for at, path in known:
            of_segment = os.path.getsize(path)
            if at >= self._clock() - OLDEST and (size <= LARGEST or not of_segment):
                continue
            size -= of_segment
            if path in last and of_segment:
                # How far the log was stays known: else another node would give it to us again.
                segment = last[path]
                marker = f"{self.directory}/{segment.log}.{segment.first + self._count(segment):010d}.jsonl"
                os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            os.unlink(path)

    def _write(self, log: str, first: int, lines: Sequence[Line]) -> None:
        """Append lines to a log, all or none.

        :param first: number of the first of them, if the log is new
        """
        if not lines:
            return
        segments = self._logs().get(log)
        segment = segments[-1] if segments else self._named(log, first)
        if segments:
            behind = segment.first + self._count(segment)
            # What another node has not any more either is passed over.
            if first > behind or os.path.getsize(segment.path) >= SEGMENT:
                segment = self._named(log, max(first, behind))
                self._prune()
        text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
        _append(segment.path, text.encode(errors="replace"))

    def _named(self, log: str, first: int) -> _Segment:
        return _Segment(log, first, f"{self.directory}/{log}.{first:010d}.jsonl")

    def _life(self) -> str:
        """What tells this boot of this node from all others."""
        with open(_BOOT, encoding="ascii") as file:
            boot = file.read().strip()
        path = f"{self.directory}/life"
        with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
            ident, of_boot = file.read().split()
            if of_boot == boot and re.fullmatch("[0-9a-f]{8}", ident):
                return ident
        ident = secrets.token_hex(4)
        _replace(path, f"{ident} {boot}\n".encode())
        return ident

    def _logs(self) -> dict[str, list[_Segment]]:
        """The segments of each log, in their order."""
        found: dict[str, list[_Segment]] = {}
        for path in sorted(self._paths()):
            name = _SEGMENT.fullmatch(os.path.basename(path))
            if name:
                found.setdefault(name[1], []).append(_Segment(name[1], int(name[4]), path))
        return found

    def _paths(self) -> list[str]:
        try:
            names = os.listdir(self.directory)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [f"{self.directory}/{name}" for name in names if _SEGMENT.fullmatch(name)]

    def _count(self, segment: _Segment) -> int:
        """How many whole lines a segment has."""
        size = os.path.getsize(segment.path)
        known = self._counted.get(segment.path)
        if known is None or known[0] != size:
            known = self._counted[segment.path] = size, _content(segment.path).count(b"\n")
        return known[1]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """While no other process writes.

        :raises OSError: the directory cannot be used, or another process does not come to its end
        """
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        lock = os.open(f"{self.directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take(lock)
            yield
        finally:
            os.close(lock)


def _take(lock: int) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
        time.sleep(0.02)


def _append(path: str, data: bytes) -> None:
    """Append to a file, and see that it is on the disk; else leave it as it was.

    :raises OSError: it is not
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # What a machine that went down has half written is no line.
        whole = _content(path).rfind(b"\n") + 1
        os.ftruncate(file, whole)
        try:
            written = os.pwrite(file, data, whole)
            while written < len(data):
                written += os.pwrite(file, data[written:], whole + written)
            os.fsync(file)
        except OSError:
            os.ftruncate(file, whole)
            raise
    finally:
        os.close(file)


def _replace(path: str, data: bytes) -> None:
    draft = f"{path}.new"
    if os.path.exists(draft):
        os.unlink(draft)
    _append(draft, data)
    os.replace(draft, path)


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def _parsed(path: str) -> list[Line]:
    """The lines of a segment; none if it has just been deleted."""
    try:
        content = _content(path)
    except FileNotFoundError:
        return []
    return [_line(line) for line in content.split(b"\n")[:-1]]


def _line(data: bytes) -> Line:
    try:
        line = json.loads(data)
    except ValueError:
        return None
    return line if is_event(line) else None


def is_event(line: object) -> bool:
    """Whether something read from a disk, or told by another node, is an event."""
    if not isinstance(line, dict):
        return False
    at = line.get("time")
    is_time = isinstance(at, (int, float)) and 0 <= at < _END_OF_TIME
    named = all(isinstance(line.get(key), str) for key in _NAMED)
    return is_time and named and all(key in line and isinstance(line[key], (str, type(None))) for key in _TOLD)


_NAMED = ("level", "event", "host")
_TOLD = ("instance", "request", "code", "reason", "command")
_END_OF_TIME = 253_402_300_800  # the year 10000, which no date is written of


def _shortened(event: Mapping[str, Any]) -> Mapping[str, Any]:
    texts = {key: value[:_LONGEST_TEXT] for key, value in event.items() if isinstance(value, str)}
    return {**event, **texts}


def _order(found: tuple[float, str, int, dict[str, Any]]) -> tuple[float, str, int]:
    return found[:3]

# SPDX-License-Identifier: Apache-2.0
"""Where secrets can be read: on command lines and in environments of processes while something happens, and in files.

The machine sees the processes of all its containers, so one look at /proc is a look at every node.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import errno
import json
import os
import pathlib
import re
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.lab import nodes

# Seconds between two looks at all processes. Short-lived ones that end in between are met the next time they run.
INTERVAL = 0.01
# A process is looked at this often when it is new, for it may yet become another program; then each so many looks.
YOUNG, OLD_EVERY = 20, 100

PACEMAKERS_LOG = "/var/log/pacemaker/pacemaker.log"
# What Pacemaker says of the configuration: the daemon that keeps it, which runs no agent, and others where they cite
# it; of a change in the middle of a transition in the journal, too.
CHANGE = re.compile(r"\bpacemaker-based +\[\d+\] |<nvpair |Transition \d+ aborted by \S+ doing (create|modify) ")


class InProcess(NamedTuple):
    """A secret in a process.

    :param place: ``cmdline`` or ``environ``
    :param program: the command line, without secrets
    """

    node: str
    secret: str
    place: str
    program: str


class InFile(NamedTuple):
    """A secret in a file.

    :param is_open: whether anybody may read it
    """

    path: str
    secret: str
    is_open: bool


@contextlib.contextmanager
def watching(secrets):
    """Look at all nodes' processes for as long as the block lasts; gives the set of ``InProcess``, which fills.

    :param secrets: ``{name: value}``
    """
    found = set()
    over = threading.Event()
    layers = {str(nodes.layer(node)): node for node in nodes.existing()}

    def keep_looking():
        looks = collections.Counter()
        while not over.wait(INTERVAL):
            found.update(_look(looks, secrets, layers))

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        watch = thread.submit(keep_looking)
        try:
            yield found
        finally:
            over.set()
            watch.result()


def in_files(node, secrets):
    """All files of a node that hold a secret, compressed ones too; what packages bring is passed over.

    :return: a set of ``InFile``
    :raises LabError: the node does not run
    """
    command = ("/usr/bin/python3", "-I", "-c", SEARCH, "/")
    text = nodes.execute(node, *command, stdin=json.dumps(secrets), timeout=120).stdout
    return {InFile(*json.loads(line)) for line in text.splitlines()}


class Logs:
    """What the nodes' logs get from now on, but for what Pacemaker says of its configuration.

    That has what the configuration has, passwords too: only root and Pacemaker's user can read it.

    :param names: of the nodes
    """

    def __init__(self, names):
        self._nodes = names
        self._begin = {node: self._size(node) for node in names}
        # The containers have the machine's clock.
        self._since = int(time.time())

    def added(self):
        """Yield each line as ``(node, line)``; those of nodes that run."""
        for node in self._nodes:
            yield from journal(node, f"--since=@{self._since}")
            yield from _lines(node, "tail", "-c", f"+{self._begin[node] + 1}", PACEMAKERS_LOG)

    def _size(self, node):
        return int(nodes.execute(node, "stat", "--format=%s", PACEMAKERS_LOG, check=False).stdout or 0)


def journal(node, *options):
    """Yield each line of a node's journal as ``(node, line)``, all that is known of each entry; see ``Logs``."""
    return _lines(node, "journalctl", "--output=export", "--all", *options)


def _lines(node, *command):
    text = nodes.execute(node, *command, check=False).stdout
    return ((node, line) for line in text.splitlines() if not CHANGE.search(line))


def _look(looks, secrets, layers):
    """One look at all processes.

    :param looks: how often each process has been looked at
    :param layers: ``{writable layer of its container: node}``
    """
    alive = {entry for entry in os.listdir("/proc") if entry.isdigit()}
    for gone in looks.keys() - alive:
        del looks[gone]
    for pid in alive:
        looks[pid] += 1
        if looks[pid] <= YOUNG or looks[pid] % OLD_EVERY == 0:
            # It may end while it is looked at; some of the machine's own are closed even to root, nodes' never are.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                yield from in_process(pathlib.Path("/proc", pid), secrets, layers)


def in_process(process: pathlib.Path, secrets: dict[str, str], layers: dict[str, str]) -> Iterator[InProcess]:
    """Yield what a process shows of secrets, if it is one of a node's.

    :param process: its directory in /proc
    :param secrets: ``{name: value}``
    :param layers: ``{writable layer of its container: node}``
    """
    for place in ("cmdline", "environ"):
        content = (process / place).read_bytes()
        for name, value in secrets.items():
            # What runs on the machine itself, or in another lab, has no node's root.
            if value.encode() not in content or not (node := layers.get(root_layer(process))):
                continue
            # Without one it is about to end, and which program it was cannot be told any more.
            if program := _program(process, secrets):
                yield InProcess(node, name, place, program)


def root_layer(process: pathlib.Path) -> str:
    """The writable layer of the overlay that a process has its root on; empty if it is on none.

    So are containers told apart: two labs have nodes of the same host name.

    :param process: its directory in /proc
    """
    try:
        mounts = (process / "mountinfo").read_text().splitlines()
    except OSError as error:
        # One that is about to end has no mounts any more.
        if error.errno != errno.EINVAL:
            raise
        return ""
    options = next((line.rpartition(" ")[2].split(",") for line in mounts if line.split()[4] == "/"), [])
    return next((word.removeprefix("upperdir=") for word in options if word.startswith("upperdir=")), "")


def _program(process, secrets):
    text = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    for value in secrets.values():
        text = text.replace(value, "***")
    return text


# Runs on a node, and prints a line of JSON for each file below a directory and each secret in it. The secrets come by
# standard input. A whole file is read at once: none is large.
SEARCH = """
import bz2, json, lzma, os, stat, sys, zlib

SKIPPED = ("/proc", "/sys", "/usr", "/opt", "/boot")
secrets = {name: value.encode() for name, value in json.load(sys.stdin).items()}

def content(path):
    with open(path, "rb") as file:
        data = file.read()
    try:
        if path.endswith(".bz2"):
            data = bz2.decompress(data)
        elif path.endswith(".gz"):
            data = zlib.decompress(data, 47)
        elif path.endswith(".xz"):
            data = lzma.decompress(data)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        pass
    return data

def walk(directory, is_open):
    for entry in os.scandir(directory):
        try:
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode) and entry.path not in SKIPPED:
                yield from walk(entry.path, is_open and info.st_mode & stat.S_IXOTH)
            elif stat.S_ISREG(info.st_mode):
                yield entry.path, bool(is_open and info.st_mode & stat.S_IROTH), content(entry.path)
        except OSError:
            pass  # It is gone.

for path, is_open, data in walk(sys.argv[1], True):
    for name, value in secrets.items():
        if value in data:
            print(json.dumps([path, name, is_open]))
"""

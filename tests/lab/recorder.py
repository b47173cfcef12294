# SPDX-License-Identifier: Apache-2.0
"""Records what the cluster itself knows while a scenario runs: the flags, and how it fences.

Both are read from the files of the control nodes, through the writable layers of their containers: it costs the nodes
nothing, and goes on whatever happens to them, for the files outlive a power cut. A flag has the time of its file.
"""

import contextlib
import json
import re
import threading
import time
from xml.etree import ElementTree

from nova_ha.model.flag import ATTRIBUTE
from tests.lab import nodes
from tests.lab.history import FENCING_LOG, FLAG_LOG

CIB = "var/lib/pacemaker/cib/cib.xml"
LOG = "var/log/pacemaker/pacemaker.log"
# Seconds between two looks; a look at an unchanged file is one system call.
INTERVAL = 0.05

_FENCING = re.compile(
    r"Requesting fencing \(\w+\) (?:of|targeting) node (?P<wanted>\S+)"
    r"|Operation '(?:off|reboot)' \[\d+\] targeting (?P<fenced>\S+) using (?P<device>\S+) returned 0\b"
)


@contextlib.contextmanager
def recording(settings):
    """Record in a thread of its own for as long as the block lasts.

    :raises LabError: the control nodes' containers do not exist
    """
    roots = [nodes.layer(node) for node in settings.control_nodes]
    flags = FlagWatch([root / CIB for root in roots], FLAG_LOG)
    fencing = [FencingWatch(root / LOG, FENCING_LOG) for root in roots]
    over = threading.Event()

    def look():
        for watch in [flags, *fencing]:
            watch.look()

    def keep_looking():
        while not over.wait(INTERVAL):
            look()

    look()
    thread = threading.Thread(target=keep_looking, name="recorder", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()


class FlagWatch:
    """Writes down each change of any host's flag, from the copies of the configuration on all control nodes.

    :param files: the copies; any may be missing, or lag behind
    :param log: file to append to
    """

    def __init__(self, files, log):
        self._changed = dict.fromkeys(files)
        self._log = log
        self._version = ()
        self._flags = {}

    def look(self):
        """See whether a copy changed."""
        for file, before in self._changed.items():
            with contextlib.suppress(FileNotFoundError):
                changed = file.stat().st_mtime_ns
                if changed != before:
                    self._changed[file] = changed
                    self._take(ElementTree.fromstring(file.read_bytes()), changed / 1e9)

    def _take(self, cib, changed):
        version = tuple(int(cib.get(part, 0)) for part in ("admin_epoch", "epoch", "num_updates"))
        if version <= self._version:
            # A copy that lags behind: the change has been seen elsewhere.
            return
        self._version = version
        flags = {
            node.get("uname"): pair.get("value")
            for node in cib.iterfind("configuration/nodes/node")
            for pair in node.iter("nvpair")
            if pair.get("name") == ATTRIBUTE
        }
        for host in sorted(flags.keys() | self._flags.keys()):
            if flags.get(host) != self._flags.get(host):
                _append(self._log, {"time": changed, "host": host, "value": flags.get(host)})
        self._flags = flags


class FencingWatch:
    """Writes down when Pacemaker wants a host fenced, and which device did its part, from one control node's log.

    :param file: Pacemaker's log; what it has when the watch begins is passed over
    :param log: file to append to
    """

    def __init__(self, file, log):
        self._file = file
        self._log = log
        self._offset = file.stat().st_size if file.exists() else 0

    def look(self):
        """Read what has been added; a line that is not finished is left for the next time."""
        with contextlib.suppress(FileNotFoundError):
            size = self._file.stat().st_size
            if size == self._offset:
                return
            with self._file.open("rb") as stream:
                # A log that shrank was rotated.
                begin = stream.seek(self._offset if size > self._offset else 0)
                whole, newline, _rest = stream.read().rpartition(b"\n")
            self._offset = begin + len(whole + newline)
            self._take(whole.decode(errors="replace"))

    def _take(self, text):
        for found in _FENCING.finditer(text):
            host = found["wanted"] or found["fenced"]
            _append(self._log, {"time": time.time(), "host": host, "device": found["device"]})


def _append(log, line):
    with log.open("a") as stream:
        stream.write(json.dumps(line) + "\n")

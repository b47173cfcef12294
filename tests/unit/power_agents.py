# SPDX-License-Identifier: Apache-2.0
"""Small stand-ins for fence agents, which misbehave as real ones do."""

import json

from nova_ha.fencing.power_agent import PowerAgent

# Reads its options as a fence agent does, notes what it was given, and then does as it is told.
AGENT = """#!/usr/bin/python3
import json, os, sys, time
options = dict(line.rstrip("\\n").split("=", 1) for line in sys.stdin)
with open({notes!r}, "a") as notes:
    note = {{"options": options, "arguments": sys.argv[1:], "environment": dict(os.environ), "pid": os.getpid()}}
    print(json.dumps(note), file=notes)
action = options["action"]
def status(word, code):
    print("Status: " + word)
    sys.exit(code)
{life}
"""
OFF = """
if action == "status":
    status("OFF", 2)
"""
ON = OFF.replace('"OFF", 2', '"ON", 0')
# Off for as many looks as its name says, then on again.
OFF_FOR = """
import pathlib
looks = pathlib.Path(__file__ + ".looks")
if action == "status":
    seen = int(looks.read_text()) if looks.exists() else 0
    looks.write_text(str(seen + 1))
    status(*(("OFF", 2) if seen < {looks} else ("ON", 0)))
"""


class Stand:
    """A stand-in agent."""

    def __init__(self, directory):
        self.path = directory / "fence_stand"
        self._notes = directory / "notes"

    def lives(self, life):
        self.path.write_text(AGENT.format(notes=str(self._notes), life=life))
        self.path.chmod(0o755)
        return self

    def power(self, limit=10, recheck=0, **options):
        return PowerAgent(str(self.path), {"ip": "192.0.2.1", **options}, limit, recheck)

    @property
    def notes(self):
        return [json.loads(line) for line in self._notes.read_text().splitlines()]

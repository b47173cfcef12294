# SPDX-License-Identifier: Apache-2.0
"""The guests of a compute host: what outlives a power cut, what the journal says, whose disk it is."""

import json
import pathlib
import shutil
import tempfile
import unittest

from tests.lab.cloud import guests

UUID = "11111111-2222-3333-4444-555555555555"


class GuestsTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.host = self.host_named("compute-1")

    def host_named(self, name):
        """nova-compute starts on a host."""
        return guests.Guests(
            name,
            definitions=self.root / name / "guests",
            states=self.root / name / "run",
            local_disks=self.root / name / "disks",
            shared_disks=self.root / "shared",
            journal=self.root / f"{name}.jsonl",
            switches=self.root / "switches.json",
        )

    def spawn(self, host):
        host.define(UUID, "instance-1")
        host.start(UUID, "spawn")

    def journal(self):
        lines = map(json.loads, (self.root / "compute-1.jsonl").read_text().splitlines())
        return [(line["event"], line["instance"], line["host"], line["why"]) for line in lines]

    def test_survives_a_restart_of_nova_compute(self):
        self.spawn(self.host)
        again = self.host_named("compute-1")
        self.assertEqual(again.state(UUID), guests.RUNNING)
        again.start(UUID, "power_on")
        self.assertEqual(self.journal(), [("start", UUID, "compute-1", "spawn")])

    def test_a_power_cut_leaves_definition_and_disk(self):
        self.spawn(self.host)
        shutil.rmtree(self.root / "compute-1" / "run")
        again = self.host_named("compute-1")
        self.assertEqual((again.defined(), again.state(UUID)), ({UUID: "instance-1"}, None))
        self.assertTrue(again.disk(UUID).exists())

    def test_stop_is_recorded_once(self):
        self.spawn(self.host)
        self.host.stop(UUID, "power_off")
        self.host.stop(UUID, "destroy")
        self.assertEqual([line[0::3] for line in self.journal()], [("start", "spawn"), ("stop", "power_off")])

    def test_disks_are_seen_by_other_hosts_only_when_shared(self):
        other = self.host_named("compute-2")
        for shared in (False, True):
            with self.subTest(shared=shared):
                (self.root / "switches.json").write_text(json.dumps({"shared_storage": shared}))
                self.spawn(self.host)
                self.assertEqual(other.disk(UUID).exists(), shared)
                self.host.undefine(UUID, with_disk=True)
                self.assertFalse(self.host.disk(UUID).exists())

    def test_undefine_can_leave_the_disk(self):
        self.host.define(UUID, "instance-1")
        self.host.undefine(UUID, with_disk=False)
        self.assertFalse(self.host.is_defined(UUID))
        self.assertTrue(self.host.disk(UUID).exists())


if __name__ == "__main__":
    unittest.main()

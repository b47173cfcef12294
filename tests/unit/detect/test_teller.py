# SPDX-License-Identifier: Apache-2.0
"""How the cluster is told."""

from nova_ha.cluster.private_attributes import PrivateAttributes
from nova_ha.detect.teller import AGAIN, RETRY, Teller
from nova_ha.model.instance_failures import ATTRIBUTE, InstanceFailure, Kind

FAILURE = InstanceFailure("00000000-0000-0000-0000-000000000001", Kind.CRASHED, 1764480000, "0badcafe")


class Scene:
    """A cluster, and the time."""

    def __init__(self):
        self.now, self.code, self.commands = 0.0, 0, []
        self.teller = Teller(PrivateAttributes(ATTRIBUTE, runner=self._run), lambda: self.now)

    def _run(self, command, _timeout):
        self.commands.append(command[3:])
        return self.code, "", "Connection refused"

    def tell(self, *failures, after=0.0):
        """What the cluster is told when these are the failures, so many seconds later."""
        self.now += after
        self.commands.clear()
        self.teller.tell(failures)
        return [command[-1] for command in self.commands]


def test_each_change_is_told_at_once_and_all_of_it_every_ten_seconds():
    scene = Scene()
    assert scene.tell() == ["1"]
    assert scene.commands == [["--private", "--update", "1"]]
    assert scene.tell(after=AGAIN - 1) == []
    (text,) = scene.tell(FAILURE)
    assert text.startswith(f"1;{FAILURE.instance},crashed,")
    assert scene.teller.rest() == AGAIN
    assert scene.tell(FAILURE, after=AGAIN) == [text]
    assert scene.tell() == ["1"]


def test_what_the_cluster_does_not_take_is_told_again_soon():
    scene = Scene()
    scene.code = 102
    assert len(scene.tell(FAILURE)) == 1
    assert "Connection refused" in scene.teller.trouble
    assert scene.tell(FAILURE, after=RETRY / 2) == []
    scene.code = 0
    assert len(scene.tell(FAILURE, after=RETRY)) == 1
    assert scene.teller.trouble is None


def test_a_program_that_cannot_be_started_ends_nothing():
    scene = Scene()

    def run(_command, _timeout):
        raise OSError("Cannot allocate memory")

    scene.teller = Teller(PrivateAttributes(ATTRIBUTE, runner=run), lambda: scene.now)
    scene.tell()
    assert scene.teller.trouble == "Cannot allocate memory"
    scene.teller.withdraw()


def test_whoever_looks_no_more_tells_nothing():
    scene = Scene()
    scene.teller.withdraw()
    assert scene.commands == [["--delete"]]


def test_failures_that_do_not_fit_are_counted_in_the_log(caplog):
    scene = Scene()
    many = [InstanceFailure(f"{n:032x}", Kind.IO_ERROR, 10**9 + n, f"{n:08x}") for n in range(1500)]
    scene.tell(*many)
    assert len(scene.tell(*many, after=AGAIN)) == 1
    (record,) = caplog.records
    assert "of 1500 failed instances do not fit" in record.getMessage()

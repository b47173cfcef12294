# SPDX-License-Identifier: Apache-2.0
"""What libvirt is asked, and how what it says comes to the tracker; guest agents, too."""

import itertools

import pytest

from nova_ha.detect.guest_agents import TIMEOUT, GuestAgents
from nova_ha.detect.tracker import SILENCES, Memory, Tracker
from nova_ha.detect.watcher import PAUSES, SCAN, Watcher
from nova_ha.model.instance_failures import Kind
from tests.unit.detect import fake_libvirt as fake
from tests.unit.detect.fake_libvirt import CRASHED, DESTROYED, IO_ERROR, RUNNING, Domain, End, Libvirt

ONE, OTHER = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"


class Scene:
    """A watcher that watches until the script is at its end."""

    def __init__(self, libvirt):
        numbers = itertools.count(1)
        self.tracker = Tracker(Memory(), lambda: 1764480000, lambda: f"{next(numbers):08x}", asks=True)
        self.pauses = []
        self.libvirt = libvirt
        self.watcher = Watcher(libvirt, "qemu:///system", self._sleep)
        with pytest.raises(End):
            self.watcher.run(self.post)

    def post(self, change):
        change(self.tracker)

    def _sleep(self, seconds):
        self.pauses.append(seconds)
        self.libvirt.next()

    @property
    def kinds(self):
        return {failure.instance: failure.kind for failure in self.tracker.failures}


@pytest.fixture
def one():
    return Domain(ONE)


def test_an_event_is_told_with_the_state_that_its_domain_has(one):
    scene = Scene(Libvirt([one], lambda libvirt: libvirt.event(one, 5, 5, CRASHED)))
    assert scene.kinds == {ONE: Kind.CRASHED}
    assert scene.libvirt.connection.read_only
    # By the time of its event it may run again.
    ended = Domain(ONE)
    assert Scene(Libvirt([ended], lambda libvirt: libvirt.event(ended, 5, 5, RUNNING))).kinds == {}


def test_a_disk_and_a_watchdog_have_events_of_their_own(one):
    other = Domain(OTHER)

    def fail(libvirt):
        one.now, other.now = IO_ERROR, (3, 6)
        libvirt.connection.callbacks[libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON](one, "/d", "vda", 1, "enospc")
        libvirt.connection.callbacks[libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG](other, 1)

    scene = Scene(Libvirt([one, other], fail))
    assert scene.kinds == {ONE: Kind.IO_ERROR, OTHER: Kind.WATCHDOG}
    assert [failure.detail for failure in scene.tracker.failures] == ["enospc", ""]


@pytest.mark.parametrize("uri", [None, "http://example.com/ours"])
def test_a_domain_that_is_not_nova_s_is_nobody_s_concern(uri):
    foreign = Domain(ONE, IO_ERROR, metadata_of=uri)
    assert Scene(Libvirt([foreign], lambda libvirt: libvirt.event(foreign, 3, 2))).kinds == {}


def test_an_instance_of_an_older_nova_is_one():
    assert Scene(Libvirt([Domain(ONE, IO_ERROR, fake.NOVA.replace("1.1", "1.0"))])).kinds == {ONE: Kind.IO_ERROR}


def test_all_states_are_seen_again_and_again(one):
    def change(libvirt):
        one.now = CRASHED
        libvirt.time_passes()

    scene = Scene(Libvirt([one], change))
    assert scene.kinds == {ONE: Kind.CRASHED}
    assert scene.libvirt.interval == SCAN
    assert one.questions == 1, "whose it is does not change"


def test_an_instance_that_is_gone_has_no_failure(one):
    def undefine(libvirt):
        one.is_gone = True
        libvirt.event(one, 1, 0)

    assert Scene(Libvirt([one], lambda libvirt: libvirt.event(one, 5, 5, CRASHED), undefine)).kinds == {}
    # One that was gone before it was ever seen.
    assert Scene(Libvirt([one], undefine)).kinds == {}


def test_a_domain_that_goes_during_a_look_or_has_no_state_holds_up_no_other(one):
    class Vanishing(Domain):
        def metadata(self, *_arguments):
            raise Libvirt.libvirtError("Domain not found", fake.NO_DOMAIN)

    class Stateless(Libvirt):
        def open(self, *arguments, **more):
            connection = super().open(*arguments, **more)
            states = connection.getAllDomainStats(0, 0)
            connection.getAllDomainStats = lambda *_flags: [(self.domains[1], {}), states[0], states[2]]
            return connection

    scene = Scene(Stateless([Vanishing("2"), Domain(OTHER), Domain(ONE, IO_ERROR)]))
    assert scene.kinds == {ONE: Kind.IO_ERROR}
    assert scene.pauses == [], "the connection stays"


def restart(libvirt):
    """libvirtd ends."""
    libvirt.is_away = True
    libvirt.connection.on_close()


def test_what_happens_while_libvirtd_is_away_is_seen_when_it_is_back(one):
    def crash(libvirt):
        come_back(libvirt)
        one.now = CRASHED

    still_away = [lambda _libvirt: None] * 5
    scene = Scene(Libvirt([one], restart, *still_away, crash))
    assert scene.kinds == {ONE: Kind.CRASHED}
    assert scene.watcher.trouble is None
    # It is asked once more after a pause that grows.
    assert scene.pauses == [1, 2, 4, 8, 15, 15]
    assert (scene.pauses[0], scene.pauses[-1]) == PAUSES
    first, second = scene.libvirt.connections
    assert first.is_closed and first.callbacks == {}
    assert len(second.callbacks) == 5


def come_back(libvirt):
    libvirt.is_away = False


def test_a_libvirtd_that_was_back_is_asked_again_soon(one):
    assert Scene(Libvirt([one], restart, come_back, restart, come_back)).pauses == [1, 1]


def test_a_libvirtd_that_is_away_is_told(one):
    libvirt = Libvirt([one], lambda _libvirt: None)
    libvirt.is_away = True
    scene = Scene(libvirt)
    assert scene.watcher.trouble == "Failed to connect socket"
    assert not scene.tracker.is_sure


def test_a_look_that_fails_has_libvirtd_connected_anew(one):
    def fail(libvirt):
        libvirt.is_away = True
        libvirt.time_passes()
        libvirt.is_away = False

    scene = Scene(Libvirt([one], fail, lambda _libvirt: None))
    assert len(scene.libvirt.connections) == 2
    assert scene.libvirt.connections[0].is_closed


# Guest agents.


class Agents:
    """What guest agents answer, by instance: an error's code, or None."""

    def __init__(self, *rounds):
        self.rounds = list(rounds)
        self.asked = []
        self.now = {}

    def sleep(self, seconds):
        assert seconds == 20
        if not self.rounds:
            raise End
        self.now = self.rounds.pop(0)

    def ask(self, domain, command, timeout, _flags):
        assert (command, timeout) == ('{"execute":"guest-ping"}', TIMEOUT)
        self.asked.append(domain.instance)
        code = self.now.get(domain.instance, fake.AGENT_UNSUPPORTED)
        if code is not None:
            raise Libvirt.libvirtError("Guest agent is not responding", code)
        return '{"return":{}}'


def ask(scene, *rounds):
    agents = Agents(*rounds)
    with pytest.raises(End):
        GuestAgents(scene.libvirt, agents.ask, "qemu:///system", 20, agents.sleep).run(scene.post)
    return agents


SILENT = {ONE: fake.AGENT_UNRESPONSIVE, OTHER: None}


def test_an_agent_that_answered_and_is_silent_has_a_hung_guest(one):
    scene = Scene(Libvirt([one, Domain(OTHER), Domain("3", CRASHED), Domain("4", metadata_of=None)]))
    agents = ask(scene, {ONE: None, OTHER: None}, *[SILENT] * SILENCES)
    assert scene.kinds == {ONE: Kind.HUNG}
    assert set(agents.asked) == {ONE, OTHER}, "neither what does not run, nor what is not Nova's"
    ask(scene, {ONE: None})
    assert scene.kinds == {}


@pytest.mark.parametrize("code", [fake.AGENT_UNSUPPORTED, 55, 68])
def test_what_is_no_silence_is_none(one, code):
    scene = Scene(Libvirt([one]))
    ask(scene, {ONE: None}, *[{ONE: code}] * 5)
    assert scene.kinds == {}


@pytest.mark.parametrize(
    "end",
    [
        lambda libvirt, one: libvirt.connection.callbacks[libvirt.VIR_DOMAIN_EVENT_ID_REBOOT](one),
        lambda libvirt, one: libvirt.connection.callbacks[libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE](one, 2, 0),
        lambda libvirt, one: libvirt.event(one, 5, 1, DESTROYED),
    ],
    ids=["its guest is reset", "it ends", "its guest is stopped"],
)
def test_an_agent_that_ends_with_its_guest_is_not_missed(one, end):
    scene = Scene(Libvirt([one]))
    ask(scene, {ONE: None}, SILENT, SILENT)
    scene.libvirt.connections.pop()
    end(scene.libvirt, one)
    one.now = RUNNING
    ask(scene, *[SILENT] * SILENCES)
    assert scene.kinds == {}


def test_an_agent_that_may_have_ended_while_libvirtd_was_away_is_not_missed(one):
    trackers = []

    class Remembered(Scene):
        def post(self, change):
            trackers.append(self.tracker)
            super().post(change)

    scene = Remembered(Libvirt([one], lambda _libvirt: trackers[0].agent_answers(ONE), restart, come_back))
    ask(scene, *[SILENT] * SILENCES)
    assert scene.kinds == {}


def test_a_connection_that_is_lost_in_the_middle_of_a_round_is_made_anew(one):
    scene = Scene(Libvirt([one]))

    class Breaks(Agents):
        def ask(self, *arguments):
            scene.libvirt.is_away = len(self.asked) == 0
            super().ask(*arguments)

        def sleep(self, seconds):
            scene.libvirt.is_away = False
            super().sleep(seconds)

    agents = Breaks({ONE: fake.SYSTEM_ERROR}, {ONE: None})
    with pytest.raises(End):
        GuestAgents(scene.libvirt, agents.ask, "qemu:///system", 20, agents.sleep).run(scene.post)
    watching, first, second = scene.libvirt.connections
    assert first.is_closed and not second.is_closed


def test_agents_are_asked_again_once_libvirtd_is_back(one):
    scene = Scene(Libvirt([one]))
    scene.libvirt.is_away = True

    class Back(Agents):
        def sleep(self, seconds):
            scene.libvirt.is_away = len(self.rounds) > 1
            super().sleep(seconds)

    agents = Back({}, {}, {ONE: None})
    with pytest.raises(End):
        GuestAgents(scene.libvirt, agents.ask, "qemu:///system", 20, agents.sleep).run(scene.post)
    assert agents.asked == [ONE]

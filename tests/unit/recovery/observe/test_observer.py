# SPDX-License-Identifier: Apache-2.0
"""What is read of the cloud, how often, and what becomes of it; against a cloud that fails on anything unexpected."""

import dataclasses

import pytest

from nova_ha.cloud.nova import Busy, Misconfigured, Refused, Unreachable
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.evacuate_request import OVER, QUEUED, RUNNING, SCHEDULING, SENT, Requests
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Services
from nova_ha.recovery.observe.evacuation_requests import REQUESTS_AGE
from nova_ha.recovery.observe.evacuees import ABSENCE, WHEREABOUTS_AGE
from nova_ha.recovery.observe.observer import GLANCE_AGE, Observer
from nova_ha.recovery.observe.whole_cloud import SELECTION_AGE, SETTINGS_AGE
from tests.unit.doubles import FakeCloud, FakeCluster
from tests.unit.worlds import OURS, instance, living, record, request, service, spare


class Watch:
    """An observer of a fake cloud, and its clock."""

    def __init__(self, *services, **options):
        self.cloud = FakeCloud(*(services or (service(), living("compute-2"))))
        self.now = 1000.0
        self.observer = Observer(self.cloud, None, lambda: self.now, **options)

    def look(self, after=0.0, flags=None, **more):
        self.now += after
        self.cloud.asked.clear()
        return self.observer.look(flags or {"compute-1": OURS}, **more)

    def glance(self, after=0.0, flags=None):
        self.now += after
        self.cloud.asked.clear()
        return self.observer.glance(flags or {"compute-1": OURS})

    def host(self, *more, **keys):
        return self.look(*more, **keys).hosts[0]


# A dead host


def test_a_dead_host_is_read_whole():
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance()]
    watch.cloud.records = [record(1, "done"), record(2, "accepted", destination="compute-1", source="compute-2")]
    world = watch.look()
    (host,) = world.hosts
    assert (host.name, host.flag, host.service) == ("compute-1", OURS, service())
    assert host.instances == (instance(),)
    assert host.evacuations == (record(1, "done"),) and [r.id for r in host.arrivals] == [2]
    assert world.services == watch.cloud.known and world.aggregates and world.selection.flavors_tagged
    assert world.dead == {"compute-1"} and world.candidates == {"compute-2"}


def test_hosts_are_read_by_whoever_reads_several_at_once():
    """For a look as for a glance."""
    asked = []

    def each(function, arguments):
        asked.append(len(arguments := list(arguments)))
        return list(map(function, arguments))

    services = (service(), service("compute-3"), living("compute-2"))
    watch = Watch(*services, each=each)
    for name in ("compute-1", "compute-3"):
        watch.cloud.on[name] = [instance(host=name)]
    flags = {"compute-1": OURS, "compute-3": OURS}
    assert [host.name for host in watch.look(flags=flags).hosts] == ["compute-1", "compute-3"]
    watch.look(flags=flags)
    assert [host.name for host in watch.glance(1.0, flags=flags).hosts] == ["compute-1", "compute-3"]
    assert asked == [2, 2, 2]


def test_records_are_read_before_instances():
    """What ends in between then shows as in flight and gone, never as done and left behind."""
    watch = Watch()
    watch.look()
    assert watch.cloud.asked.index(("migrations", "compute-1")) < watch.cloud.asked.index(("instances", "compute-1"))


@pytest.mark.parametrize("many", [1, 50])
def test_requests_do_not_grow_with_instances(many):
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance(number) for number in range(many)]
    watch.cloud.records = [record(number, "accepted", f"i{number}") for number in range(many)]
    watch.look()
    assert len(watch.cloud.asked) == 7


@pytest.mark.parametrize("value", ["yes", "go", OURS, "control-2@90", "maybe"])
@pytest.mark.parametrize("out", [service(forced_down=False), living("compute-1")])
def test_of_a_host_that_is_not_forced_down_nothing_more_is_read(value, out):
    watch = Watch(out)
    world = watch.look(flags={"compute-1": value})
    assert world.dead == set() and world.hosts[0].instances == ()
    assert ("instances", "compute-1") not in watch.cloud.asked


@pytest.mark.parametrize(
    ("value", "is_dead"),
    [("yes", True), ("go", True), (OURS, True), ("maybe", True), ("no", False), ("restart", False)],
)
def test_only_a_flag_proves_a_host_dead(value, is_dead):
    watch = Watch(service(), service("compute-2"))  # which is forced down, but not flagged
    assert watch.look(flags={"compute-1": value}).dead == ({"compute-1"} if is_dead else set())


@pytest.mark.parametrize(
    ("found", "dead"), [(service("compute-2"), {"compute-1", "compute-2"}), (living("compute-2"), {"compute-1"})]
)
def test_hosts_that_others_see_to_are_dead_too_if_they_are_forced_down(found, dead):
    watch = Watch(service(), found)
    world = watch.look(others={"compute-2": "yes", "unknown": "yes"})
    assert world.dead == dead and [host.name for host in world.hosts] == ["compute-1"]


@pytest.mark.parametrize(
    ("flags", "others", "unflagged"),
    [
        ({"compute-1": OURS}, {}, {"compute-2"}),
        ({"compute-1": OURS, "compute-2": "no"}, {}, set()),
        ({"compute-1": OURS}, {"compute-2": "yes"}, set()),
    ],
)
def test_a_host_that_is_out_of_service_without_a_flag_is_noticed(flags, others, unflagged):
    assert Watch(service(), service("compute-2")).look(flags=flags, others=others).unflagged == unflagged


@pytest.mark.parametrize(
    ("flags", "others", "late"),
    [
        ({"compute-1": OURS}, {}, set()),  # not asked for
        ({"compute-1": OURS, "compute-2": "restart"}, {}, {"i2"}),
        ({"compute-1": OURS}, {"compute-2": "yes"}, {"i2"}),
        ({"compute-1": OURS}, {"compute-3": "yes"}, set()),
    ],
)
def test_what_late_requests_have_broken_is_noticed_where_it_may_matter(flags, others, late):
    watch = Watch(service(), service("compute-2"), service("compute-3"))
    watch.cloud.errors = (
        instance(1, vm_state="error", task_state="rebuilding", host="compute-1"),  # to be evacuated
        instance(2, vm_state="error", task_state="rebuilding", host="compute-3"),
        instance(3, vm_state="error", task_state=None, host="compute-3"),
    )
    assert watch.look(flags=flags, others=others).late == late


@pytest.mark.parametrize(
    ("value", "is_contested"), [("yes", False), ("go", False), ("control-2@7", True), ("maybe", False)]
)
def test_another_engine_that_has_a_claim_is_noticed(value, is_contested):
    assert Watch().look(others={"compute-2": value}).contested == is_contested


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("compute-1", ["compute-1"], "compute-1"),
        ("compute-1", ["compute-1.a", "compute-2.a"], "compute-1.a"),
        ("compute-1.a", ["compute-1"], "compute-1"),
        ("compute-1", ["compute-2"], None),
        ("Compute-1", ["compute-1.a"], "compute-1.a"),
    ],
)
def test_the_clusters_names_and_novas(name, known, found):
    watch = Watch(*(service(each) for each in known))
    (host,) = watch.look(flags={name: OURS}).hosts
    assert host.name == name and (host.service and host.service.host) == found
    assert watch.observer.nova_names([name], watch.cloud.known) == ({name: found} if found else {})


@pytest.mark.parametrize("value", [OURS, "no", "restart"])
def test_two_services_of_one_host_are_a_problem_of_that_host(value):
    watch = Watch(dataclasses.replace(service(), twin="id-2"), service("compute-3"))
    first, second = watch.look(flags={"compute-1": value, "compute-3": "no"}).hosts
    assert first.problem.code == Code.TWO_SERVICES and "id-compute-1 and id-2" in first.problem.reason
    assert first.service is None
    assert second.problem is None and second.service.host == "compute-3"


@pytest.mark.parametrize(
    ("value", "other", "first"),
    [
        (OURS, "no", True),
        ("no", "yes", False),
        ("no", OURS, False),
        ("restart", "no", True),
        ("restart", "yes", False),
        ("no", "no", True),
        ("yes", OURS, True),
    ],
)
def test_of_two_flags_of_one_host_the_one_that_keeps_it_out_most_is_seen_to_first(value, other, first):
    watch = Watch()
    flags = {"compute-1": value, "compute-1.example.org": other}
    one, second = watch.look(flags=flags).hosts
    assert [each.service is not None for each in (one, second)] == [first, not first]
    waiting, seen_to = (second, one) if first else (one, second)
    assert waiting.problem.code == Code.SECOND_FLAG and f"for {seen_to.name}, which" in waiting.problem.reason
    assert f"@uname='{waiting.name}'" in waiting.problem.command
    assert seen_to.problem is None


def test_a_flag_that_another_engine_sees_to_counts_as_one_of_the_same_host():
    (one,) = Watch().look(flags={"compute-1": "no"}, others={"compute-1.example.org": "control-2@7"}).hosts
    assert one.problem is not None and one.service is None


def test_a_name_that_may_mean_two_hosts_is_a_problem_of_that_host():
    watch = Watch(service("compute-1.a"), service("compute-1.b"), service("compute-3"))
    first, second = watch.look(flags={"compute-1": OURS, "compute-3": OURS}).hosts
    assert first.problem.code == Code.AMBIGUOUS_HOST and "compute-1.a" in first.problem.reason
    assert first.service is None
    assert second.problem is None and second.service.host == "compute-3"
    assert watch.observer.nova_names(["compute-1"], watch.cloud.known) == {}


@pytest.mark.parametrize(
    ("hypervisor", "evacuates"),
    [
        ("ironic", False),
        ("VMware vCenter Server", False),
        ("QEMU", True),
        (None, True),
        (Refused("no", 403), True),
        (Unreachable("away"), True),
    ],
)
def test_a_host_whose_guests_nova_cannot_evacuate_is_refused(hypervisor, evacuates):
    watch = Watch()
    watch.cloud.hypervisor = hypervisor
    watch.cloud.on["compute-1"] = [instance(node=None), instance(2, node="node-7")]
    host = watch.host()
    assert ("hypervisor_type", "compute-1", "node-7") in watch.cloud.asked
    assert (host.problem is None, bool(host.instances)) == (evacuates, evacuates)
    assert evacuates or host.problem.code == Code.UNSUPPORTED_HYPERVISOR
    again = watch.host(SETTINGS_AGE + 1)
    assert (again.problem, [q for q in watch.cloud.asked if q[0] == "hypervisor_type"]) == (host.problem, [])


def test_what_a_host_drives_is_asked_only_where_an_instance_names_its_hypervisor():
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance()]
    assert watch.host().problem is None
    assert "hypervisor_type" not in {question[0] for question in watch.cloud.asked}


@pytest.mark.parametrize(("task_state", "again"), [("migrating", True), (None, False), ("rebooting", False)])
def test_live_migrations_are_read_until_there_are_none(task_state, again):
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance(2), instance(task_state=task_state)]
    watch.cloud.live = (record(5, "running"),)  # away from it
    assert watch.host().live_migrations == watch.host().live_migrations == (record(5, "running"),)
    watch.cloud.live = ()
    assert watch.host().live_migrations == ()
    # None begins on a dead host; only where an instance says so may one have been overlooked.
    watch.cloud.live = (record(6, "running"),)
    assert watch.host().live_migrations == ((record(6, "running"),) if again else ())
    # Fenced anew, it may have run meanwhile.
    assert watch.look(flags={"compute-1": "control-2@7"}).hosts[0].live_migrations == (record(6, "running"),)


@pytest.mark.parametrize(
    ("one", "goes_on"),
    [
        (instance(host="compute-2", task_state="migrating"), True),
        (instance(host="compute-2"), False),  # its source died, and it was started again there, or elsewhere
        (None, False),
        (instance(host="compute-1"), True),  # it has just arrived, and is not among those that were read
    ],
)
def test_a_live_migration_to_a_dead_host_is_over_when_its_instance_does_not_move_any_more(one, goes_on):
    watch = Watch()
    watch.cloud.live = (record(5, "running", source="compute-2", destination="compute-1"),)
    watch.cloud.instance = lambda id: one
    assert bool(watch.host().live_migrations) is goes_on


@pytest.mark.parametrize(
    ("one", "asked"),
    [
        (instance(vm_state="resized"), True),
        (instance(vm_state="error", fault="Instance instance-0000002a already exists."), True),
        (instance(vm_state="error", fault="No valid host was found."), False),
        (instance(), False),
    ],
)
def test_resizes_are_read_only_where_they_matter(one, asked):
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance(2), one]
    watch.cloud.resized = (record(5, "finished", destination="compute-1", source="compute-2"),)
    assert watch.host().resizes == (watch.cloud.resized if asked else ())


@pytest.mark.parametrize(("online", "found"), [(None, False), (set(), False), ({"compute-1"}, True)])
def test_whether_the_cluster_reaches_it(online, found):
    world = Watch().look()
    assert (world if online is None else world.with_cluster(online, {})).hosts[0].online is found


def test_for_how_long_the_cluster_has_proved_it_stopped():
    watch, cluster = Watch(), FakeCluster()
    cluster.nodes, cluster.off = {"compute-1"}, {"compute-1"}

    def stopped_for(after, value="restart"):
        world = watch.look(after, {"compute-1": value})
        (host,) = watch.observer.with_cluster(world, cluster).hosts
        assert host.online
        return host.stopped_for

    assert [stopped_for(0), stopped_for(7), stopped_for(5)] == [0, 7, 12]
    cluster.off.clear()  # its record was lost, or it starts
    assert stopped_for(1) is None
    cluster.off.add("compute-1")
    assert [stopped_for(1), stopped_for(3)] == [0, 3]
    assert stopped_for(1, "no") is None  # it may start
    assert stopped_for(1) == 0


@pytest.mark.parametrize("name", ["compute-1.example.org", "COMPUTE-1"])
@pytest.mark.parametrize(("own", "is_online", "other"), [(False, True, True), (True, True, False)])
def test_a_host_that_the_cluster_has_by_another_name_is_not_proved_stopped(name, own, is_online, other):
    """What it has on record of the old one tells nothing of what runs there now."""
    watch = Watch(service(), living("compute-2"), living("compute-11"))
    cluster = FakeCluster()
    cluster.nodes, cluster.off = {"control-1", "compute-11", "compute-2", name, *["compute-1"] * own}, {"compute-1"}
    cluster.attribute = "flagged"
    world = watch.observer.with_cluster(watch.look(flags={"compute-1": "restart", "compute-2": "no"}), cluster)
    assert world.attribute == "flagged"
    first, second = world.hosts
    assert (first.online, first.online_as) == (is_online, name if other else None)
    assert (first.stopped_for is None) is other
    assert second.online and second.online_as is None


def test_the_cluster_is_asked_only_of_hosts_that_are_held_back():
    watch, cluster = Watch(), FakeCluster()
    watch.observer.with_cluster(watch.look(flags={"compute-1": "no"}), cluster)
    assert {question[0] for question in cluster.asked} == {"online"}
    watch.observer.with_cluster(watch.look(flags={"compute-1": "restart", "compute-2": "no"}), cluster)
    assert [question for question in cluster.asked if "stopped" in question] == [("stopped", "compute-1")]


# What was asked for instances


def requested(watch, *instances, after=0.0):
    """Which requests are known of some instances, read anew after a while."""
    watch.cloud.on["compute-1"] = [instance(1), instance(2)]
    world = watch.look(after)
    watch.cloud.asked.clear()
    return watch.observer.with_requests(world, instances)


def test_requests_are_read_of_those_of_which_they_matter_and_not_at_each_look():
    watch = Watch()
    watch.cloud.requests["i1"] = Requests((request(1),))
    found = requested(watch, "i1")
    assert found.hosts[0].requests == {"i1": Requests((request(1),), read_at=1000.0)}
    assert watch.cloud.asked == [("evacuation_requests", "i1")]
    assert requested(watch, "i1", after=9.9).hosts[0].requests["i1"].read_at == 1000.0
    assert watch.cloud.asked == []
    assert requested(watch, "i1", "i2", after=0.1).hosts[0].requests["i1"].read_at == 1010.0
    assert watch.cloud.asked == [("evacuation_requests", "i1"), ("evacuation_requests", "i2")]
    assert REQUESTS_AGE == 10


def test_what_was_known_of_requests_is_forgotten_once_it_does_not_matter():
    watch = Watch()
    requested(watch, "i1")
    assert requested(watch, after=1).hosts[0].requests == {}
    requested(watch, "i1", after=1)
    assert watch.cloud.asked == [("evacuation_requests", "i1")]


@pytest.mark.parametrize("stage", [QUEUED, SCHEDULING, SENT, RUNNING, OVER])
def test_claims_are_read_where_a_request_is_at_the_scheduler_or_was_sent_on(stage):
    watch = Watch()
    watch.cloud.requests["i1"], watch.cloud.claimed = Requests((request(1, stage),)), frozenset({"compute-2"})
    found = requested(watch, "i1")
    is_claimed = stage in (SCHEDULING, SENT)
    assert found.hosts[0].requests["i1"].claims == (frozenset({"compute-2"}) if is_claimed else None)
    assert watch.cloud.asked[1:] == [("claims", "i1")] * is_claimed


@pytest.mark.parametrize("error", [Unreachable("away"), Refused("no", 403), Misconfigured("no placement")])
def test_while_placement_tells_nothing_claims_are_not_known(error):
    watch = Watch()
    watch.cloud.requests["i1"], watch.cloud.claimed = Requests((request(1, SENT),)), error
    known = requested(watch, "i1").hosts[0].requests["i1"]
    assert known.claims is None and known.all == (request(1, SENT),)


@pytest.mark.parametrize("error", [Unreachable("its cell is away"), Refused("deleted", 404), Busy("busy")])
def test_what_cannot_be_read_of_one_instance_holds_up_no_other(error):
    """Nor is what was read of it before taken for true any more."""
    watch = Watch()
    watch.cloud.requests = {"i1": Requests((request(1),)), "i2": Requests((request(2),))}
    requested(watch, "i1", "i2")
    watch.cloud.requests["i1"] = error
    found = requested(watch, "i1", "i2", after=REQUESTS_AGE)
    assert found.hosts[0].requests == {"i2": Requests((request(2),), read_at=1010.0)}


def test_a_user_who_may_not_read_them_is_an_operators_matter():
    watch = Watch()
    watch.cloud.requests["i1"] = Misconfigured("the user needs Nova's admin role")
    with pytest.raises(Misconfigured):
        requested(watch, "i1")


@pytest.mark.parametrize(("inherited", "found"), [((), False), (["compute-1"], True), (["compute-2"], False)])
@pytest.mark.parametrize("value", [OURS, "no", "restart"])
def test_whether_another_engine_may_have_sent_instances_there(value, inherited, found):
    assert Watch().host(flags={"compute-1": value}, inherited=inherited).inherited is found


def away(watch, *hosts):
    """Take the database of these hosts' cell away."""
    for name in hosts:
        watch.cloud.known.pop(name, None)
    watch.cloud.away = hosts


def two_cells():
    """An observer that has looked at a dead host in each of two cells."""
    watch = Watch(service(), service("compute-3"), living("compute-2"))
    for number, name in ((1, "compute-1"), (3, "compute-3")):
        watch.cloud.on[name] = [instance(number, host=name)]
        watch.cloud.records.append(record(number, "accepted", f"i{number}", source=name))
    watch.look(flags=BOTH)
    return watch


BOTH = {"compute-1": OURS, "compute-3": OURS}


def test_a_cell_that_is_away_is_a_problem_of_its_own_hosts():
    watch = two_cells()
    away(watch, "compute-3", "compute-4")
    first, second = watch.look(1.0, flags=BOTH).hosts
    assert first.problem is None and first.instances
    assert second.problem.code == Code.CELL_AWAY and second.unread_for == 0
    assert ("instances", "compute-3") not in watch.cloud.asked and ("migrations", "compute-3") not in watch.cloud.asked
    assert watch.look(7.0, flags=BOTH).hosts[1].unread_for == 7
    watch.cloud.known, watch.cloud.away = {"compute-3": service("compute-3"), "compute-1": service()}, ()
    assert watch.look(1.0, flags=BOTH).hosts[1].problem is None
    away(watch, "compute-3")
    assert watch.look(1.0, flags=BOTH).hosts[1].unread_for == 0


def test_what_is_known_of_a_host_is_kept_while_its_cell_is_away():
    """The engine forgets what it has asked for instances that it does not see any more."""
    watch = two_cells()
    known = watch.look(flags=BOTH).hosts[1]
    away(watch, "compute-3")
    for _ in range(2):
        found = watch.look(1.0, flags=BOTH).hosts[1]
        assert dataclasses.replace(found, problem=None, unread_for=None) == known
    assert watch.look(flags={**BOTH, "compute-3": "yes"}).hosts[1].instances == ()  # fenced anew


def test_notes_of_a_cell_that_is_away_are_not_forgotten():
    """Nova's lists leave its instances out."""
    watch = Watch()
    watch.cloud.tagged = (instance(noted="stopped", host="compute-9"),)
    watch.look()
    watch.cloud.tagged = ()
    away(watch, "compute-9")
    for _ in range(2):
        watch.look()
        assert "restoring" in watch.cloud.asked
    watch.cloud.away = ()
    watch.look()
    watch.look()
    assert "restoring" not in watch.cloud.asked


def test_a_host_of_which_nothing_was_ever_read_is_not_taken_for_one_that_nova_does_not_have():
    watch = Watch(service())
    away(watch, "compute-3")
    host = watch.look(flags={"compute-3": OURS}).hosts[0]
    assert host.service is None and host.problem


@pytest.mark.parametrize(
    ("known", "away", "found", "not_read"),
    [
        (["compute-1"], [], {"compute-1": "compute-1"}, {}),
        ([], ["compute-1.a"], {}, {"compute-1": "compute-1.a"}),
        (["compute-1.b"], ["compute-1.a"], {}, {}),  # which of them is meant cannot be told
        (["compute-2"], [], {}, {}),
    ],
)
def test_no_other_host_is_taken_for_one_that_cannot_be_read(known, away, found, not_read):
    services = Services({name: service(name) for name in known}, away)
    observer = Watch().observer
    assert observer.nova_names(["compute-1"], services) == found
    assert observer.unread_names(["compute-1"], services) == not_read


def test_services_that_were_just_read_are_not_read_again():
    watch = Watch()
    watch.look(services=watch.cloud.known)
    assert "services" not in watch.cloud.asked


def test_a_cloud_that_is_away_is_the_engines_to_wait_for():
    watch = Watch()

    def away(*_):
        raise Unreachable("away")

    watch.cloud.instances = away
    with pytest.raises(Unreachable):
        watch.look()
    assert watch.glance() is None


# What is kept for a while


def test_settings_are_read_once_a_minute():
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance()]
    for after, again in ((0, True), (1, False), (SETTINGS_AGE - 1, False), (1, True), (1, False)):
        watch.look(after)
        assert ("selection" in watch.cloud.asked, "aggregates" in watch.cloud.asked) == (again, again)


def test_another_tag_selects_from_the_next_look_on():
    watch = Watch(tag="ha")
    watch.cloud.on["compute-1"] = [instance()]
    assert watch.look().selection.images == {"ha-image"}
    watch.observer.reconfigure(None, False, "evacuable")
    assert watch.look().selection.images == {"evacuable-image"}


def glanceless(watch):
    """Take Glance away."""
    watch.cloud.selected = Selection(False, None, "Glance is away")


def test_while_glance_is_away_what_it_said_last_holds():
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance()]
    watch.look()
    glanceless(watch)
    for _ in range(3):
        found = watch.look(SETTINGS_AGE + 1).selection
        assert found == Selection(False, frozenset({"evacuable-image"}), "Glance is away")
    assert "selection" in watch.cloud.asked


def test_what_glance_never_said_is_asked_for_again_soon():
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance()]
    glanceless(watch)
    assert watch.look().selection.images is None
    assert watch.look(SELECTION_AGE - 1).selection.images is None and "selection" not in watch.cloud.asked
    watch.cloud.selected = None
    assert watch.look(2).selection.images == {"evacuable-image"}


def test_what_one_tag_selects_is_not_taken_for_what_another_does():
    watch = Watch(tag="ha")
    watch.cloud.on["compute-1"] = [instance()]
    watch.look()
    glanceless(watch)
    watch.observer.reconfigure(None, False, "evacuable")
    assert watch.look().selection.images is None


def test_without_instances_it_does_not_matter_what_selects_them():
    watch = Watch()
    assert watch.look().selection is None and "selection" not in watch.cloud.asked


@pytest.mark.parametrize(
    ("matter", "others", "asked"), [(True, [], True), (False, [], False), (False, [spare()], True)]
)
def test_aggregates_are_read_only_where_they_matter(matter, others, asked):
    watch = Watch(service(), *others, aggregates_matter=matter)
    world = watch.look()
    assert ("aggregates" in watch.cloud.asked) is asked and bool(world.aggregates) is asked


def test_tagged_instances_are_looked_for_as_long_as_there_may_be_any():
    watch = Watch()
    tagged = instance(noted="stopped")
    watch.look()
    assert "restoring" in watch.cloud.asked  # a former engine may have left some
    watch.look()
    assert "restoring" not in watch.cloud.asked
    watch.cloud.on["compute-1"], watch.cloud.tagged = [tagged], (tagged,)
    assert watch.look().restoring == (tagged,)
    watch.cloud.on["compute-1"], watch.cloud.tagged = [], (dataclasses.replace(tagged, host="compute-2"),)
    assert watch.look().restoring == watch.cloud.tagged
    watch.cloud.tagged = ()
    assert watch.look().restoring == () and "restoring" in watch.cloud.asked
    watch.look()
    assert "restoring" not in watch.cloud.asked


TWO = (service(), service("compute-2"), living("compute-3"))
OFF = {"compute-1": "no", "compute-2": "no"}
LATE = instance(9, vm_state="error", task_state="rebuilding", host="compute-3")
RESTED = instance(8, vm_state="stopped", reached="stopped", host="compute-3")
WANTED = instance(8, vm_state="active", noted="stopped", host="compute-3")


def asks_for_lists(watch, after, **more):
    watch.look(after=after, **{"flags": OFF, **more})
    return [question for question in watch.cloud.asked if question in ("in_error", "restoring")]


def test_while_hosts_are_off_the_whole_clouds_instances_are_listed_now_and_then():
    watch = Watch(*TWO)
    watch.cloud.tagged = (RESTED,)
    assert sorted(asks_for_lists(watch, 5)) == ["in_error", "restoring"]
    for _ in range(100):
        assert asks_for_lists(watch, 5) == []
    watch.cloud.errors = (LATE,)
    assert sorted(asks_for_lists(watch, 100)) == ["in_error", "restoring"]
    assert watch.look(flags=OFF).late == {LATE.id} and watch.look(flags=OFF).restoring == (RESTED,)


@pytest.mark.parametrize(
    ("change", "more", "asked"),
    [
        (None, {}, []),
        ({"known": {"compute-1": service(report="t9")}}, {}, ["in_error", "restoring"]),
        ({"known": {"compute-1": living("compute-1")}}, {}, ["in_error", "restoring"]),
        (None, {"flags": {**OFF, "compute-1": OURS}}, ["in_error", "restoring"]),
        (None, {"flags": {**OFF, "compute-1": "restart"}}, ["in_error", "restoring"]),
        (None, {"others": {"compute-3": "yes"}}, ["in_error", "restoring"]),
        (None, {"flags": {}}, ["restoring"]),
    ],
)
def test_a_host_that_is_dead_or_comes_back_has_them_listed_at_once(change, more, asked):
    watch = Watch(*TWO)
    watch.cloud.tagged = (RESTED,)
    watch.look(flags=OFF)
    for name, values in (change or {}).items():
        getattr(watch.cloud, name).update(values)
    assert sorted(asks_for_lists(watch, 5, **more)) == asked


@pytest.mark.parametrize(
    ("errors", "tagged", "asked"),
    [
        ((), (RESTED,), []),
        ((), (WANTED,), ["restoring"]),
        ((), (dataclasses.replace(WANTED, host="compute-2"),), []),  # not before its host is up
        ((), (dataclasses.replace(RESTED, vm_state="active"),), ["restoring"]),  # its owner has started it
        ((LATE,), (), ["in_error"]),
        ((instance(9, vm_state="error", host="compute-3"),), (), []),
    ],
)
def test_what_is_to_be_seen_to_is_listed_at_each_look(errors, tagged, asked):
    watch = Watch(*TWO)
    watch.cloud.errors, watch.cloud.tagged = errors, tagged
    watch.look(flags=OFF)
    assert asks_for_lists(watch, 5) == asked


def test_what_was_seen_of_records_that_are_gone_is_forgotten():
    watch = Watch()
    for number in range(20):
        watch.cloud.records = [record(number, "accepted", instance=f"i{number}")]
        watch.look(after=6.0)
        watch.look(after=6.0)
    evacuees = watch.observer._evacuees
    assert len(evacuees._absent) == 1 and len(evacuees._whereabouts) < 4


# Whereabouts


def test_notes_that_are_left_without_a_flag_are_looked_for_once_a_minute():
    watch = Watch()
    assert watch.observer.may_find_notes()  # of a former engine
    watch.cloud.tagged = (instance(noted="stopped"),)
    watch.look()
    assert not watch.observer.may_find_notes()
    watch.now += SETTINGS_AGE + 1
    assert watch.observer.may_find_notes()
    watch.cloud.asked.clear()
    assert watch.observer.look({}).restoring == watch.cloud.tagged
    assert watch.cloud.asked == ["services", "aggregates", "restoring"]
    watch.cloud.tagged = ()
    watch.observer.look({})
    watch.now += SETTINGS_AGE + 1
    assert not watch.observer.may_find_notes()


def test_where_an_instance_went_is_asked_only_when_it_is_gone_for_a_while():
    watch = Watch()
    watch.cloud.records = [record(1, "accepted")]
    watch.cloud.on["compute-2"] = [instance(host="compute-2")]
    assert watch.host().whereabouts == {}
    assert watch.host(ABSENCE - 0.1).whereabouts == {}
    assert watch.host(0.1).whereabouts == {"i1": instance(host="compute-2")}
    assert ("instance", "i1") in watch.cloud.asked
    watch.cloud.on.clear()
    assert watch.host(WHEREABOUTS_AGE).whereabouts == {"i1": instance(host="compute-2")}
    assert ("instance", "i1") not in watch.cloud.asked
    assert watch.host(0.1).whereabouts == {"i1": None}


@pytest.mark.parametrize(
    ("records", "here"),
    [
        ([], False),
        ([record(1, "done")], False),
        ([record(1, "completed")], False),
        ([record(1, "failed")], False),
        ([record(1, "accepted"), record(2, "done")], False),
        ([record(1, "accepted")], True),
    ],
)
def test_of_others_nothing_is_asked(records, here):
    watch = Watch()
    watch.cloud.records = records
    watch.cloud.on["compute-1"] = [instance()] if here else []
    watch.look()
    assert watch.host(ABSENCE + 1).whereabouts == {}
    assert ("instance", "i1") not in watch.cloud.asked


def test_a_newer_record_in_flight_is_asked_about():
    watch = Watch()
    watch.cloud.records = [record(1, "done"), record(2, "accepted", destination=None)]
    watch.look()
    assert watch.host(ABSENCE).whereabouts == {"i1": None}


# The way back


def returned(watch, after=1.0, report="t0", value="no", **more):
    watch.cloud.known["compute-1"] = service(report=report, **more)
    return watch.host(after, flags={"compute-1": value})


def test_a_host_that_has_not_reported_is_not_looked_into():
    watch = Watch()
    for _ in range(3):
        host = returned(watch)
        assert host.reported_for is None and not {q[0] for q in watch.cloud.asked} & {"migrations", "instances"}


def test_a_host_has_reported_when_its_report_changes():
    watch = Watch()
    returned(watch)
    assert returned(watch, report="t1").reported_for == 0
    assert ("migrations", "compute-1") in watch.cloud.asked
    assert ("instances", "compute-1") not in watch.cloud.asked
    assert returned(watch, 5.0, report="t1").reported_for == 5


@pytest.mark.parametrize("between", [["restart"], ["yes", OURS], [OURS]])
def test_only_what_it_reported_since_it_was_recovered_counts(between):
    watch = Watch()
    returned(watch)
    assert returned(watch, report="t1").reported_for == 0
    for value in between:
        returned(watch, report="t1", value=value)
    assert returned(watch, report="t1").reported_for is None
    assert returned(watch, report="t2").reported_for == 0


def test_a_host_that_is_up_has_its_records_read_though_it_was_not_seen_to_begin():
    watch = Watch()
    watch.cloud.records = [record(1, "done")]
    host = returned(watch, up=True, forced_down=False, enabled=True)
    assert host.reported_for is None and host.evacuations == (record(1, "done"),)


def test_for_how_long_a_flag_has_been_what_it_is():
    watch = Watch()
    seen = []
    for after, value in ((0, "no"), (5, "no"), (5, "restart"), (7, "restart"), (1, "no"), (2, "no")):
        seen.append(returned(watch, after, value=value).flagged_for)
    assert seen == [0, 5, 0, 7, 0, 2]


def test_a_host_that_is_well_is_not_read_again_at_once():
    watch = Watch()
    watch.cloud.records = [record(1, "completed")]
    returned(watch)
    for after, asked in ((1.0, True), (1.0, False), (GLANCE_AGE, True)):
        returned(watch, after, report="t1")
        assert (("migrations", "compute-1") in watch.cloud.asked) is asked


@pytest.mark.parametrize("status", ["done", "accepted", "pre-migrating"])
def test_a_host_that_is_not_well_is_read_each_time(status):
    watch = Watch()
    watch.cloud.records = [record(1, status)]
    returned(watch)
    for _ in range(3):
        assert returned(watch, report="t1").evacuations == (record(1, status),)


def broken(number=1, task_state="rebuilding"):
    return instance(number, "error", task_state, host="compute-3")


@pytest.mark.parametrize(
    ("one", "records", "found"),
    [
        (broken(), [record(1, "completed")], True),
        (broken(), [record(1, "failed", destination="compute-1", source="compute-9")], True),
        (broken(task_state="resize_migrating"), [record(1, "completed")], True),
        (broken(), [], False),
        (broken(), [record(1, "completed", instance="i2")], False),
        (broken(task_state=None), [record(1, "completed")], False),
        (broken(task_state="deleting"), [record(1, "completed")], False),
        (broken(task_state="soft-deleting"), [record(1, "completed")], False),
        (broken(task_state="rebuild_spawning"), [record(1, "completed")], False),
        (broken(task_state="rebooting_hard"), [record(1, "completed")], False),
        (broken(task_state="powering-on"), [record(1, "completed")], False),
        (broken(), [record(1, "completed"), record(2, "accepted")], False),  # it is on its way
    ],
)
def test_what_late_requests_of_a_host_have_broken(one, records, found):
    watch = Watch()
    watch.cloud.records, watch.cloud.errors = records, (one,)
    returned(watch)
    assert returned(watch, report="t1").broken == (((one, 0.0),) if found else ())


def test_for_how_long_it_has_been_broken():
    watch = Watch()
    watch.cloud.records, watch.cloud.errors = [record(1, "completed")], (broken(),)
    returned(watch)
    assert [returned(watch, 7.0, report="t1").broken[0][1] for _ in range(3)] == [0, 7, 14]
    watch.cloud.errors = (broken(task_state="resize_prep"),)  # it moves: somebody works on it
    assert returned(watch, 7.0, report="t1").broken[0][1] == 0


def test_what_is_broken_a_second_time_is_not_taken_for_the_first():
    watch = Watch()
    watch.cloud.records, watch.cloud.errors = [record(1, "completed")], (broken(),)
    returned(watch)
    returned(watch, report="t1")
    assert returned(watch, 40.0, report="t1").broken[0][1] == 40
    watch.cloud.errors = ()
    returned(watch, report="t1")
    watch.cloud.errors = (broken(),)
    assert returned(watch, GLANCE_AGE + 1, report="t1").broken[0][1] == 0


def test_two_hosts_that_return_do_not_forget_each_others_broken_instances():
    watch = Watch()
    for number, source in ((1, "compute-1"), (2, "compute-2")):
        watch.cloud.records.append(record(number, "completed", f"i{number}", "compute-3", source))
    watch.cloud.errors = (broken(1), broken(2))
    flags = {"compute-1": "no", "compute-2": "no"}
    watch.cloud.known = {"compute-1": service(), "compute-2": service("compute-2")}
    watch.look(flags=flags)
    watch.cloud.known = {"compute-1": service(report="t1"), "compute-2": service("compute-2", report="t1")}
    watch.look(flags=flags)
    first, second = watch.look(50.0, flags=flags).hosts
    assert first.broken == ((broken(1), 50.0),) and second.broken == ((broken(2), 50.0),)


# Glances


def following():
    """An observer that has looked at a host with instances on their way."""
    watch = Watch()
    watch.cloud.on["compute-1"] = [instance(1), instance(2)]
    watch.cloud.records = [record(1, "accepted"), record(2, "accepted", instance="i2")]
    watch.look()
    return watch


def test_a_glance_costs_one_request_a_host():
    watch = following()
    seen = watch.glance(1.0)
    assert watch.cloud.asked == [("migrations", "compute-1")]
    assert seen.hosts[0].instances == (instance(1), instance(2))


@pytest.mark.parametrize(
    ("status", "stays"),
    [("accepted", True), ("pre-migrating", True), ("failed", True), ("error", True), ("done", False)],
)
def test_a_glance_shows_what_records_say(status, stays):
    watch = following()
    watch.cloud.records[0] = record(1, status)
    (host,) = watch.glance(1.0).hosts
    assert host.evacuations[0].status == status
    assert (instance(1) in host.instances) is stays and instance(2) in host.instances


@pytest.mark.parametrize(
    "change",
    [
        lambda watch: setattr(watch, "now", watch.now + GLANCE_AGE + 0.1),
        lambda watch: watch.cloud.on.clear() or watch.look(),
        lambda watch: watch.cloud.known.update({"compute-2": living("compute-2", up=False)}) or watch.look(),
        lambda watch: setattr(watch.cloud, "tagged", (instance(noted="stopped"),))
        or watch.cloud.on.update({"compute-1": [instance(noted="stopped")]})
        or watch.look(),
    ],
)
def test_a_glance_is_not_enough(change):
    watch = following()
    change(watch)
    assert watch.glance() is None


@pytest.mark.parametrize(
    "flags",
    [{"compute-1": "yes"}, {"compute-1": "no"}, {"compute-1": "restart"}, {"compute-1": OURS, "compute-2": "yes"}, {}],
)
def test_a_glance_is_not_enough_when_a_flag_has_changed(flags):
    watch = following()
    watch.now += 1
    assert watch.observer.glance(flags) is None


@pytest.mark.parametrize("value", ["no", "restart"])
def test_a_glance_is_not_enough_for_a_host_that_returns(value):
    watch = following()
    flags = {"compute-1": OURS, "compute-2": value}
    watch.look(flags=flags)
    assert watch.glance(flags=flags) is None


def test_a_glance_is_not_enough_while_a_cell_is_away():
    watch = two_cells()
    away(watch, "compute-3")
    watch.look(flags=BOTH)
    assert watch.glance(1.0, flags=BOTH) is None


def test_a_glance_that_fails_leads_to_a_look():
    watch = following()

    def away(host):
        raise Unreachable("its cell does not answer")

    watch.cloud.migrations = away
    assert watch.glance(1.0) is None


def test_there_is_no_glance_before_the_first_look():
    assert Watch().glance() is None


def test_with_the_last_flag_what_was_seen_is_forgotten():
    watch = Watch()
    watch.cloud.records = [record(1, "accepted")]
    watch.look()
    assert watch.host(ABSENCE).whereabouts == {"i1": None}
    watch.observer.forget()
    assert watch.host(1.0).whereabouts == {}
    assert watch.host(ABSENCE).whereabouts == {"i1": None} and ("instance", "i1") in watch.cloud.asked

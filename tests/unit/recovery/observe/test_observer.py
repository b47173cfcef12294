# SPDX-License-Identifier: Apache-2.0
"""The snapshot as a whole: what proves a host dead, what others see to, and how much is asked for it."""

import pytest

from nova_ha.cloud.nova import Unreachable
from tests.unit.recovery.observe.watch import Watch
from tests.unit.worlds import OURS, instance, living, record, service


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

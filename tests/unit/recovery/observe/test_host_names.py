# SPDX-License-Identifier: Apache-2.0
"""Which of Nova's hosts the cluster's names mean."""

import pytest

from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Services
from tests.unit.recovery.observe.watch import Watch
from tests.unit.worlds import OURS, service


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

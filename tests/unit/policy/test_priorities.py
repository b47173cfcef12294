# SPDX-License-Identifier: Apache-2.0
"""In what order instances are recovered: groups, priorities, turns."""

import collections
import random
import time
from types import SimpleNamespace

import pytest

from nova_ha.policy.priorities import Order
from tests.unit.worlds import instance

ORDER = Order(groups=("databases", "Web"))


def written(metadata=None, flavor=None, key="nova-ha:priority"):
    """An instance whose metadata and flavor say these under a key; None: nothing."""
    return instance(
        metadata={} if metadata is None else {key: metadata},
        extra_specs={} if flavor is None else {key: flavor},
    )


@pytest.mark.parametrize(
    ("metadata", "flavor", "expected"),
    [
        (None, None, 0),
        ("10", None, 10),
        (None, "10", 10),
        ("5", "10", 5),
        ("0", "10", 0),
        ("-3", None, -3),
        ("+3", None, 3),
        (" 7\n", None, 7),
        ("007", None, 7),
        ("9" * 255, None, int("9" * 255)),
        ("high", None, 0),
        ("high", "10", 0),  # metadata decides, even if it says nothing sensible
        ("", "10", 0),
        ("", None, 0),
        ("1.5", None, 0),
        ("1e3", None, 0),
        ("1_000", None, 0),
        ("0x10", None, 0),
        ("--1", None, 0),
        ("-", None, 0),
        ("1 2", None, 0),
        ("٣", None, 0),  # a digit, but no ASCII one
        (None, "high", 0),
    ],
)
def test_priority(metadata, flavor, expected):
    assert ORDER.priority(written(metadata, flavor)) == expected


@pytest.mark.parametrize(
    ("metadata", "flavor", "expected"),
    [
        (None, None, 2),
        ("databases", None, 0),
        ("web", None, 1),
        ("WEB", None, 1),
        (" Databases ", None, 0),
        (None, "web", 1),
        ("databases", "web", 0),
        ("caches", "web", 2),
        ("", "web", 2),
        ("data", None, 2),
    ],
)
def test_group(metadata, flavor, expected):
    assert ORDER.group(written(metadata, flavor, "nova-ha:group")) == expected


def test_without_groups_all_are_in_the_same():
    assert Order().group(written("databases", key="nova-ha:group")) == 0


def test_keys_are_configured_and_empty_ones_never_match():
    mine = instance(metadata={"prio": "4", "team": "web", "nova-ha:priority": "9", "nova-ha:group": "databases"})
    named = Order("prio", "team", ("databases", "web"))
    unnamed = Order("", "", ("databases", "web"))
    assert (named.priority(mine), named.group(mine)) == (4, 1)
    assert (unnamed.priority(mine), unnamed.group(mine)) == (0, 2)


def test_the_section_of_the_configuration():
    options = SimpleNamespace(priority_key="prio", group_key="team", groups=["a", "b"], group_patience=300)
    assert Order.from_options(options) == Order("prio", "team", ("a", "b"))
    assert hash(Order.from_options(options)) == hash(Order("prio", "team", ("a", "b")))


def item(name, priority=None, group=None):
    """Something to do about an instance; ``name`` is its host's letter and its place in that host's queue."""
    metadata = {"nova-ha:priority": priority, "nova-ha:group": group}
    return SimpleNamespace(
        name=name, instance=instance(metadata={key: str(value) for key, value in metadata.items() if value is not None})
    )


def names(queues):
    return " ".join(found.name for found in ORDER.arrange(queues))


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        ([], ""),
        ([[], []], ""),
        ([[item("a1"), item("a2")]], "a1 a2"),
        ([[item("a1"), item("a2"), item("a3")], [item("b1")]], "a1 b1 a2 a3"),
        ([[item("a1")], [], [item("c1"), item("c2")], [item("d1")]], "a1 c1 d1 c2"),
        ([[item("a1", 1), item("a2", 5)], [item("b1", 3), item("b2", 5)]], "a2 b2 b1 a1"),
        ([[item("a1"), item("a2", -1)], [item("b1", -1), item("b2")]], "a1 b2 a2 b1"),
        # A group outweighs any priority.
        ([[item("a1", 99)], [item("b1", 0, "databases"), item("b2", 50, "web")]], "b1 b2 a1"),
        ([[item("a1", 1, "web"), item("a2", 9, "web")], [item("b1", 5, "web")]], "a2 b1 a1"),
        # Turns are counted among equals, not over the whole queue.
        ([[item("a1", 9), item("a2", 9), item("a3"), item("a4")], [item("b1"), item("b2")]], "a1 a2 a3 b1 a4 b2"),
    ],
)
def test_arranged(queues, expected):
    assert names(queues) == expected


def test_items_may_be_anything_that_leads_to_an_instance():
    low, high = written("1"), written("2")
    assert ORDER.arrange([[("low", low)], [("high", high)]], lambda pair: pair[1]) == [("high", high), ("low", low)]


def test_nothing_is_taken_from_the_queues():
    queues = [[item("a1"), item("a2", 3)], [item("b1")]]
    before = [list(queue) for queue in queues]
    ORDER.arrange(queues)
    assert queues == before


def rank(found):
    return ORDER.group(found.instance), -ORDER.priority(found.instance)


def check_fair(found, queues):
    """Among equals: while hosts have items left, none is more than one ahead of another, in the hosts' order."""
    left = collections.defaultdict(collections.Counter)
    for host, queue in enumerate(queues):
        for each in queue:
            left[rank(each)][host] += 1
    served = collections.defaultdict(collections.Counter)
    for each in found:
        waiting = [host for host, count in left[rank(each)].items() if count]
        turn = min(waiting, key=lambda host: (served[rank(each)][host], host))
        assert each.host == turn
        served[rank(each)][turn] += 1
        left[rank(each)][turn] -= 1


def test_any_queues_are_arranged_stably_and_fairly():
    dice = random.Random(20240607)
    unequal = 0
    for _ in range(400):
        queues = []
        for host in range(dice.randint(0, 6)):
            queues.append(
                [
                    item(f"{host}-{place}", dice.choice([None, "x", -1, 0, 7]), dice.choice([None, "web", "databases"]))
                    for place in range(dice.choice([0, 1, 2, 5, 30]))
                ]
            )
            for place, each in enumerate(queues[-1]):
                each.host, each.place = host, place
        found = ORDER.arrange(queues)
        assert sorted(map(id, found)) == sorted(id(each) for queue in queues for each in queue)
        ranks = [rank(each) for each in found]
        assert ranks == sorted(ranks)
        places = collections.defaultdict(list)
        for each in found:
            places[rank(each), each.host].append(each.place)
        assert all(list_ == sorted(list_) for list_ in places.values())
        check_fair(found, queues)
        unequal += len(set(map(len, queues))) > 1
    assert unequal > 200  # the histories are worth something


@pytest.mark.parametrize("hosts", [1, 50, 50_000])
def test_fifty_thousand_instances_are_arranged_at_once(hosts):
    items = [item("", number % 7919, "web" if number % 3 else None) for number in range(1000)]
    queues = [[items[(host + place) % 1000] for place in range(50_000 // hosts)] for host in range(hosts)]
    looked = collections.Counter()

    def instance_of(found):
        looked["times"] += 1
        return found.instance

    before = time.process_time()
    found = ORDER.arrange(queues, instance_of)
    took = time.process_time() - before
    assert (len(found), looked["times"]) == (50_000, 50_000)  # each is looked at once
    assert took < 2.0  # seconds; measured 0.2

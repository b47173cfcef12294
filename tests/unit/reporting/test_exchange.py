# SPDX-License-Identifier: Apache-2.0
"""What control nodes tell each other of the history: who gives what to whom, in one word that is not too long."""

import base64
import json
import random
import uuid
import zlib

import pytest

from nova_ha.cluster.private_attributes import LONGEST
from nova_ha.reporting import exchange
from nova_ha.reporting.exchange import Offer
from tests.unit.cli.scenes import event

A, B = "nova-evacuate@control-1.00000001", "nova-evacuate@control-2.00000002"


@pytest.mark.parametrize(
    ("have", "others", "wanted"),
    [
        ({A: 5}, {}, {}),
        ({A: 5}, {"c2": {A: 5}}, {}),
        ({A: 5}, {"c2": {A: 3}, "c3": {}}, {A: 0}),
        # Another has more, or has the same and comes first.
        ({A: 5}, {"c2": {A: 6}, "c3": {}}, {}),
        ({A: 5}, {"c0": {A: 5}, "c3": {}}, {}),
        ({A: 5}, {"c2": {A: 5}, "c3": {}}, {A: 0}),
        ({A: 5, B: 2}, {"c2": {A: 5}}, {B: 0}),
    ],
)
def test_the_one_that_has_the_most_gives(have, others, wanted):
    assert exchange.wanted("c1", have, others) == wanted


@pytest.mark.parametrize(
    ("have", "first", "oldest", "number", "taken"),
    [
        (0, 1, True, 2, True),
        (2, 3, False, 1, True),
        (2, 2, False, 2, True),
        (2, 1, True, 2, False),  # all known
        (2, 4, False, 1, False),  # one is missing, which the other has
        (2, 4, True, 1, True),  # one is missing, which nobody has
        (2, 3, False, 0, False),
    ],
)
def test_lines_are_taken_where_they_follow_on_what_is_known(have, first, oldest, number, taken):
    assert exchange.is_next(have, Offer(first, oldest, [event()] * number)) is taken


def random_events(number):
    """As different as Nova's ids make them."""
    chance = random.Random(1)
    ids = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(2 * number)]
    return [
        event(instance=mine, request=f"req-{theirs}", reason="its host is dead", time=chance.random() * 1e9)
        for mine, theirs in zip(ids, ids[number:])  # noqa: B905
    ]


def test_as_many_lines_are_told_as_fit_and_from_the_first_on():
    lines = random_events(2000)
    word = exchange.packed({A: 2000}, [(A, Offer(1, True, lines))], LONGEST)
    assert LONGEST * 0.6 < len(word) <= LONGEST
    told = exchange.unpacked(word)
    assert told.have == {A: 2000}
    offer = told.offers[A]
    assert (offer.first, offer.oldest, offer.lines) == (1, True, lines[: len(offer.lines)])
    # What an engine tells in two looks of the others.
    assert len(offer.lines) > 300


def test_lines_of_several_logs_are_told_and_lines_that_could_not_be_read():
    offers = [(A, Offer(3, False, [event(), None])), (B, Offer(1, True, [event(number=2)]))]
    assert exchange.unpacked(exchange.packed({A: 4, B: 1}, offers, LONGEST)).offers == dict(offers)


def test_without_room_for_a_line_what_a_node_has_is_told_all_the_same():
    word = exchange.packed({A: 1}, [(A, Offer(1, True, random_events(1)))], 150)
    assert exchange.unpacked(word) == ({A: 1}, {})


def word(value):
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()


@pytest.mark.parametrize(
    "text",
    ["", "x", "!", base64.b64encode(b"x").decode(), word([]), word({"have": 1, "offers": {}}), word({"have": {}})],
)
def test_what_is_no_word_of_ours_is_left(text):
    assert exchange.unpacked(text) is None


@pytest.mark.parametrize("name", ["../../etc/passwd", "a@b", "a@b.01234567/x", "a@../b.01234567", "a b@c.01234567", ""])
def test_what_would_name_another_file_is_left_out(name):
    told = exchange.unpacked(word({"have": {name: 1, A: 1}, "offers": {name: [1, True, []], A: [1, True, []]}}))
    assert (set(told.have), set(told.offers)) == ({A}, {A})


@pytest.mark.parametrize(
    "offer", [1, [1, True], [0, True, []], ["1", True, []], [1, True, {}], [1, True, [1]], [1, True, [{"time": 1}]]]
)
def test_what_is_no_event_is_left_out(offer):
    assert exchange.unpacked(word({"have": {A: 1}, "offers": {A: offer}})).offers == {}


def test_a_word_that_would_become_huge_is_left():
    bomb = base64.b64encode(zlib.compress(b'{"have":{},"offers":{}' + b" " * 50_000_000 + b"}")).decode()
    assert exchange.unpacked(bomb) is None

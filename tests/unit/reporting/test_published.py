# SPDX-License-Identifier: Apache-2.0
"""The engine's account in one word: whole where it fits, and never without what needs an operator."""

import random
import re

import pytest

from nova_ha.reporting.published import packed, unpacked

ROOM = 60_000


def report(instances, troubled=0, hosts=1):
    chance = random.Random(7)

    def about(needs_operator):
        return {"name": f"{chance.getrandbits(256):064x}", "needs_operator": needs_operator, "doing": "wait"}

    def host():
        of_host = {f"{chance.getrandbits(128):032x}": about(number < troubled) for number in range(instances)}
        return {"flag": "yes", "counts": {"wait": instances}, "instances": of_host}

    of_all = {f"compute-{number}": host() for number in range(hosts)}
    return {"schema": 1, "state": "working", "reason": "r", "time": 1.0, "pid": 7, "events": [1], "hosts": of_all}


def test_all_is_told_but_events_and_what_changes_each_time():
    told = report(30, 2)
    word = packed(told, "Keystone refuses it", ROOM)
    assert re.fullmatch("[A-Za-z0-9+/=]+", word)
    of_interest = {key: value for key, value in told.items() if key not in ("time", "pid", "events")}
    assert unpacked(word) == {**of_interest, "complaint": "Keystone refuses it"}
    assert word == packed({**told, "time": 2.0, "events": []}, "Keystone refuses it", ROOM)


@pytest.mark.parametrize(
    ("told", "kept"),
    [(report(4000, 3), 3), (report(4000, 500), 500), (report(4000, 4000), 20), (report(100, 100, 60), 1)],
    ids=["many", "many in trouble", "all in trouble", "many hosts"],
)
def test_where_there_is_no_room_for_all_those_in_trouble_are_told(told, kept):
    word = packed(told, None, ROOM)
    assert len(word) <= ROOM
    for host, about in unpacked(word)["hosts"].items():
        assert about["counts"] == told["hosts"][host]["counts"]
        assert [each["needs_operator"] for each in about["instances"].values()] == [True] * kept


def test_it_always_fits():
    word = packed(report(1, 1, 3000), None, ROOM)
    assert len(word) <= ROOM
    assert unpacked(word)["hosts"] == {}


@pytest.mark.parametrize("word", ["", "x", "QUJD", "\N{SNOWMAN}"])
def test_what_is_none_is_told_from_one(word):
    assert unpacked(word) is None

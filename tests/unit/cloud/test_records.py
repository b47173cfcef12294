# SPDX-License-Identifier: Apache-2.0
"""What is read of the many records of a host's evacuations, against a Nova that lists them as the real one does."""

import datetime
import json
import random
import urllib.parse

import pytest
import requests

from nova_ha.cloud.reader import NovaReader
from nova_ha.cloud.records import REFRESH

PAGE = 20  # Nova's limit of a list
HOST = "compute-1"
BEHIND = 590.0  # seconds by which a control node's clock may be behind
BEGINNING = datetime.datetime(2026, 1, 1)


class Table:
    """Nova's records, which its API lists by the time at which they were made, newest first, and that time."""

    def __init__(self):
        self.now = 0.0
        self.rows = []
        self.asked = []
        self.away = False  # the cell's database: Nova's list leaves it out without a word
        self.nova = NovaReader(self, clock=lambda: self.now)

    def add(self, status="error", behind=0.0):
        number = len(self.rows) + 1
        row = {"id": number, "uuid": f"u{number}", "instance_uuid": f"i{number % 7}", "status": status}
        where = {"source_compute": HOST, "dest_compute": None}
        self.rows.append({**row, **where, "created_at": self._time(behind), "updated_at": None})

    def change(self, row, status, behind=0.0):
        row.update(status=status, dest_compute="compute-2", updated_at=self._time(behind))

    def read(self):
        self.asked.clear()
        return [(record.id, record.status, record.destination) for record in self.nova.migrations(HOST)]

    def truth(self):
        return [(row["id"], row["status"], row["dest_compute"]) for row in self.rows]

    def _time(self, behind):
        """The time by a control node whose clock is behind."""
        return f"{BEGINNING + datetime.timedelta(seconds=self.now - behind):%Y-%m-%dT%H:%M:%S.%f}"

    def request(self, _service, _method, url, _body, _microversion):
        """As ``Access.request``."""
        answer = requests.Response()
        answer.status_code, answer._content = 200, json.dumps(self._answer(url)).encode()
        return answer

    def _answer(self, url):
        self.asked.append(url)
        if url.startswith("/os-services"):
            return {"services": [] if self.away else [{"binary": "nova-compute", "host": HOST}]}
        query = dict(urllib.parse.parse_qsl(url.partition("?")[2]))
        found = sorted(self.rows, key=lambda row: (row["created_at"], row["id"]), reverse=True)
        since = query.get("changes-since", "")
        found = [row for row in found if not since or (row["updated_at"] or "") >= since.rstrip("Z")]
        if "marker" in query:
            found = found[[row["uuid"] for row in found].index(query["marker"]) + 1 :]
        limit = min(int(query.get("limit", PAGE)), PAGE)
        page, more = found[:limit], found[limit:]
        if self.away:
            page, more = [], []
        link = urllib.parse.urlencode({**query, "marker": page[-1]["uuid"]}) if more else None
        links = [{"rel": "next", "href": f"http://elsewhere/v2.1/os-migrations?{link}"}] if link else []
        return {"migrations": page, "migrations_links": links}


def old(count=10 * PAGE):
    """A table of many records that were made one after the other, read once."""
    table = Table()
    for _ in range(count):
        table.add()
        table.now += 60.0
    assert table.read() == table.truth()
    return table


def test_many_records_are_not_read_twice():
    table = old()
    assert len(table.asked) == 10
    assert table.read() == table.truth()
    assert len(table.asked) == 2
    table.add("accepted")
    assert table.read() == table.truth()
    assert len(table.asked) == 2


@pytest.mark.parametrize("count", [PAGE, 3 * PAGE])
def test_records_that_are_few_or_new_cost_no_request_more(count):
    table = Table()
    for number in range(count):
        table.now = 1000.0 if number > 2 else 0.0
        table.add("accepted")
    for _ in range(3):
        assert table.read() == table.truth()
        assert len(table.asked) == count // PAGE


@pytest.mark.parametrize("former", ["accepted", "done", "error", "failed", "completed", "a-new-word"])
def test_an_old_record_that_changes_is_read_again(former):
    """None is final: a host that comes back late writes into one that had failed."""
    table = old()
    row = table.rows[3]
    row["status"] = former
    table.now += REFRESH  # all is read anew
    assert table.read() == table.truth()
    table.now += 10.0
    table.change(row, "pre-migrating", behind=BEHIND)
    assert table.read() == table.truth()
    assert len(table.asked) == 2


def test_a_new_record_by_a_clock_that_is_behind_is_read():
    table = old()
    table.add("accepted", behind=BEHIND)
    assert table.read() == table.truth()


def test_a_record_that_nova_does_not_list_any_more_is_dropped_after_a_while():
    table = old()
    gone = table.rows.pop(5)
    assert gone["id"] in [id for id, _, _ in table.read()]
    table.now += 3600.0
    assert table.read() == table.truth()


def test_a_cell_that_does_not_answer_is_not_taken_for_one_in_which_nothing_changed():
    table = old()
    table.away = True
    with pytest.raises(Exception, match="its cell does not answer"):
        table.read()


def test_whatever_happens_to_records_is_read():
    chance = random.Random(13)
    table = Table()
    requests = pages = 0
    for _ in range(800):
        table.now += chance.choice([0.1, 1.0, 5.0, 60.0])
        for _ in range(chance.choice([0, 0, 1, 3])):
            table.add(chance.choice(["accepted", "error"]), chance.uniform(0, BEHIND / 2))
        for row in chance.sample(table.rows, min(len(table.rows), chance.choice([0, 0, 1, 2]))):
            table.change(row, chance.choice(["accepted", "done", "completed", "failed"]), chance.uniform(0, BEHIND / 2))
        assert table.read() == table.truth()
        requests, pages = requests + len(table.asked), pages + 1 + len(table.rows) // PAGE
    assert requests < pages / 2

# SPDX-License-Identifier: Apache-2.0
"""What the tenant may expect, by what he asked for and was told."""

import pytest

from tests.campaign.account import Done, expected
from tests.lab.history import GONE, RUNNING, STOPPED, UNSURE, FlagChange

FLAGGED = (FlagChange(110, "a", "yes"),)


def done(what, time=100, accepted=True, confirmed=True, answered=100.2):
    return Done(time, what, "i", "a", accepted, confirmed, answered)


@pytest.mark.parametrize(
    ("deed", "forgets", "state"),
    [
        pytest.param(done("stop"), False, STOPPED, id="stopped"),
        pytest.param(done("delete"), False, GONE, id="deleted"),
        pytest.param(done("create"), False, RUNNING, id="made"),
        pytest.param(done("stop", confirmed=False), False, STOPPED, id="a-stop-that-nova-accepted-is-owed"),
        pytest.param(done("stop", confirmed=False), True, UNSURE, id="unless-nova-may-have-lost-it"),
        pytest.param(done("stop", accepted=False, confirmed=False, answered=None), False, UNSURE, id="no-answer"),
        pytest.param(done("create", confirmed=False), False, UNSURE, id="never-seen-to-run"),
        pytest.param(done("stop", time=109, answered=109.1), False, UNSURE, id="met-the-flag"),
        pytest.param(done("stop", time=111, answered=111.1), False, UNSURE, id="met-the-flag-late"),
        pytest.param(done("stop", time=105, answered=109), False, UNSURE, id="answered-at-the-flag"),
        pytest.param(done("create", time=109), False, RUNNING, id="what-runs-is-owed-whatever-its-host-does"),
    ],
)
def test_what_is_owed(deed, forgets, state):
    assert expected({"i": RUNNING}, [deed], FLAGGED, forgets) == {"i": state}


def test_what_was_there_stays_and_the_last_deed_counts():
    deeds = [done("create", 50), done("stop", 60), done("delete", 70)]
    assert expected({"j": STOPPED}, deeds, (), False) == {"j": STOPPED, "i": GONE}


def test_a_create_whose_answer_was_lost_promises_nothing():
    assert expected({}, [Done(1, "create")], (), False) == {}

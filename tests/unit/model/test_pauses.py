# SPDX-License-Identifier: Apache-2.0
"""Pauses, as the cluster's configuration keeps them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_ha.model.pauses import ALL, HOST, Pause, UnknownPause, read, standing, written

# st.text() would write a table of all characters into the tree.
CHARACTERS = " :;%+/'\"<>&=\n\tab\N{LATIN SMALL LETTER E WITH ACUTE}\N{SNOWMAN}"
TEXTS = st.lists(st.sampled_from(CHARACTERS), max_size=30).map("".join)
TIMES = st.integers(1, 2**40)
PAUSES = st.builds(Pause, st.sampled_from([ALL, HOST]), TEXTS, TIMES, st.none() | TIMES, TEXTS, TEXTS)


@settings(database=None, deadline=None, derandomize=True)
@given(st.lists(PAUSES))
def test_what_is_written_is_read_and_holds_no_quotes(pauses):
    text = written(pauses)
    assert read(text) == pauses
    assert (text is None) == (not pauses)
    assert not set(text or "") & set("'\"<>&")


@pytest.mark.parametrize("text", ["yes", "all:::::", "all::x::a:b", "rack::1::a:b", "all::1:y:a:b", "a:b:c:d:e:f:g"])
def test_what_somebody_else_wrote_is_told(text):
    with pytest.raises(UnknownPause, match=text):
        read(text)


@pytest.mark.parametrize(
    ("scope", "name", "until", "now", "holds"),
    [
        (ALL, "", None, 10, True),
        (ALL, "", 10, 9.9, True),
        (ALL, "", 10, 10, False),
        (HOST, "compute-1", None, 10, True),
        (HOST, "COMPUTE-1", None, 10, True),
        (HOST, "compute-2", None, 10, False),
    ],
)
def test_whom_a_pause_holds_and_until_when(scope, name, until, now, holds):
    found = standing([Pause(scope, name, 0, until, "alice", "why")], now)
    assert any(pause.is_about("compute-1") for pause in found) is holds

# SPDX-License-Identifier: Apache-2.0
"""Failures of instances, as a host tells them."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_ha.cluster.private_attributes import LONGEST
from nova_ha.model.instance_failures import HostFailures, InstanceFailure, Kind, plain, read, written

# st.text() would write a table of all characters into the tree.
CHARACTERS = " ;,:%+/'\"<>&=\n\t-_.ab01\N{LATIN SMALL LETTER E WITH ACUTE}\N{ARABIC-INDIC DIGIT ONE}\udcff"
TEXTS = st.lists(st.sampled_from(CHARACTERS), max_size=60).map("".join)
FAILURES = st.builds(
    InstanceFailure,
    st.uuids().map(str),
    st.sampled_from(Kind),
    st.integers(0, 10**11 - 1),
    st.integers(0, 2**32 - 1).map("{:08x}".format),
    TEXTS.map(plain),
)
HYPOTHESIS = settings(database=None, deadline=None, derandomize=True)
LOST = InstanceFailure(str(uuid.UUID(int=1)), Kind.CRASHED, 1764480000, "0badcafe", "failed")
FULL = InstanceFailure(str(uuid.UUID(int=2)), Kind.IO_ERROR, 1764480001, "00000001", "enospc")
TEXT = (
    "1;00000000-0000-0000-0000-000000000001,crashed,1764480000,0badcafe,failed"
    ";00000000-0000-0000-0000-000000000002,io_error,1764480001,00000001,enospc"
)


def test_the_form_that_hosts_of_other_versions_write():
    assert written([FULL, LOST], LONGEST) == TEXT
    assert read(TEXT) == HostFailures((LOST, FULL))


def test_a_host_without_failures_tells_so():
    assert written([], LONGEST) == "1"
    assert read("1") == HostFailures()


@HYPOTHESIS
@given(st.lists(FAILURES, unique_by=lambda failure: failure.instance))
def test_what_is_written_is_read_and_is_one_plain_word_in_whatever_order_it_was_found(failures):
    text = written(failures, LONGEST)
    found = read(text)
    assert set(found.failures) == set(failures)
    assert found.problem is None
    assert not set(text) & set(" \t\n'\"<>&")
    assert text.isascii()
    assert written(reversed(failures), LONGEST) == text


@HYPOTHESIS
@given(TEXTS | TEXTS.map("1;".__add__) | st.tuples(st.integers(0, len(TEXT)), TEXTS, st.integers(0, len(TEXT))))
def test_garbage_is_told_in_one_line_and_never_raises(text):
    if isinstance(text, tuple):
        begin, middle, end = text
        text = TEXT[:begin] + middle + TEXT[end:]
    found = read(text)
    if found.problem is None:
        assert read(written(found.failures, LONGEST)).failures == found.failures
    else:
        assert found.problem.isascii()
        assert found.problem.isprintable()
        assert len(found.problem) < 500


@pytest.mark.parametrize(
    "strange",
    [
        "00000000-0000-0000-0000-000000000003,melted,1764480000,0badcafe,",
        "00000000-0000-0000-0000-000000000001,hung,1764480000,0badcafe,",
        "../../etc/passwd,crashed,1764480000,0badcafe,",
        "00000000-0000-0000-0000-000000000003,crashed,-1,0badcafe,",
        "00000000-0000-0000-0000-000000000003,crashed,1764480000,0badcafe,a b",
        "",
    ],
    ids=["a newer kind", "an instance told twice", "no id", "no time", "no detail", "nothing"],
)
def test_what_is_strange_is_told_and_the_rest_holds(strange):
    found = read(f"{TEXT};{strange}")
    assert found.failures == (LOST, FULL)
    assert found.problem.startswith(f"1 of 3 failed instances cannot be understood: '{strange[:60]}")


def test_another_version_tells_nothing_that_would_be_understood():
    found = read(TEXT.replace("1;", "2;", 1))
    assert found.failures == ()
    assert "version '2'" in found.problem


def test_a_host_with_200_failed_instances_tells_all_and_one_with_too_many_the_oldest():
    many = [InstanceFailure(str(uuid.UUID(int=n)), Kind.IO_ERROR, 10**9 + n, f"{n:08x}", "x" * 40) for n in range(2000)]
    assert read(written(many[:200], LONGEST)).failures == tuple(many[:200])
    text = written(many, LONGEST)
    told = read(text)
    assert len(text) <= LONGEST
    assert told == HostFailures(tuple(many[: len(told.failures)]))
    assert len(told.failures) > 500

# SPDX-License-Identifier: Apache-2.0
"""Small pure rules: the flag's values, host names, the mark in Nova."""

import pytest

from nova_ha import flag, mark
from nova_ha.hostnames import AmbiguousName, resolve
from tests.unit.worlds import service


@pytest.mark.parametrize(
    ("value", "stands", "claimant"),
    [
        (None, False, None),
        ("", False, None),
        ("no", False, None),
        ("yes", True, None),
        ("control-1@1700000000", True, "control-1"),
        ("a@b@1700000000", True, "a@b"),
        ("gibberish", True, None),
    ],
)
def test_what_a_flag_says(value, stands, claimant):
    assert (flag.stands(value), flag.claimant(value)) == (stands, claimant)


def test_a_claim_names_its_node():
    assert flag.claimant(flag.claim("control-1", 1700000000.9)) == "control-1"


@pytest.mark.parametrize(
    ("name", "known", "domain", "found"),
    [
        ("c1", ["c1", "c1.a"], None, "c1"),
        ("c1", ["c1.a", "c2.a"], None, "c1.a"),
        ("c1.a", ["c1", "c2"], None, "c1"),
        ("c1.a", ["c1.b"], None, None),
        ("c1", ["c1.a", "c1.b"], "b", "c1.b"),
        ("c1", ["c2"], None, None),
        ("c1", [], None, None),
    ],
)
def test_one_host_several_names(name, known, domain, found):
    assert resolve(name, known, domain) == found


def test_a_name_that_may_mean_two_hosts_is_an_error():
    with pytest.raises(AmbiguousName, match="c1.a or c1.b"):
        resolve("c1", ["c1.a", "c1.b"])


@pytest.mark.parametrize("reason", ["bad RAM", "nova-ha sucks", "ü" * 20])
def test_the_mark_gives_the_operators_reason_back(reason):
    marked = service(enabled=False, reason=mark.mark(service(enabled=False, reason=reason)))
    assert mark.is_marked(marked)
    assert mark.reason_before(marked) == reason
    assert mark.mark(marked) is None


def test_a_service_that_was_enabled_is_marked_so():
    marked = service(enabled=False, reason=mark.mark(service(enabled=True, reason=None)))
    assert mark.is_marked(marked)
    assert mark.reason_before(marked) is None

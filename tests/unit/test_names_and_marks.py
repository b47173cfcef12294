# SPDX-License-Identifier: Apache-2.0
"""Small pure rules: the flag's values, host names, the mark in Nova."""

import pytest

from nova_ha.model import disabled_reason, flag
from nova_ha.model.hostnames import AmbiguousName, are_one, resolve
from tests.unit.worlds import living, service


@pytest.mark.parametrize(
    ("value", "stands", "claimant"),
    [
        (None, False, None),
        ("", False, None),
        ("no", False, None),
        ("yes", True, None),
        ("go", True, None),
        ("control-1@1700000000", True, "control-1"),
        ("a@b@1700000000", True, "a@b"),
        ("gibberish", True, None),
    ],
)
def test_what_a_flag_says(value, stands, claimant):
    assert (flag.stands(value), flag.claimant(value)) == (stands, claimant)


@pytest.mark.parametrize(
    ("value", "is_dead"),
    [("yes", True), ("go", True), ("control-1@17", True), ("gibberish", True), ("no", False), ("restart", False)]
    + [("", False), (None, False)],
)
def test_whether_a_flag_says_that_its_host_is_dead(value, is_dead):
    assert flag.is_dead(value) is is_dead


def test_a_nova_compute_that_is_to_start_once_more_is_kept_off_meanwhile():
    assert flag.stands("restart") and not flag.is_dead("restart")


@pytest.mark.parametrize("value", [flag.FLAGGED, flag.GO, flag.RECOVERED, flag.RESTART, "", None])
def test_no_value_of_its_own_is_taken_for_a_claim(value):
    assert flag.claimant(value) is None


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
        # Without regard to case, of which an exact match is more.
        ("C1", ["c1"], None, "c1"),
        ("c1", ["C1.A", "c2.a"], None, "C1.A"),
        ("c1", ["c1", "C1"], None, "c1"),
        ("c1", ["C1.A", "c1.b"], "a", "C1.A"),
        ("C1.a", ["c1.A", "c1.b"], "b", "c1.A"),
        # With a domain, a like-named host of another one is another host; and so is one of which no domain is known.
        ("c1", ["c1.a"], "b", None),
        ("c1.b", ["c1.a"], "a", None),
        ("c1.b", ["c1"], "b", None),
        ("c1", ["c1", "c1.b"], "b", "c1"),
    ],
)
def test_one_host_several_names(name, known, domain, found):
    assert resolve(name, known, domain) == found


@pytest.mark.parametrize(
    ("name", "other", "domain", "are"),
    [
        ("c1", "C1", None, True),
        ("c1", "c1.a", None, True),
        ("c1.a", "c1.b", None, False),
        ("c1", "c1.a", "a", True),
        ("c1", "c1.a", "b", False),
        ("c1", "c11", None, False),
    ],
)
def test_whether_two_names_are_one_host_s(name, other, domain, are):
    assert are_one(name, other, domain) is are_one(other, name, domain) is are


@pytest.mark.parametrize(
    ("name", "known", "domain", "text"),
    [
        ("c1", ["c1.b", "c1.a"], None, "c1.a or c1.b: set the parameter domain"),
        ("c1.A", ["c1.a", "C1.a"], None, "C1.a or c1.a: remove the one that is no host"),
        ("c1", ["c1.A", "C1.a"], "a", "C1.a or c1.A"),
    ],
)
def test_a_name_that_may_mean_two_hosts_is_an_error(name, known, domain, text):
    with pytest.raises(AmbiguousName, match=text):
        resolve(name, known, domain)


OURS = "nova-ha: being recovered"


@pytest.mark.parametrize("reserved", [None, "spare-1", "spare-1.rack-7.example.org"])
@pytest.mark.parametrize(
    "reason",
    ["", "bad RAM", "nova-ha sucks", "ü" * 20, "x; was disabled: y", "; reserve: z", "two\nlines", "nova-ha: reserved"],
)
def test_the_mark_gives_the_operators_reason_back(reason, reserved):
    marked = service(reason=disabled_reason.mark(service(reason=reason), reserved))
    assert disabled_reason.is_marked(marked) and disabled_reason.is_marked(
        service(reason=marked.disabled_reason.strip())
    )
    assert disabled_reason.reason_before(marked) == reason
    assert disabled_reason.reserve(marked) == reserved
    assert disabled_reason.mark(marked) is None and disabled_reason.mark(marked, "spare-2") is None


@pytest.mark.parametrize("reason", ["bad RAM", "", None])
@pytest.mark.parametrize("reserved", [None, "spare-1"])
def test_the_mark_of_a_held_host_becomes_that_of_one_that_is_recovered(reason, reserved):
    seen = living(reason=None) if reason is None else service(reason=reason)
    held = service(reason=disabled_reason.held(seen))
    assert (
        disabled_reason.is_marked(held)
        and not disabled_reason.is_under_way(held)
        and disabled_reason.held(held) is None
    )
    marked = service(reason=disabled_reason.mark(held, reserved))
    assert disabled_reason.is_under_way(marked) and disabled_reason.held(marked) is None
    assert disabled_reason.reserve(marked) == reserved and disabled_reason.reserve(held) is None
    assert disabled_reason.reason_before(held) == disabled_reason.reason_before(marked) == reason


def test_of_a_long_reason_of_a_held_host_the_beginning_is_kept():
    held = service(reason=disabled_reason.held(service(reason="x" * 255)))
    marked = service(reason=disabled_reason.mark(held, "spare-1"))
    for each in (held, marked):
        assert len(each.disabled_reason) == 255 and disabled_reason.reason_before(each).startswith("x" * 150)


@pytest.mark.parametrize("reserved", [None, "spare-1"])
@pytest.mark.parametrize("leftover", [None, "bad RAM", OURS])
def test_a_service_that_was_enabled_is_marked_so(leftover, reserved):
    """Nova may keep the last reason of a service that is enabled."""
    marked = service(reason=disabled_reason.mark(living(reason=leftover), reserved))
    assert disabled_reason.is_marked(marked)
    assert disabled_reason.reason_before(marked) is None
    assert disabled_reason.reserve(marked) == reserved


@pytest.mark.parametrize(
    ("before", "reserved", "marked"),
    [
        (living(), None, OURS),
        (service(reason="AUTO: Connection to libvirt lost: 1"), "spare-1", f"{OURS}; reserve: spare-1"),
        (service(reason="AUTO: " + "x" * 249), None, OURS),
        (service(reason="AUTOMATIC: by Bob"), None, f"{OURS}; was disabled: AUTOMATIC: by Bob"),
        (living(), "spare-1", f"{OURS}; reserve: spare-1"),
        (service(reason="bad RAM"), "spare-1", f"{OURS}; reserve: spare-1; was disabled: bad RAM"),
        (service(reason=None), None, f"{OURS}; was disabled"),
        (service(reason=""), "spare-1", f"{OURS}; reserve: spare-1; was disabled"),
        (service(reason="x" * (255 - len(f"{OURS}; was disabled: "))), None, "fits"),
        (service(reason="x" * (256 - len(f"{OURS}; was disabled: "))), None, "cut"),
        (service(reason="x" * (255 - len(f"{OURS}; was disabled: "))), "spare-1", "cut"),
    ],
)
def test_what_a_service_is_marked_with(before, reserved, marked):
    found = disabled_reason.mark(before, reserved)
    if marked in ("fits", "cut"):
        assert len(found) == 255 and found.endswith("xxx" if marked == "fits" else "xx...")
        assert (
            disabled_reason.is_marked(service(reason=found))
            and disabled_reason.reserve(service(reason=found)) == reserved
        )
    else:
        assert found == marked


@pytest.mark.parametrize(
    ("seen", "is_marked"),
    [
        (service(reason=OURS), True),
        (service(reason=f"{OURS}; was disabled: bad RAM"), True),
        (service(reason="bad RAM"), False),
        (service(reason=f"bad RAM; {OURS}"), False),
        (service(reason=None), False),
        (living(reason=OURS), False),
    ],
)
def test_what_is_marked(seen, is_marked):
    assert disabled_reason.is_marked(seen) is is_marked


def test_a_host_that_nova_had_disabled_by_itself_is_enabled_at_the_end():
    """Also where an engine of before wrote that reason into its mark."""
    marked = service(reason=disabled_reason.mark(service(reason="AUTO: Connection to libvirt lost: 1")))
    assert disabled_reason.is_marked(marked) and disabled_reason.reason_before(marked) is None
    assert (
        disabled_reason.reason_before(service(reason=f"{OURS}; was disabled: AUTO: Connection to libvirt lost: 1"))
        is None
    )


@pytest.mark.parametrize("reason", [f"{OURS} by Bob", f"{OURS}, says the rack's owner"])
def test_an_operators_words_are_not_taken_for_the_mark(reason):
    """It would be enabled at the end."""
    marked = service(reason=disabled_reason.mark(service(reason=reason)))
    assert disabled_reason.reason_before(marked) == reason

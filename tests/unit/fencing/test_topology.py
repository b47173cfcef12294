# SPDX-License-Identifier: Apache-2.0
"""The fencing topology as Pacemaker's fencer reads it: which levels are a host's, and which are nobody's."""

import os
import subprocess
from xml.etree import ElementTree

import pytest

from nova_ha.fencing import posix_regex, topology
from nova_ha.fencing.posix_regex import InvalidPattern


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("compute-[[:digit:]]+", "compute-12", True),
        ("compute-[0-9]+$", "compute-12", True),
        ("compute-1", "my-compute-12", True),
        ("^compute-1$", "compute-12", False),
        ("", "compute-1", True),
        ("compute-(1|2)", "compute-2", True),
        ("compute-.{2}", "compute-1", False),
        ("COMPUTE-1", "compute-1", False),
        # Python's language.
        (r"compute-\d+", "compute-12", False),
    ],
)
def test_a_pattern_is_the_c_library_s(pattern, text, is_match):
    assert posix_regex.is_match(pattern, text) is is_match
    # The same as another program that matches by it.
    grep = subprocess.run(["grep", "-qE", "-e", pattern], input=text, text=True, env={**os.environ, "LC_ALL": "C"})
    assert (grep.returncode == 0) is is_match


@pytest.mark.parametrize("pattern", ["compute-(?:1|2)", "(?i)compute", "compute-(", "compute-[", "compute-{2,1}"])
def test_a_pattern_that_the_c_library_does_not_take(pattern):
    with pytest.raises(InvalidPattern, match=r"^\w"):
        posix_regex.is_match(pattern, "compute-1")


def test_many_patterns_are_matched_in_turn():
    assert [posix_regex.is_match(f"^c-{n}$", "c-7") for n in range(1000)].index(True) == 7


def level(devices="ipmi,flag", index="1", id="l", **target):
    given = {"id": id, "index": index, "devices": devices}
    given.update({name.replace("_", "-"): value for name, value in target.items()})
    return ElementTree.Element("fencing-level", given)


def numbered(*levels):
    for number, each in enumerate(levels):
        each.set("id", f"l-{number}")
    return levels


def has(*pairs):
    return lambda name, value: (name, value) in pairs


def devices(levels, name="compute-1", has_attribute=None):
    return topology.devices(levels, name, has_attribute or has())


@pytest.mark.parametrize(
    ("target", "is_ours"),
    [
        ({"target": "compute-1"}, True),
        ({"target": "COMPUTE-1"}, True),
        ({"target": "compute-11"}, False),
        ({"target": "compute-."}, False),
        ({"target_pattern": "compute-[[:digit:]]+"}, True),
        ({"target_pattern": "compute-.*"}, True),
        ({"target_pattern": r"compute-\d+"}, False),
        ({"target_pattern": "Compute-1"}, False),
        ({"target_pattern": ""}, True),
        ({"target_attribute": "rack", "target_value": "1"}, True),
        ({"target_attribute": "rack", "target_value": "2"}, False),
        ({"target_attribute": "rack"}, False),
        ({}, False),
        # The schema knows no such level, and Pacemaker goes by the target.
        ({"target": "compute-2", "target_pattern": "compute-1"}, False),
    ],
)
def test_whose_a_level_is(target, is_ours):
    found = devices([level(**target)], has_attribute=has(("rack", "1")))
    assert found == ([["ipmi", "flag"]] if is_ours else [])


def test_only_the_letters_of_ascii_have_a_case():
    # As for strcasecmp. The sign for kelvin is casefolded to a k.
    assert devices([level(target="\u212a-1")], "k-1") == []


def test_the_name_is_the_one_that_pacemaker_was_given():
    # As of pcs stonith fence COMPUTE-1: a pattern does not match that, and a name does.
    pattern, name = level(target_pattern="compute-.*"), level(target="compute-1")
    assert devices([pattern], "COMPUTE-1") == []
    assert devices([name], "COMPUTE-1") == [["ipmi", "flag"]]


@pytest.mark.parametrize(
    ("index", "counts"),
    [("1", True), ("9", True), ("09", True), ("10", False), ("0", False), ("-1", False), ("one", False)],
)
def test_pacemaker_has_nine_levels(index, counts):
    assert len(devices([level(target="compute-1", index=index)])) == counts


def test_the_levels_come_in_their_order():
    levels = [level(name, index, target="compute-1") for name, index in (("c", "9"), ("a", "1"), ("b", "2"))]
    assert devices(numbered(*levels)) == [["a"], ["b"], ["c"]]


def test_a_level_for_just_this_name_hides_all_others():
    others = [level("p", "2", target_pattern="compute"), level("a", "3", target_attribute="rack", target_value="1")]
    levels = numbered(*others, level("n", target="compute-1"))
    assert devices(levels, has_attribute=has(("rack", "1"))) == [["n"]]
    # Not for it as it is written: then any of them may be taken.
    assert devices(levels, "Compute-1", has(("rack", "1"))) == [["n"], ["a"]]


def test_where_several_patterns_match_any_of_them_may_be_taken():
    levels = numbered(level("p", target_pattern="compute"), level("q", target_pattern="-1"))
    assert devices(levels) == [["p"], ["q"]]


@pytest.mark.parametrize(
    "levels",
    [
        # Pacemaker takes both's devices, or those of the last, as it has come to read them.
        (level("ipmi", target="compute-1"), level("flag", target="compute-1")),
        (level("ipmi", target_pattern="compute"), level("flag", index="01", target_pattern="compute")),
        # These are one entry for Pacemaker, of the kind that was read first.
        (level(target="compute-1"), level(index="2", target_pattern="compute-1")),
    ],
)
def test_levels_of_which_it_depends_on_their_history_what_pacemaker_makes_of_them(levels):
    with pytest.raises(topology.Misconfigured, match="^fencing levels l-0 and l-1 "):
        devices(numbered(*levels))
    assert devices(numbered(*levels), "other") == []


def test_two_targets_that_differ_in_case_are_two_entries():
    levels = numbered(level("a", target="compute-1"), level("b", target="Compute-1"))
    assert devices(levels) == [["a"]]
    assert devices(levels, "COMPUTE-1") == [["a"], ["b"]]


def test_a_pattern_that_is_none_is_told_of_where_it_may_matter():
    invalid, named = numbered(level(target_pattern="compute-(?:1|2)"), level("n", target="compute-1"))
    assert devices([invalid, named]) == [["n"]]
    with pytest.raises(topology.Misconfigured) as failed:
        devices([invalid, named], "compute-2")
    assert str(failed.value).startswith("target-pattern 'compute-(?:1|2)' of fencing level l-0 is no POSIX extended ")


def test_an_attribute_that_pacemaker_cannot_look_for():
    with pytest.raises(topology.Misconfigured, match="^fencing level l looks for rack='1'"):
        devices([level(target_attribute="rack", target_value="'1'")], has_attribute=has(("rack", "'1'")))


def test_names_of_devices_are_as_they_stand_there():
    assert devices([level("a, b,,c", target="compute-1")]) == [["a", " b", "", "c"]]

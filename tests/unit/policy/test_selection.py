# SPDX-License-Identifier: Apache-2.0
"""Which instances are recovered, and what wins over what."""

import dataclasses
import itertools
import pathlib
from types import SimpleNamespace

import pytest

from nova_ha.model.evacuable_tag import Selection, is_tagged
from nova_ha.policy.priorities import Order
from nova_ha.policy.selection import Policy, Verdict
from tests.unit.worlds import instance

NOTHING_TAGGED = Selection()
TAGGED = Selection(flavors_tagged=True, images=frozenset({"img"}))


@pytest.mark.parametrize(
    ("properties", "tag", "expected"),
    [
        ({}, "evacuable", False),
        ({"evacuable": "true"}, "evacuable", True),
        ({"evacuable": "True"}, "evacuable", True),
        ({"evacuable": True}, "evacuable", True),
        ({"evacuable": "yes"}, "evacuable", False),  # as existing deployments read it
        ({"evacuable": "false"}, "evacuable", False),
        ({"evacuable": ""}, "evacuable", False),
        ({"evacuable": "true"}, "nova-ha:evacuable", False),
        ({"nova-ha:evacuable": "true"}, "nova-ha:evacuable", True),
    ],
)
def test_what_counts_as_tagged(properties, tag, expected):
    assert is_tagged(properties, tag) is expected


@pytest.mark.parametrize(
    ("selection", "more", "expected"),
    [
        (Selection(), {}, Verdict(True, "no flavor and no image carries evacuable, so every instance is recovered")),
        (Selection(True), {}, Verdict(False, "neither its flavor nor its image carries evacuable=true")),
        (Selection(True), {"extra_specs": {"evacuable": "True"}}, Verdict(True, "its flavor carries evacuable=true")),
        (
            Selection(True),
            {"extra_specs": {"evacuable": "no"}},
            Verdict(False, "neither its flavor nor its image carries evacuable=true"),
        ),
        (Selection(False, frozenset({"img"})), {"image": "img"}, Verdict(True, "its image carries evacuable")),
        (Selection(True, frozenset({"img"})), {"image": "img"}, Verdict(True, "its image carries evacuable")),
        (
            Selection(False, frozenset({"img"})),
            {"image": "other"},
            Verdict(False, "neither its flavor nor its image carries evacuable=true"),
        ),
        (  # boots from a volume
            Selection(False, frozenset({"img"})),
            {"image": None},
            Verdict(False, "neither its flavor nor its image carries evacuable=true"),
        ),
    ],
)
def test_tags_of_flavors_and_images_select(selection, more, expected):
    assert Policy().verdict(instance(**more), selection) == expected


@pytest.mark.parametrize(
    ("flavors_tagged", "more", "recover", "known"),
    [
        (False, {"image": "img"}, False, False),
        (True, {"image": "img"}, False, False),
        (False, {"image": None}, True, True),
        (True, {"image": None}, False, True),  # it is told by its flavor alone
        (True, {"image": "img", "extra_specs": {"evacuable": "true"}}, True, True),
        (False, {"image": "img", "metadata": {"evacuable": "true"}}, True, True),
        (False, {"image": "img", "metadata": {"evacuable": "no"}}, False, True),
        (False, {"image": "img", "metadata": {"evacuable": "maybe"}}, False, False),
    ],
)
def test_while_glance_does_not_answer_only_what_has_an_image_is_not_known(flavors_tagged, more, recover, known):
    found = Policy().verdict(instance(**more), Selection(flavors_tagged, None, "Glance is away"))
    assert (found.recover, found.known) == (recover, known)
    assert known or "Glance is away" in found.reason


def test_the_lists_hold_whatever_glance_says():
    found = Policy(skip_names=("web-*",)).verdict(instance(image="img"), Selection(False, None, "away"))
    assert not found.recover and found.known


def test_another_tag_is_looked_for_and_named():
    scoped = Policy(tag="nova-ha:ha")
    old = scoped.verdict(instance(extra_specs={"evacuable": "true"}), TAGGED)
    new = scoped.verdict(instance(extra_specs={"nova-ha:ha": "true"}), TAGGED)
    assert old == Verdict(False, "neither its flavor nor its image carries nova-ha:ha=true")
    assert new == Verdict(True, "its flavor carries nova-ha:ha=true")


OPTED_OUT = "its owner opted out: its metadata has evacuable="
OPTED_IN = "its owner opted in: its metadata has evacuable="


@pytest.mark.parametrize("word", ["false", "False", "NO", "0", "off", " oFF\t"])
def test_an_owner_opts_out(word):
    found = Policy().verdict(instance(metadata={"evacuable": word}), NOTHING_TAGGED)
    assert found == Verdict(False, OPTED_OUT + word.strip())


@pytest.mark.parametrize("word", ["true", "True", "YES", "1", "on", " oN\t"])
def test_an_owner_opts_in(word):
    found = Policy().verdict(instance(metadata={"evacuable": word}), Selection(flavors_tagged=True))
    assert found == Verdict(True, OPTED_IN + word.strip())


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("maybe", "'maybe'"),
        ("", "''"),
        ("2", "'2'"),
        ("tru", "'tru'"),
        ("truefalse", "'truefalse'"),
        ("a\nforged line", r"'a\nforged line'"),
        ("x" * 40, "'" + "x" * 40 + "'"),
        ("x" * 255, "'" + "x" * 40 + "...'"),
    ],
)
@pytest.mark.parametrize(
    ("policy", "selection"), [(Policy(), NOTHING_TAGGED), (Policy(), TAGGED), (Policy(skip_names=("*",)), TAGGED)]
)
def test_a_bad_word_of_the_owner_changes_nothing_and_is_said(policy, selection, word, shown):
    without = policy.verdict(instance(), selection)
    found = policy.verdict(instance(metadata={"evacuable": word}), selection)
    remark = f" (its metadata evacuable={shown} is neither true nor false: ignored)"
    assert found == Verdict(without.recover, without.reason + remark)


def test_owners_are_asked_by_the_configured_metadata_only():
    unwilling = instance(metadata={"evacuable": "false", "ha": "0"})
    assert Policy(metadata_key="ha").verdict(unwilling, NOTHING_TAGGED) == Verdict(
        False, "its owner opted out: its metadata has ha=0"
    )
    assert Policy(metadata_key="other").verdict(unwilling, NOTHING_TAGGED).recover
    assert Policy(metadata_key="").verdict(unwilling, NOTHING_TAGGED).recover


EVERYWHERE = {"project": "p1", "zone": "az1"}
AGGREGATES = frozenset({"ssd", "gpu"})


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"skip_names": ("db-*", "web-?")}, "its name matches web-? of skip_names"),
        ({"skip_names": ("web-[12]",)}, "its name matches web-[12] of skip_names"),
        ({"skip_names": ("web-1",)}, "its name matches web-1 of skip_names"),
        ({"skip_names": ("web",)}, None),  # the whole name has to match
        ({"skip_names": ("eb-1",)}, None),
        ({"skip_names": ("WEB-*",)}, None),
        ({"skip_projects": ("p0", "p1")}, "its project p1 is in skip_projects"),
        ({"skip_projects": ("p", "p10")}, None),
        ({"skip_availability_zones": ("az1",)}, "its availability zone az1 is in skip_availability_zones"),
        ({"skip_availability_zones": ("az2",)}, None),
        ({"skip_aggregates": ("x", "gpu", "ssd")}, "its host's aggregate gpu is in skip_aggregates"),
        ({"skip_aggregates": ("x",)}, None),
        ({"projects": ("p2", "p3")}, "its project p1 is not in projects"),
        ({"projects": ("p2", "p1")}, None),
        ({"availability_zones": ("az2",)}, "its availability zone az1 is not in availability_zones"),
        ({"availability_zones": ("az2", "az1")}, None),
        ({"aggregates": ("x", "y")}, "none of its host's aggregates is in aggregates"),
        ({"aggregates": ("x", "ssd")}, None),
        ({"projects": ("p1",), "availability_zones": ("az1",), "aggregates": ("ssd",)}, None),
        (
            {"projects": ("p1",), "availability_zones": ("az2",)},
            "its availability zone az1 is not in availability_zones",
        ),
        ({"projects": ("p1",), "skip_projects": ("p1",)}, "its project p1 is in skip_projects"),
    ],
)
def test_operators_narrow_it_down(options, reason):
    found = Policy(**options).verdict(instance(1, **EVERYWHERE), NOTHING_TAGGED, AGGREGATES)
    assert found.recover is (reason is None)
    if reason:
        assert found.reason == reason


@pytest.mark.parametrize(
    ("options", "recover"),
    [
        ({"skip_projects": ("p1",), "skip_availability_zones": ("az1",), "skip_aggregates": ("ssd",)}, True),
        ({"projects": ("p1",)}, False),
        ({"availability_zones": ("az1",)}, False),
        ({"aggregates": ("ssd",)}, False),
    ],
)
def test_what_is_in_no_project_zone_or_aggregate(options, recover):
    assert Policy(**options).verdict(instance(), NOTHING_TAGGED).recover is recover


@pytest.mark.parametrize(
    ("vm_state", "error_instances", "attempted", "recover"),
    [
        ("active", True, False, True),
        ("active", False, False, True),
        ("active", False, True, True),
        ("stopped", False, False, True),
        ("error", True, False, True),
        ("error", True, True, True),
        ("error", False, False, False),
        ("error", False, True, True),  # it is in error because our evacuation failed
    ],
)
def test_instances_in_error(vm_state, error_instances, attempted, recover):
    policy = Policy(error_instances=error_instances)
    found = policy.verdict(instance(vm_state=vm_state), NOTHING_TAGGED, attempted=attempted)
    assert found.recover is recover
    if not recover:
        assert found.reason == "it was in error before its host died, and error_instances is off"


# What can speak about an instance, in the order in which it is listened to: name, the policy options and the
# instance's fields that bring it about, the verdict, and what the reason then has in it.
RULES = [
    ("opt-out", {}, {"metadata": {"evacuable": "false"}}, False, OPTED_OUT),
    ("skip name", {"skip_names": ("web-*",)}, {}, False, "skip_names"),
    ("skip project", {"skip_projects": ("p1",)}, {}, False, "skip_projects"),
    ("skip zone", {"skip_availability_zones": ("az1",)}, {}, False, "skip_availability_zones"),
    ("skip aggregate", {"skip_aggregates": ("ssd",)}, {}, False, "skip_aggregates"),
    ("other project", {"projects": ("p2",)}, {}, False, "not in projects"),
    ("other zone", {"availability_zones": ("az2",)}, {}, False, "not in availability_zones"),
    ("other aggregate", {"aggregates": ("hdd",)}, {}, False, "in aggregates"),
    ("error", {"error_instances": False}, {"vm_state": "error"}, False, "error_instances"),
    ("opt-in", {}, {"metadata": {"evacuable": "true"}}, True, OPTED_IN),
    ("flavor", {}, {"extra_specs": {"evacuable": "true"}}, True, "its flavor carries"),
    ("image", {}, {"image": "img"}, True, "its image carries"),
    ("untagged", {}, {}, False, "neither its flavor nor its image"),
]


def combinations():
    """Every set of rules that can speak about one instance at once; ``untagged`` always can."""
    for chosen in itertools.product((False, True), repeat=len(RULES) - 1):
        rules = [rule for rule, on in zip(RULES, (*chosen, True)) if on]
        if not {"opt-out", "opt-in"} <= {rule[0] for rule in rules}:
            yield rules


def test_the_first_rule_that_speaks_decides_in_every_combination():
    tried = 0
    for rules in combinations():
        options, fields = {}, dict(EVERYWHERE)
        for _, more_options, more_fields, _, _ in rules:
            options.update(more_options)
            fields.update(more_fields)
        name, _, _, recover, phrase = rules[0]
        found = Policy(**options).verdict(instance(**fields), TAGGED, AGGREGATES)
        assert (found.recover, phrase in found.reason) == (recover, True), ([rule[0] for rule in rules], name, found)
        tried += 1
    assert tried == 3 * 2 ** (len(RULES) - 3)


OPTIONS = {
    "tag": "nova-ha:ha",
    "metadata_key": "ha",
    "skip_names": ["test-*"],
    "projects": ["p1"],
    "skip_projects": ["p2"],
    "availability_zones": ["az1"],
    "skip_availability_zones": ["az2"],
    "aggregates": ["ssd"],
    "skip_aggregates": ["hdd"],
    "error_instances": False,
}


def test_the_section_of_the_configuration():
    found = Policy.from_options(SimpleNamespace(**OPTIONS))
    expected = {name: tuple(value) if isinstance(value, list) else value for name, value in OPTIONS.items()}
    assert vars(found) == expected
    assert hash(found) == hash(Policy(**expected))


DOCUMENTATION = (pathlib.Path(__file__).parents[3] / "docs" / "policy.md").read_text()


@pytest.mark.parametrize("field", dataclasses.fields(Policy) + dataclasses.fields(Order), ids=lambda field: field.name)
def test_the_documentation_has_every_option_with_its_default(field):
    default = str(field.default).lower() if field.default != () else ""
    rows = [row.split("|") for row in DOCUMENTATION.splitlines() if row.startswith("| `")]
    defaults = {name: cells[2].strip(" `") for cells in rows for name in cells[1].replace("`", "").split(", ") if name}
    assert {name.strip(): value for name, value in defaults.items()}.get(field.name) == default

# SPDX-License-Identifier: Apache-2.0
"""Each story has one lab, and those that change the whole cluster come last."""

import pathlib
import types

import pytest

from tests.functional import conftest, labs


def item(name, *markers, directory="tests/functional"):
    """As pytest collects a test."""
    path = pathlib.Path(conftest.SOURCE_TREE, directory, f"{name}.py")
    marks = [types.SimpleNamespace(name=marker) for marker in markers]
    return types.SimpleNamespace(nodeid=name, path=path, iter_markers=lambda: iter(marks))


@pytest.mark.parametrize("markers", [(), ("parametrize",), tuple(labs.COMPUTES)], ids=["none", "another", "both"])
def test_a_story_that_has_not_one_lab_is_refused(markers):
    with pytest.raises(pytest.UsageError, match="test_b"):
        conftest.pytest_collection_modifyitems([item("test_a", "lab_a"), item("test_b", *markers)])


def test_other_tests_need_none():
    conftest.pytest_collection_modifyitems([item("test_a", directory="tests/unit")])


def test_what_changes_the_whole_cluster_comes_last():
    items = [item("test_existing_deployments", "lab_b"), item("test_no_room", "lab_b"), item("test_return", "lab_a")]
    conftest.pytest_collection_modifyitems(items)
    assert [each.nodeid for each in items] == ["test_no_room", "test_return", "test_existing_deployments"]

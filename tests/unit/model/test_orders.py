# SPDX-License-Identifier: Apache-2.0
"""What operators have tried again, as the cluster keeps it."""

import pytest

from nova_ha.model.orders import End, Retry, UnknownOrder, read, written


@pytest.mark.parametrize("instances", [None, frozenset({"i1"}), frozenset({"i1", "i2"})])
@pytest.mark.parametrize("who", ["alice@control-1", "a b:c,d%e<\"'>\u00e4@x"])
def test_what_is_written_is_read(instances, who):
    retry = Retry(instances, who, 1795882109)
    text = written(retry)
    assert read(text) == retry
    assert set(text) & set(" <>\"'") == set()


def test_that_an_end_is_ordered_is_read():
    order = End("control-1@1795882109", "a b:c@x", 7)
    assert read(written(order)) == order


@pytest.mark.parametrize(
    "text", ["", "x", "all", "all:x", "all:x:y", ":x:1", "all:x:1:2", "end", "end:x:1", "end:c:x:y", "end:c:x:1:2"]
)
def test_what_is_none_is_noticed(text):
    with pytest.raises(UnknownOrder):
        read(text)

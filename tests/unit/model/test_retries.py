# SPDX-License-Identifier: Apache-2.0
"""What operators have tried again, as the cluster keeps it."""

import pytest

from nova_ha.model.retries import Retry, UnknownRetry, read, written


@pytest.mark.parametrize("instances", [None, frozenset({"i1"}), frozenset({"i1", "i2"})])
@pytest.mark.parametrize("who", ["alice@control-1", "a b:c,d%e<\"'>\u00e4@x"])
def test_what_is_written_is_read(instances, who):
    retry = Retry(instances, who, 1795882109)
    text = written(retry)
    assert read(text) == retry
    assert set(text) & set(" <>\"'") == set()


@pytest.mark.parametrize("text", ["", "x", "all", "all:x", "all:x:y", ":x:1", "all:x:1:2"])
def test_what_is_none_is_noticed(text):
    with pytest.raises(UnknownRetry):
        read(text)

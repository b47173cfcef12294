# SPDX-License-Identifier: Apache-2.0
"""What is kept of a host in maintenance, and whose a disabled service is."""

import pytest

from nova_ha.model import disabled_reason, maintenance
from nova_ha.model.maintenance import Maintenance
from nova_ha.policy import reserved_hosts
from tests.unit.worlds import living

WORK = Maintenance(1000, "alice@control-1", "BIOS: 2 of 4")


@pytest.mark.parametrize("before", [None, "", "bad RAM", "=:= 50 %"])
def test_what_is_written_is_read_again(before):
    work = Maintenance(1000, "alice@control-1", "BIOS: 2 of 4", before)
    text = maintenance.written(work)
    assert " " not in text
    assert maintenance.read(text) == work


@pytest.mark.parametrize("text", ["", "true", "a:b:c:d", "1:2:3", "1:2:3:4:5", "99999999999:who:why:"])
def test_what_somebody_else_has_written_is_shown_as_a_reason(text):
    assert maintenance.read(text) == Maintenance(0, "unknown", text)


def test_its_service_is_to_the_engine_one_that_an_operator_has_disabled():
    service = living(enabled=False, reason=maintenance.disabled_reason(WORK))
    assert maintenance.is_ours(service)
    assert not disabled_reason.is_marked(service)
    assert not disabled_reason.is_enabled(service)
    assert not reserved_hosts.is_reserved(service)


def test_a_host_that_dies_in_maintenance_is_in_maintenance_after_its_recovery():
    reason = maintenance.disabled_reason(WORK)
    marked = disabled_reason.mark(living(enabled=False, reason=reason))
    assert disabled_reason.reason_before(living(enabled=False, reason=marked)) == reason


@pytest.mark.parametrize("service", [living(), living(enabled=False), living(enabled=False, reason="bad RAM")])
def test_another_s_service_is_not_ours(service):
    assert not maintenance.is_ours(service)


def test_a_long_reason_fits_nova_s_column():
    assert len(maintenance.disabled_reason(Maintenance(1, "alice", "x" * 300))) == 255

# SPDX-License-Identifier: Apache-2.0
"""Several hosts die at once, half of them at most, and each test judges its own host's part of what was recorded.

None of them is anywhere in its recovery's end before all are flagged: spawns wait for that. And the scheduler chooses
none of them, for Nova takes one that died without a word for a living host until it is fenced; what comes of that is
the story of ``test_double_failure``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tests.functional.steps import (
    RECOVERY_LIMIT,
    RETURN_LIMIT,
    Story,
    all_of,
    are_elsewhere,
    eventually,
    side_by_side,
)
from tests.lab import audits, facts, history, workload
from tests.lab.cloud import impair
from tests.lab.shell import LabError


class Wave(NamedTuple):
    """What came of it.

    :param history: all that happened
    :param ids: the instances that were to be recovered, by their former host
    :param missing: what did not come in time, by host
    """

    history: history.History
    ids: Mapping[str, Sequence[str]]
    missing: Mapping[str, str]

    @property
    def breaches(self) -> list[audits.Breach]:
        """How safety rules were broken."""
        return audits.audit(self.history)

    def ended_well(self, host: str) -> None:
        """A host's instances were recovered, it is back in service, and no rule was broken at its or their expense."""
        assert host not in self.missing, f"{host}: {self.missing[host]}"
        broken = [str(breach) for breach in self.breaches if breach.subject in (host, *self.ids[host])]
        assert not broken, "\n".join(broken)

    def asked(self, host: str) -> list[str]:
        """The instances of a host for which an evacuation was asked for, once for each request."""
        requests = facts.evacuate_requests(self.history)
        return [request.instance for request in requests if request.instance in self.ids[host]]

    def service(self, host: str) -> history.Service:
        """A host's compute service at the end."""
        return next(service for service in self.history.services if service.host == host)

    def dead_at_once(self) -> bool:
        """Whether all of them were flagged at one moment."""
        windows = [window for window in facts.flag_windows(self.history) if window.host in self.ids]
        there = {window.host for window in windows} == set(self.ids)
        return there and max(window.start for window in windows) < min(window.end for window in windows)


def strike(
    story: Story,
    deaths: Mapping[str, Callable],
    ids: Mapping[str, Sequence[str]],
    meanwhile: Callable[[], None] = lambda: None,
) -> Wave:
    """Let hosts die, and wait until all are recovered and back; no failure keeps the others from it.

    :param deaths: how each host dies, as a function of ``faults``
    :param ids: the instances of each host that are to be recovered elsewhere
    :param meanwhile: what somebody does before the silent deaths are noticed
    """
    impair.set_scheduler(without=deaths)
    impair.set_guests(hold_spawn_on=story.settings.compute_hosts)
    all_of(side_by_side(deaths, lambda host: deaths[host](host)))
    meanwhile()
    with contextlib.suppress(LabError):
        # ``dead_at_once`` tells.
        eventually("all to be flagged", lambda: deaths.keys() <= _flagged(), 60)
    impair.set_guests()
    missing = _recover_and_return(story, ids)
    impair.set_scheduler()
    past = story.recorded.history()
    print("\n".join(audits.report(past)))
    return Wave(past, ids, missing)


def _flagged() -> set[str]:
    return {change.host for change in history.flags() if change.stands}


def _recover_and_return(story: Story, ids: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Wait until all hosts are recovered, and back; what did not come in time, by host.

    One look is for all of them: details of many instances cost Nova half a second.
    """
    missing = dict.fromkeys(ids, "not all of its instances are elsewhere")

    def over():
        entries = workload.instances(story.settings)
        for host, instances in ids.items():
            if host in missing and are_elsewhere(entries, host, instances):
                missing[host] = "it is not back in service"
                if story.is_back(host):
                    del missing[host]
        return not missing

    with contextlib.suppress(LabError):
        eventually("all to be recovered and back", over, RECOVERY_LIMIT + RETURN_LIMIT, 1)
    return missing

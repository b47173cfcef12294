# SPDX-License-Identifier: Apache-2.0
"""Sees to instances that have failed while their hosts live: what those tell, what Nova says of it, what follows.

A host that is flagged is another matter: its instances are evacuated, and whatever it has told is void.
"""

from __future__ import annotations

import collections
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple, Protocol

from nova_ha.cloud.errors import CloudError
from nova_ha.cloud.reader import NovaReader
from nova_ha.cluster.pacemaker import Cluster, ClusterError
from nova_ha.model import instance_failures
from nova_ha.model.actions import Step, Wait, is_action
from nova_ha.model.evacuable_tag import Selection
from nova_ha.model.instance_failures import InstanceFailure
from nova_ha.model.reasons import Code
from nova_ha.model.snapshot import Instance
from nova_ha.policy.instance_restarts import InstanceRules
from nova_ha.recovery.decide import failed_instances
from nova_ha.recovery.decide.failed_instances import Failed
from nova_ha.recovery.memory.requests import Memory
from nova_ha.recovery.observe.observer import Observer
from nova_ha.recovery.observe.reading import Each, Read, kept
from nova_ha.recovery.observe.whole_cloud import SETTINGS_AGE
from nova_ha.reporting.events import Event
from nova_ha.reporting.status_report import Account

log = logging.getLogger("nova-ha")

# Seconds after which one of which nothing is to be done is looked at again.
LOOK_AGAIN = 10.0

# Episodes of which it is kept that they have been told.
_TOLD = 1000


class _Told(NamedTuple):
    """A failure that a host tells of. Its episode alone may be another host's, too, or one that somebody made up."""

    host: str
    failure: InstanceFailure


class Reports(Protocol):
    """What hosts tell of their failed instances; see ``instance_reports.InstanceReports``."""

    def want(self, wanted: bool, /) -> None: ...
    def newest(self) -> Mapping[str, str]: ...


class FailedInstances:
    """What is known of them, and done about them.

    :param memory: of what was asked for them
    :param clock: monotonic seconds
    :param epoch: seconds since the epoch
    :ivar reports: what hosts tell; None: nothing
    :ivar instances: ids of those that have failed, as of the last look
    """

    def __init__(
        self,
        cloud: NovaReader,
        cluster: Cluster,
        observer: Observer,
        memory: Memory,
        account: Account,
        each: Each,
        clock: Callable[[], float],
        epoch: Callable[[], float],
    ) -> None:
        self._cloud = cloud
        self._cluster = cluster
        self._observer = observer
        self._memory = memory
        self._account = account
        self._each = each
        self._clock = clock
        self._epoch = epoch
        self._selections: dict[str, Read[Selection]] = {}  # by the tag
        # what Nova says of each, None if it is none of its host's. Kept while nothing is done about it
        self._looks: dict[_Told, Read[Failed | None]] = {}
        self._is_away = False  # the cloud, or the cluster
        self._told: collections.deque[str] = collections.deque(maxlen=_TOLD)  # the episodes that have been told of
        self.reports: Reports | None = None
        self.instances: frozenset[str] = frozenset()

    def steps(self, rules: InstanceRules, flagged: Collection[str]) -> list[Step]:
        """What to do about them now; nothing while the cloud or the cluster is away, which hold up no dead host.

        :param flagged: the cluster's names of the hosts that are flagged
        """
        try:
            steps = self._steps(rules, flagged)
        except (CloudError, ClusterError) as error:
            if not self._is_away:
                log.warning("failed instances cannot be looked at: %s", error)
            self._is_away = True
            return []
        self._is_away = False
        return steps

    def _steps(self, rules: InstanceRules, flagged: Collection[str]) -> list[Step]:
        if self.reports is None:
            return []
        self.reports.want(rules.restart)
        told = {host: text for host, text in self.reports.newest().items() if host not in flagged}
        read = {host: instance_failures.read(text) for host, text in told.items()}
        steps: list[Step] = [_unclear(host, each.problem) for host, each in read.items() if each.problem is not None]
        failures = [_Told(host, failure) for host, each in read.items() for failure in each.failures]
        failed = self._look(rules, failures) if failures else []
        self.instances = frozenset(each.instance.id for each in failed)
        self._tell(failed)
        now, time = self._clock(), self._epoch()
        for each in failed:
            attempt = self._memory.get(each.instance.id)
            may_show = self._memory.may_show(each.instance.id, now, each.instance.host)
            step = failed_instances.step(each, rules, attempt, may_show, now, time)
            if is_action(step):
                del self._looks[_Told(each.host, each.failure)]
            steps.append(step)
        return steps

    def _look(self, rules: InstanceRules, failures: list[_Told]) -> list[Failed]:
        """Those that Nova has on the host that tells of them, and that the cluster reaches, and Nova has up."""
        told, now = set(failures), self._clock()
        self._looks = {each: read for each, read in self._looks.items() if each in told and now - read.at < LOOK_AGAIN}
        new = [each for each in failures if each not in self._looks]
        if new:
            self._looks.update((each, Read(found, now)) for each, found in zip(new, self._ask(rules, new)))
        looked = (self._looks[each].value for each in failures)
        return [found for found in looked if found is not None]

    def _ask(self, rules: InstanceRules, failures: list[_Told]) -> Iterable[Failed | None]:
        online, services = self._cluster.online(), self._observer.services()
        names = self._observer.nova_names({host for host, _ in failures} & online, services)
        names = {host: name for host, name in names.items() if services[name].up and not services[name].forced_down}
        # One request a host, however much that tells of what is not on it.
        here = dict(zip(names, self._each(self._instances, names.values())))
        selection = self._selection(rules.policy.tag)
        aggregates = self._observer.aggregates(services)

        def look(told: _Told) -> Failed | None:
            host, failure = told
            instance = here.get(host, {}).get(failure.instance)
            if instance is None:
                return None
            try:
                actions = self._cloud.instance_actions(instance.id)
            except CloudError as error:
                log.warning("instance %s has failed on %s, and cannot be looked at: %s", instance.id, host, error)
                return None
            groups = frozenset(name for name, hosts in aggregates.items() if names[host] in hosts)
            return Failed(host, failure, instance, actions, selection, groups)

        return self._each(look, failures)

    def _instances(self, name: str) -> Mapping[str, Instance]:
        """What Nova has on a host, by its name of that; nothing where it does not tell: one cell may be away."""
        try:
            return {instance.id: instance for instance in self._cloud.instances(name)}
        except CloudError as error:
            log.warning("instances have failed on %s, and cannot be looked at: %s", name, error)
            return {}

    def _selection(self, tag: str) -> Selection:
        known = kept(self._selections.get(tag), lambda: self._cloud.selection(tag), SETTINGS_AGE, self._clock)
        self._selections = {tag: known}
        return known.value

    def _tell(self, failed: Iterable[Failed]) -> None:
        """Each is told of once, also where its host tells of it anew after a while."""
        for each in failed:
            if each.failure.episode not in self._told:
                self._told.append(each.failure.episode)
                reason = failed_instances.worded(each.failure)
                self._account.event(Event.INSTANCE_FAILED, each.host, each.instance.id, reason=reason)


def _unclear(host: str, problem: str) -> Wait:
    reason = f"{problem}: is nova-ha there of this version?"
    return Wait(host, reason, Code.REPORT_UNCLEAR, needs_operator=True, command=f"nova-ha check {host}")

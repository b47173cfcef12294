# SPDX-License-Identifier: Apache-2.0
"""The cloud's control plane: killed, slow, failing, or without room."""

from tests.campaign.disturbances.base import CLOUD, Disturbance, Forgetful
from tests.campaign.moments import BEFORE, CLAIM, DEATH, FLAG, HALF, REQUEST
from tests.lab import faults
from tests.lab.cloud import identity, impair


class _Outage(Forgetful):
    group = CLOUD
    lasts = (3, 30)
    unit = None
    at_once = True

    def begin(self, field):
        faults.stop_service(self.unit, at_once=self.at_once)

    def end(self, field):
        faults.start_service(self.unit)


class ApiKilled(_Outage):
    """nova-api is killed, and is back after a while."""

    name, unit = "nova-api-killed", "nova-api"


class ConductorKilled(_Outage):
    """nova-conductor is killed, and is back after a while."""

    name, unit = "conductor-killed", "nova-conductor"


class SchedulerKilled(_Outage):
    """nova-scheduler is killed, and is back after a while."""

    name, unit = "scheduler-killed", "nova-scheduler"


class RabbitKilled(_Outage):
    """The message bus is killed, and is back, empty, after a while."""

    name, unit = "rabbitmq-killed", "rabbitmq-server"


class MariadbAway(_Outage):
    """The database is away for a while (killed, the lab's would forget what it has promised)."""

    name, unit = "mariadb-away", "mariadb"
    at_once = False


class PlacementKilled(_Outage):
    """Placement is killed, and is back after a while."""

    name, unit = "placement-killed", "placement"


class KeystoneDown(_Outage):
    """Keystone is killed, and is back after a while."""

    name, unit = "keystone-down", "keystone"


class RabbitPaused(Forgetful):
    """The message bus freezes, and goes on after a while."""

    name = "rabbitmq-paused"
    group = CLOUD
    lasts = (5, 30)

    def begin(self, field):
        faults.freeze_service("rabbitmq-server")

    def end(self, field):
        faults.thaw_service("rabbitmq-server")


class _Starved(Forgetful):
    group = CLOUD
    lasts = (30, 90)
    units = ()

    def begin(self, field):
        faults.starve(*self.units)

    def end(self, field):
        faults.feed()


class ConductorStarved(_Starved):
    """The conductor gets on for moments only."""

    name, units = "conductor-starved", ("nova-conductor",)


class CloudStarved(_Starved):
    """All services of the cloud get on for moments only, all at once."""

    name = "cloud-starved"


class TokensRevoked(Forgetful):
    """The engine's tokens are revoked, and nova-api, which would believe in them for minutes, is restarted."""

    name = "tokens-revoked"
    group = CLOUD

    def begin(self, field):
        identity.revoke_tokens(identity.AGENT_USER)
        faults.stop_service("nova-api")

    def end(self, field):
        faults.start_service("nova-api")


class _Answers(Disturbance):
    group = CLOUD
    lasts = (5, 45)

    def rules(self):
        """What the proxy is to do, see ``cloud.proxy.Rule``."""
        raise NotImplementedError

    def begin(self, field):
        impair.set_rules(self.rules())

    def end(self, field):
        impair.clear()


class Errors(_Answers):
    """A share of the requests is answered with 500 or 503, nothing being done, or with 502 though it was done."""

    name = "nova-errors"

    def rules(self):
        share = 0.1 + 0.3 * self.strike.size
        return [
            {"name": "500", "share": share / 3, "status": 500},
            {"name": "503", "share": share / 2, "status": 503, "retry_after": 2},
            {"name": "502, done", "share": share, "status": 502, "late": True},
        ]


class Busy(_Answers):
    """Nova says that it is too busy, for a share of the requests."""

    name = "nova-busy"

    def rules(self):
        return [{"name": "429", "share": 0.5, "status": 429, "retry_after": 2}]


class Slow(_Answers):
    """Each request takes seconds."""

    name = "nova-slow"

    def rules(self):
        return [{"name": "slow", "latency": 1 + 4 * self.strike.size}]


class RepliesDropped(_Answers):
    """A share of the answers never comes, though what was asked for is done."""

    name = "replies-dropped"

    def rules(self):
        return [{"name": "dropped", "share": 0.2 + 0.6 * self.strike.size, "drop_reply": True}]


class SpawnFailures(Disturbance):
    """Every spawn fails on another host, for a while."""

    name = "spawn-failures"
    group = CLOUD
    needs_another_host = True
    moments = (BEFORE, DEATH, FLAG, CLAIM, REQUEST, HALF)
    lasts = (5, 60)

    def begin(self, field):
        field.guests(fail_spawn_on=[self.strike.target])

    def end(self, field):
        field.guests(fail_spawn_on=[])


class NoCapacity(Disturbance):
    """The other hosts are full, until somebody deletes what fills them."""

    name = "no-capacity"
    group = CLOUD
    moments = (BEFORE,)
    lasts = (30, 60)

    def __init__(self, strike):
        super().__init__(strike)
        self._fillers = []

    def begin(self, field):
        field.fill_hosts(field.plan.victim, self._fillers)

    def end(self, field):
        # Those that are gone already are not asked for again, should this have to be repeated.
        while self._fillers:
            field.delete(self._fillers[0])
            del self._fillers[0]


KINDS = (
    ApiKilled, ConductorKilled, SchedulerKilled, RabbitKilled, RabbitPaused, MariadbAway, PlacementKilled, KeystoneDown,
    TokensRevoked, Errors, Busy, Slow, RepliesDropped, SpawnFailures, NoCapacity, ConductorStarved, CloudStarved,
)  # fmt: skip

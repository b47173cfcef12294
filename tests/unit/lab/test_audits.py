# SPDX-License-Identifier: Apache-2.0
"""The audits, by tables: a sound history passes, and each way to break a rule is seen and named."""

import dataclasses

import pytest

from tests.lab import audits
from tests.lab.history import (
    GONE,
    IN_ERROR,
    PAUSED,
    RUNNING,
    SHELVED,
    STOPPED,
    UNSURE,
    Expected,
    FaultMoment,
    FlagChange,
    GuestChange,
    History,
    Instance,
    Migration,
    PowerChange,
    Service,
    ServiceStart,
)
from tests.unit.lab.histories import SERVICES, SOUND, but, changed_service, evacuate

DONE_AGAIN = (Migration(2, "i", "done", "a", "b", 120, 126),)
# A repeated evacuation goes on under the record of the first, and leaves its own.
TAKEN_OVER = (Migration(1, "i", "done", "a", "b", 116, 126), Migration(2, "i", "accepted", "a", None, 120, 120))


# As SOUND, but the instance was asked for twice: its first destination c had died meanwhile.
DESTINATION_DIED = but(
    requests=[evacuate(116)],
    power=[PowerChange(118, "c", False)],
    flags=[FlagChange(118.5, "c", "yes"), FlagChange(145, "c", None)],
)


def without(name, *moments):
    return but(**{name: tuple(item for item in getattr(SOUND, name) if item not in moments)})


# As SOUND, but b and c had been flagged some seconds before a was taken up.
MASS = but(
    power=[PowerChange(99, "b", False), PowerChange(99, "c", False), PowerChange(119, "b", True)],
    flags=[FlagChange(time, host, value) for host in "bc" for time, value in ((105, "yes"), (140, "no"), (141, None))],
)
A_LATER = tuple(flag for flag in MASS.flags if not flag.claimed)

GOOD = {
    "nothing happened": History(),
    "a host recovered": SOUND,
    "the record turns completed when the source is back": but(
        migrations=(Migration(1, "i", "completed", "a", "b", 120, 133),)
    ),
    "a failed evacuation is repeated": but(
        requests=[evacuate(116)],
        migrations=(Migration(1, "i", "error", "a", None, 116, 117), *DONE_AGAIN),
    ),
    "a refused request is repeated": but(requests=[evacuate(116, status=409)]),
    "the destination dies under an evacuation, which is repeated": but(
        requests=[evacuate(116)],
        power=[PowerChange(118, "c", False)],
        flags=[FlagChange(118.5, "c", "yes"), FlagChange(140, "c", None)],
        migrations=(Migration(1, "i", "completed", "a", "c", 116, 133), *DONE_AGAIN),
    ),
    "the repeated evacuation takes over the record of one that waited for the dead destination": but(
        DESTINATION_DIED,
        migrations=(
            Migration(1, "i", "completed", "a", "b", 116, 133),
            Migration(2, "i", "completed", "a", None, 120, 134),
        ),
    ),
    "likewise, and the destination had died a moment before the first was asked for": but(
        DESTINATION_DIED,
        power=(*SOUND.power, PowerChange(115, "c", False)),
        migrations=(
            Migration(1, "i", "completed", "a", "b", 116, 133),
            Migration(2, "i", "completed", "a", None, 120, 134),
        ),
    ),
    "likewise, and the source is not back yet": but(
        DESTINATION_DIED,
        flags=tuple(flag for flag in DESTINATION_DIED.flags if flag.time < 130),
        requests=DESTINATION_DIED.requests[:3],
        starts=(),
        services=(Service("s-a", "a", forced_down=True), *SERVICES[1:]),
        migrations=(Migration(1, "i", "done", "a", "b", 116, 126), Migration(2, "i", "accepted", "a", None, 120, 120)),
        expected=Expected(flagged=frozenset({"a", "c"})),
    ),
    "likewise, and the destination takes the record back when it returns": but(
        DESTINATION_DIED,
        migrations=(
            Migration(1, "i", "failed", "a", "c", 116, 150),
            Migration(2, "i", "completed", "a", None, 120, 133),
        ),
    ),
    "likewise, and the source is to start once more": but(
        DESTINATION_DIED,
        migrations=(
            Migration(1, "i", "failed", "a", "c", 116, 150),
            Migration(2, "i", "accepted", "a", None, 120, 120),
        ),
        services=(Service("s-a", "a", forced_down=True), *SERVICES[1:]),
        expected=Expected(flagged=frozenset({"a"})),
    ),
    "repeated because the destination's nova-compute was killed in the middle of the first": but(
        requests=(SOUND.requests[0], evacuate(116), evacuate(120)),
        faults=[FaultMoment(118, "kill-service", "b/nova-compute", True)],
        migrations=(Migration(1, "i", "pre-migrating", "a", "b", 116, 117), *DONE_AGAIN),
        services=(Service("s-a", "a", forced_down=True), *SERVICES[1:]),
        flags=tuple(flag for flag in SOUND.flags if flag.time < 130),
        starts=(),
        expected=Expected(flagged=frozenset({"a"})),
    ),
    "likewise, and the source is back": but(
        requests=[evacuate(116)],
        faults=[FaultMoment(118, "kill-service", "b/nova-compute", True)],
        migrations=(
            Migration(1, "i", "completed", "a", "b", 116, 134),
            Migration(2, "i", "completed", "a", "b", 120, 133),
        ),
    ),
    "repeated because the conductor was killed with the first": but(
        requests=[evacuate(116)],
        faults=[FaultMoment(117, "stop", "cloud/nova-conductor", True)],
        migrations=(
            Migration(1, "i", "completed", "a", "b", 116, 133),
            Migration(2, "i", "completed", "a", None, 120, 134),
        ),
    ),
    "likewise, and repeated on the host that the scheduler had claimed for it": but(
        requests=[evacuate(116)],
        faults=[FaultMoment(117, "stop", "cloud/nova-conductor", True)],
        migrations=(
            Migration(1, "i", "completed", "a", "b", 116, 133),
            Migration(2, "i", "completed", "a", "b", 120, 134),
        ),
    ),
    "the record of one that failed is not taken over": but(
        requests=[evacuate(116)],
        migrations=(
            Migration(1, "i", "failed", "a", "c", 116, 117),
            Migration(2, "i", "completed", "a", None, 120, 133),
        ),
    ),
    "a record that was left so is taken over in the next disaster": but(
        DESTINATION_DIED,
        requests=[changed_service(215, "b", forced_down=True), evacuate(220)],
        power=[PowerChange(140, "c", True), PowerChange(200, "b", False)],
        flags=[FlagChange(210, "b", "yes"), FlagChange(230, "b", "no")],
        guests=[GuestChange(223, "c", "i", True)],
        migrations=(
            Migration(1, "i", "done", "a", "b", 116, 126),
            Migration(2, "i", "done", "a", "c", 120, 224),
            Migration(3, "i", "completed", "b", None, 220, 240),
        ),
        instances=(Instance("i", "c", "ACTIVE"),),
    ),
    "an evacuated instance's new host dies too": but(
        requests=[changed_service(215, "b", forced_down=True), evacuate(220)],
        power=[PowerChange(200, "b", False)],
        flags=[FlagChange(210, "b", "yes"), FlagChange(230, "b", "no")],
        guests=[GuestChange(221, "c", "i", True)],
        migrations=(Migration(1, "i", "completed", "a", "b", 120, 240), Migration(2, "i", "done", "b", "c", 220, 222)),
        instances=(Instance("i", "c", "ACTIVE"),),
    ),
    "the answer to forcing it down was lost": but(
        requests=(
            dataclasses.replace(SOUND.requests[0], status=None, request_id="req-1"),
            *SOUND.requests[1:],
        ),
    ),
    "the flag is seen a little late": but(
        flags=(FlagChange(110, "a", "yes"), FlagChange(131.2, "a", "no"), FlagChange(135, "a", None))
    ),
    "the power is on again just when the flag is recorded": but(
        power=(PowerChange(100, "a", False), PowerChange(109.8, "a", True))
    ),
    "a stopped instance was moved and is stopped": but(
        guests=[GuestChange(60, "a", "i", False), GuestChange(127, "b", "i", False)],
        instances=(Instance("i", "b", "SHUTOFF"),),
        expected=Expected({"i": STOPPED}),
    ),
    "a paused instance was moved and is paused": but(
        instances=(Instance("i", "b", "PAUSED"),), expected=Expected({"i": PAUSED})
    ),
    "an instance was never launched, another is shelved": but(
        guests=(),
        instances=(Instance("i", "a", "ERROR"), Instance("j", None, "SHELVED_OFFLOADED")),
        expected=Expected({"i": IN_ERROR, "j": SHELVED}),
    ),
    "an instance was deleted": but(
        guests=[GuestChange(140, "b", "i", False)], instances=(), expected=Expected({"i": GONE})
    ),
    "an instance may be anything": but(instances=(), expected=Expected({"i": UNSURE})),
    "two of three hosts are flagged, which is no mass": but(
        MASS, flags=tuple(flag for flag in MASS.flags if flag.host != "c")
    ),
    "the third host was flagged just when the first was taken up": but(
        MASS, flags=[FlagChange(110.2, "c", None), FlagChange(110.5, "c", "yes")]
    ),
    "an operator lets a host of a mass go": but(
        MASS, flags=(*A_LATER[:3], FlagChange(110.5, "a", "go"), FlagChange(111, "a", "control-1@111"), *A_LATER[3:])
    ),
    "a host of a mass is fenced once more in its recovery": but(
        MASS,
        power=[PowerChange(114, "a", False)],
        flags=(
            *(FlagChange(102, "a", value) if value == "yes" else FlagChange(103, "a", value)
              for value in ("yes", "control-1@103")),
            *(flag for flag in MASS.flags if flag.time == 105),
            FlagChange(114, "a", "yes"),
            FlagChange(114.5, "a", "control-1@114"),
            *(flag for flag in MASS.flags if flag.time >= 130),
        ),
    ),
    "a host may stay out": but(
        flags=SOUND.flags[:2],
        requests=SOUND.requests[:2],
        starts=(),
        services=(Service("s-a", "a", forced_down=True, enabled=False, disabled_reason="nova-ha: being recovered"),),
        expected=Expected(flagged=frozenset({"a"})),
    ),
    "a host is on its way back": but(
        flags=SOUND.flags[:3],
        requests=SOUND.requests[:2],
        starts=(),
        services=(Service("s-a", "a", forced_down=True, enabled=False, disabled_reason="nova-ha: being recovered"),),
        expected=Expected(returning=frozenset({"a"})),
    ),
    "an operator's own reason stays": but(
        services=(Service("s-a", "a", enabled=False, disabled_reason="new disks"), *SERVICES[1:])
    ),
}

BAD = {
    "flagged with the power on": (but(power=(PowerChange(100, "a", False), PowerChange(105, "a", True))), 1, "power"),
    "flagged, never powered off": (but(power=()), 1, "was flagged while its power was on"),
    "evacuated while the guest runs": (but(power=()), 1, "guest still ran"),
    "evacuated without a flag": (but(flags=()), 1, "without its flag"),
    "evacuated before the flag": (but(requests=[evacuate(108)]), 1, "without its flag"),
    "evacuated after the flag was closed": (but(requests=[evacuate(136, status=400)]), 1, "without its flag"),
    "not forced down": (without("requests", SOUND.requests[0]), 1, "before its service was forced down"),
    "forced down by a request that Nova never had": (
        but(requests=(dataclasses.replace(SOUND.requests[0], status=None), *SOUND.requests[1:])),
        1,
        "before its service was forced down",
    ),
    "forced down too late": (but(requests=[evacuate(114, status=400)]), 1, "before its service was forced down"),
    "forcing down failed": (
        but(requests=(dataclasses.replace(SOUND.requests[0], status=500), evacuate(120))),
        1,
        "before its service was forced down",
    ),
    "nothing says where it was": (but(requests=[evacuate(120, "ghost")]), 1, "no record says where it was"),
    "two requests at once": (but(requests=[evacuate(120.05)]), 2, "was not answered"),
    "a lost answer, asked again blindly": (
        but(
            requests=(SOUND.requests[0], evacuate(116, duration=1, status=None), evacuate(118), SOUND.requests[2]),
            migrations=(Migration(1, "i", "done", "a", "c", 116, 121), Migration(2, "i", "done", "a", "b", 118, 126)),
        ),
        2,
        "a second evacuation",
    ),
    "two records from one request's second": (
        but(migrations=(Migration(1, "i", "done", "a", "c", 120, 126), Migration(2, "i", "done", "a", "b", 120, 126))),
        2,
        "a second evacuation",
    ),
    "the first never ended": (
        but(
            requests=[evacuate(116)],
            migrations=(Migration(1, "i", "accepted", "a", "c", 116, 117), *DONE_AGAIN),
        ),
        2,
        "was accepted",
    ),
    "repeated while the first may wait for a living destination": (
        but(
            requests=[evacuate(116)],
            power=[PowerChange(90, "c", False), PowerChange(95, "c", True), PowerChange(118, "a", False)],
            migrations=TAKEN_OVER,
        ),
        2,
        "from a to None was taken over",
    ),
    "repeated though the nova-compute that was killed had not begun with the first": (
        but(
            requests=[evacuate(116)],
            faults=[FaultMoment(118, "kill-service", "b/nova-compute", True)],
            migrations=(Migration(1, "i", "accepted", "a", "b", 116, 117), *DONE_AGAIN),
        ),
        2,
        "was accepted",
    ),
    "repeated though the first had not been cut off": (
        but(
            requests=[evacuate(116)],
            faults=[
                FaultMoment(115, "kill-service", "b/nova-compute", True),
                FaultMoment(118, "kill-service", "c/nova-compute", True),
                FaultMoment(118, "freeze", "b/nova-compute", True),
                FaultMoment(121, "kill-service", "b/nova-compute", True),
            ],
            migrations=(Migration(1, "i", "pre-migrating", "a", "b", 116, 117), *DONE_AGAIN),
        ),
        2,
        "was pre-migrating",
    ),
    "repeated before the conductor was killed": (
        but(
            requests=[evacuate(116)],
            faults=[FaultMoment(121, "stop", "cloud/nova-conductor", True)],
            migrations=TAKEN_OVER,
        ),
        2,
        "from a to None was taken over",
    ),
    "repeated on the same host before the conductor was killed": (
        but(
            requests=[evacuate(116)],
            faults=[FaultMoment(121, "stop", "cloud/nova-conductor", True)],
            migrations=(
                Migration(1, "i", "completed", "a", "b", 116, 133),
                Migration(2, "i", "completed", "a", "b", 120, 134),
            ),
        ),
        2,
        "was completed",
    ),
    "repeated though the host that had no power was known to be dead before the first": (
        but(
            requests=[evacuate(116)],
            power=[PowerChange(90, "c", False)],
            flags=[FlagChange(95, "c", "yes"), FlagChange(145, "c", None)],
            migrations=TAKEN_OVER,
        ),
        2,
        "from a to None was taken over",
    ),
    "repeated before the destination of the first died": (
        but(DESTINATION_DIED, power=(*SOUND.power, PowerChange(121, "c", False)), migrations=TAKEN_OVER),
        2,
        "from a to None was taken over",
    ),
    "a guest on two hosts": (but(guests=[GuestChange(126, "c", "i", True)]), 2, "ran on b and c at once"),
    "a guest on two hosts for a moment": (
        but(guests=[GuestChange(124, "c", "i", True), GuestChange(125.001, "c", "i", False)]),
        2,
        "ran on c and b at once",
    ),
    "Nova's records are missing": (but(migrations=()), 2, "no record"),
    "un-forced": (but(requests=[changed_service(128, "a", forced_down=False)]), 3, "un-forced"),
    "un-forced, for all that a gateway knows": (
        but(requests=[dataclasses.replace(changed_service(128, "a", forced_down=False), status=502)]),
        3,
        "un-forced",
    ),
    "enabled": (but(requests=[changed_service(128, "a", status="enabled")]), 3, "enabled"),
    "nova-compute started": (but(starts=[ServiceStart(118, "a")]), 3, "nova-compute was started"),
    "closed early": (
        but(flags=(*SOUND.flags[:2], FlagChange(122, "a", "no"), FlagChange(135, "a", None))),
        4,
        "closed before instance i",
    ),
    "closed before any request": (
        but(flags=(*SOUND.flags[:2], FlagChange(119, "a", "no"))),
        4,
        "closed before instance i",
    ),
    "closed before the repeated evacuation was over": (
        but(
            DESTINATION_DIED,
            flags=(*SOUND.flags[:2], FlagChange(118.5, "c", "yes"), FlagChange(122, "a", "no")),
            migrations=TAKEN_OVER,
        ),
        4,
        "closed before instance i",
    ),
    "closed before an evacuation was over that left no outcome": (
        but(
            flags=(*SOUND.flags[:2], FlagChange(122, "a", "no")),
            guests=[
                GuestChange(20, "b", "i", True),
                GuestChange(30, "b", "i", False),
                GuestChange(121, "a", "i", True),
            ],
            migrations=(Migration(1, "i", "completed", "a", None, 120, 133),),
        ),
        4,
        "closed before instance i",
    ),
    "a record is left with which nova-compute would destroy an instance": (
        but(DESTINATION_DIED, migrations=TAKEN_OVER),
        4,
        "evacuation 2 of instance i is left accepted",
    ),
    "such a record is left, of a host on its way back": (
        but(DESTINATION_DIED, migrations=TAKEN_OVER, expected=Expected(returning=frozenset({"a"}))),
        4,
        "evacuation 2 of instance i is left accepted",
    ),
    "the flag is left of a host on its way back": (
        but(flags=SOUND.flags[:2], expected=Expected(returning=frozenset({"a"}))),
        4,
        "still stands",
    ),
    "the flag is left": (but(flags=SOUND.flags[:2]), 4, "still stands"),
    "the service is left forced down": (but(services=(Service("s-a", "a", forced_down=True),)), 4, "forced down"),
    "the service is left disabled": (
        but(services=(Service("s-a", "a", enabled=False, disabled_reason="nova-ha: being recovered"),)),
        4,
        "left disabled",
    ),
    "the instance is gone": (but(instances=()), 4, "is gone"),
    "the instance is in ERROR": (but(instances=(Instance("i", "a", "ERROR"),)), 4, "is ERROR on a"),
    "the instance is still being rebuilt": (
        but(instances=(Instance("i", "b", "ACTIVE", "rebuilding"),)),
        4,
        "(rebuilding)",
    ),
    "the guest runs nowhere": (but(guests=SOUND.guests[:1]), 4, "runs nowhere"),
    "the guest runs elsewhere than Nova says": (but(instances=(Instance("i", "c", "ACTIVE"),)), 4, "runs on b"),
    "an instance that had to run never did": (but(expected=Expected({"i": RUNNING, "j": RUNNING})), 4, "is gone"),
    "a paused instance runs": (but(expected=Expected({"i": PAUSED})), 4, "should be paused, but is ACTIVE"),
    "a paused instance has no guest": (
        but(guests=SOUND.guests[:1], instances=(Instance("i", "b", "PAUSED"),), expected=Expected({"i": PAUSED})),
        4,
        "runs nowhere",
    ),
    "a stopped instance runs": (but(expected=Expected({"i": STOPPED})), 5, "guest was started on b"),
    "a stopped instance is ACTIVE": (
        but(guests=[GuestChange(127, "b", "i", False)], expected=Expected({"i": STOPPED})),
        5,
        "is ACTIVE",
    ),
    "a stopped instance is gone": (but(guests=(), instances=(), expected=Expected({"i": STOPPED})), 5, "is gone"),
    "a shelved instance runs": (but(expected=Expected({"i": SHELVED})), 5, "should be shelved, but is ACTIVE"),
    "an instance that was never launched has a guest": (
        but(instances=(Instance("i", "b", "ERROR"),), expected=Expected({"i": IN_ERROR})),
        5,
        "should be in error, but its guest was started on b",
    ),
    "a deleted instance is back": (but(expected=Expected({"i": GONE})), 5, "Nova has it"),
    "a host of a mass is taken up": (MASS, 6, "was taken up while 3 of 3 hosts were flagged"),
    "an instance may be anything, but not twice": (
        but(guests=[GuestChange(126, "c", "i", True)], expected=Expected({"i": UNSURE})),
        2,
        "ran on b and c at once",
    ),
    "a deleted instance's guest runs": (but(instances=(), expected=Expected({"i": GONE})), 5, "guest was started"),
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD.keys())
def test_sound_history_passes(history):
    assert audits.audit(history) == []


@pytest.mark.parametrize(("history", "rule", "words"), BAD.values(), ids=BAD.keys())
def test_breach_is_seen_and_named(history, rule, words):
    assert [str(breach) for breach in audits.audit(history) if breach.rule == rule and words in breach.text]


def test_every_rule_is_shown_to_be_breakable():
    assert {rule for _history, rule, _words in BAD.values()} == set(audits.RULES)


def test_report_gives_one_line_for_each_rule_that_holds():
    assert audits.report(SOUND) == [
        "rule 1 (no evacuation without proof of death): holds, 1 evacuation asked for",
        "rule 2 (never two evacuations of one instance at once): holds, 1 evacuation and 2 guest starts seen",
        "rule 3 (the source host stays out until it is recovered): holds, kept out: a for 20.0 s",
        "rule 4 (nothing is forgotten): holds, 1 instance running as they should",
        "rule 5 (nothing is resurrected that should be dead): holds, 0 dead instances seen",
        "rule 6 (a doubtful mass failure stops the machine): holds, 1 claim seen",
    ]


def test_report_says_what_broke_and_when():
    lines = audits.report(but(guests=[GuestChange(126.25, "c", "i", True)]))
    broken = [line for line in lines if "BROKEN" in line]
    assert len(lines) == len(audits.RULES)
    assert any(".250: i: ran on b and c at once" in line for line in broken)

# SPDX-License-Identifier: Apache-2.0
"""What Nova refuses to evacuate for what it is: it stays, holds nothing up, and runs again on its own host."""

import json

import novaclient.exceptions
import pytest

from nova_ha.model import instance_states
from tests.functional.steps import eventually
from tests.lab import facts, faults, workload

pytestmark = pytest.mark.lab_b

HOST = "compute-1"
SEALED = "sealed"  # a flavor, and an image, whose instances have a virtual TPM
TPM = "a virtual TPM"


def test_an_instance_with_a_virtual_tpm_does_not_hold_its_host_up(story):
    # Given instances on a host, one with a virtual TPM by its flavor, which the real Nova does not evacuate,
    workload.create_flavor(story.settings, SEALED, 64, {"hw:tpm_version": "2.0"})
    others = story.instances_on(HOST, 2)
    [sealed] = story.instances_on(HOST, 1, prefix=SEALED, flavor=SEALED)
    assert _refusal(story, sealed) == TPM
    # and which the plan shows beforehand,
    planned = _planned(story)
    assert (planned[sealed]["step"], planned[sealed]["code"]) == ("skip", "not_evacuable")
    assert {planned[other]["step"] for other in others} == {"evacuate"}
    # when the host dies,
    faults.kill(HOST)
    # then the others are recovered, it is not asked for, and the host comes back all the same,
    story.recovered(HOST, others)
    story.back_in_service(HOST)
    past = story.recorded.history()
    assert {request.instance for request in facts.evacuate_requests(past)} == set(others)
    # where it runs again.
    eventually("it to run where it was", lambda: _runs_on(story, sealed) == HOST, 60)


def test_an_instance_whose_image_asks_for_a_virtual_tpm_is_told_by_that(story):
    # Given the same by its image,
    workload.create_image(story.settings, SEALED, hw_tpm_version="2.0")
    [sealed] = story.instances_on(HOST, 1, prefix=SEALED, image=SEALED)
    assert _refusal(story, sealed) == TPM
    # then the plan shows it beforehand, too.
    planned = _planned(story)[sealed]
    assert (planned["step"], planned["code"]) == ("skip", "not_evacuable")


def _refusal(story, instance):
    """What Nova says that an instance has for which it does not evacuate it; its host need not be down for that."""
    with pytest.raises(novaclient.exceptions.ClientException) as refused:
        workload.client(story.settings).servers.evacuate(instance)
    return instance_states.refusal(str(refused.value))


def _planned(story):
    """What the plan for the host says of each of its instances, by their ids."""
    plan = json.loads(story.on_engine_node(f"nova-ha plan {HOST} --json").stdout)
    return {step["instance"]: step for step in plan["steps"]}


def _runs_on(story, instance):
    """The host on which an instance runs, None if it does not."""
    found = next(entry for entry in workload.instances(story.settings) if entry["id"] == instance)
    return found["host"] if (found["status"], found["power_state"]) == ("ACTIVE", "running") else None

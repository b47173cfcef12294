# SPDX-License-Identifier: Apache-2.0
"""The policy: does what the operators wrote select anything at all."""

from __future__ import annotations

from collections.abc import Iterator

from nova_ha.checks.facts import CloudFacts, Settings
from nova_ha.model.evacuable_tag import TAG
from nova_ha.model.findings import Finding, FindingCode, warning
from nova_ha.model.reasons import Code


def tag(settings: Settings, cloud: CloudFacts) -> Iterator[Finding]:
    """Whether anything carries a tag that was chosen, and whether Glance tells."""
    found = cloud.selection
    if found is None:
        return
    if found.problem is not None:
        text = f"Glance does not say which images carry {settings.tag}: {found.problem}"
        yield warning(Code.SELECTION_UNKNOWN, "image", text)
    elif settings.tag != TAG and not found.flavors_tagged and not found.images:
        text = f"no flavor and no image carries {settings.tag}=true, so that every instance is recovered"
        yield warning(
            FindingCode.TAG_UNUSED, "tag", text, f"openstack flavor set --property {settings.tag}=true FLAVOR"
        )


def lists(settings: Settings, cloud: CloudFacts) -> Iterator[Finding]:
    """Whether what the policy's lists name is there."""
    policy = settings.rules.policy
    for project in cloud.empty_projects:
        text = f"the policy names project {project} (by its id), and no instance is of it"
        yield warning(FindingCode.SELECTS_NOTHING, "projects", text, f"openstack project show {project}")
    zones = {service.zone for service in cloud.services.values()}
    named = {
        "availability_zones": (policy.availability_zones, zones),
        "skip_availability_zones": (policy.skip_availability_zones, zones),
    }
    if "aggregates" not in cloud.failures:
        named["aggregates"] = (policy.aggregates, {*cloud.aggregates})
        named["skip_aggregates"] = (policy.skip_aggregates, {*cloud.aggregates})
    for option, (wanted, there) in named.items():
        for each in sorted(set(wanted) - there):
            text = f"the policy names {each!r}, and Nova has none of that name with a compute host"
            yield warning(FindingCode.SELECTS_NOTHING, option, text)

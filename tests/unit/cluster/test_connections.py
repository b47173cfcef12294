# SPDX-License-Identifier: Apache-2.0
"""Connections to remote nodes: disabled and enabled only if they are still what they were."""

import pytest

from nova_ha.cluster.connections import Connections
from tests.unit.cluster.scripts import Script, query

WHICH = '//primitive[@class="ocf"][@provider="pacemaker"][@type="remote"][@id="compute-1"]'
ROLE = '<nvpair id="r" name="target-role" value="{}" />'
BARE = '<primitive id="compute-1"><operations/></primitive>'
PRIORITY = '<meta_attributes id="m"><nvpair id="p" name="priority" value="1"/></meta_attributes>'
OTHER = f'<primitive id="compute-1">{PRIORITY}</primitive>'
GUARDED = f'{WHICH}//nvpair[@id="r"][@value="{{}}"]'
ABSENT = f'{WHICH}[not(meta_attributes/nvpair[@name="target-role"])]'
DONE = (0, "", "")


def having(role):
    return f'<primitive id="compute-1"><meta_attributes id="m">{ROLE.format(role)}</meta_attributes></primitive>'


def looks(text):
    return query(WHICH), (0, text, "") if text else (105, "", "")


def connections(*expected):
    return Connections(runner=Script(*expected))


@pytest.mark.parametrize(
    ("found", "disabled"),
    [
        (None, None),
        (BARE, False),
        (OTHER, False),
        (having("Started"), False),
        (having("Stopped"), True),
        (having("stopped"), True),
    ],
)
def test_whether_one_is_disabled(found, disabled):
    assert connections(looks(found)).is_disabled("compute-1") is disabled


@pytest.mark.parametrize(("found", "set_id"), [(BARE, "compute-1-meta_attributes"), (OTHER, "m")])
def test_one_without_a_role_is_disabled_in_one_guarded_step(found, set_id):
    pair = f'<nvpair id="{set_id}-target-role" name="target-role" value="Stopped" />'
    merged = f'<primitive id="compute-1"><meta_attributes id="{set_id}">{pair}</meta_attributes></primitive>'
    modify = ["cibadmin", "--modify", "--xpath", ABSENT, "--xml-text", merged]
    assert connections(looks(found), (modify, DONE), looks(having("Stopped"))).disable("compute-1")


@pytest.mark.parametrize("then", ["Stopped", "Started"])
def test_one_with_a_role_is_disabled_unless_somebody_changes_it(then):
    replace = ["cibadmin", "--replace", "--xpath", GUARDED.format("Started"), "--xml-text", ROLE.format("Stopped")]
    change = connections(looks(having("Started")), (replace, DONE), looks(having(then)))
    assert change.disable("compute-1") is (then == "Stopped")


def test_one_is_enabled_as_pcs_does():
    delete = ["cibadmin", "--delete", "--xpath", GUARDED.format("Stopped")]
    assert connections(looks(having("Stopped")), (delete, DONE), looks(BARE)).enable("compute-1")


def test_nothing_is_changed_where_it_is_so_already_or_there_is_none():
    assert connections(looks(having("Stopped")), looks(having("Stopped"))).disable("compute-1")
    assert connections(looks(BARE), looks(BARE)).enable("compute-1")
    assert not connections(looks(None), looks(None)).disable("compute-1")


@pytest.mark.parametrize(
    ("node", "role", "stopped"),
    [
        ('online="false" unclean="false"', "Stopped", True),
        ('online="true" unclean="false"', "Stopped", False),
        ('online="false" unclean="true"', "Stopped", False),
        ('online="false" unclean="false"', "Started", False),
        ('online="false" unclean="false"', "Stopping", False),
    ],
)
def test_when_a_host_has_stopped(node, role, stopped):
    status = ["crm_mon", "--one-shot", "--output-as=xml", "--include=none,nodes,resources"]
    nodes = f'<node name="compute-1" type="remote" {node}/><node name="compute-2" online="true"/>'
    resources = f'<resource id="compute-1" role="{role}"/><resource id="compute-2" role="Started"/>'
    answer = f"<r><nodes>{nodes}</nodes><resources>{resources}</resources></r>"
    assert connections((status, (0, answer, ""))).has_stopped("compute-1") is stopped

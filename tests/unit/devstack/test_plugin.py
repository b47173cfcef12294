# SPDX-License-Identifier: Apache-2.0
"""The DevStack plugin, phase by phase, on nodes whose programs are stand-ins."""

import pytest

from tests.unit.devstack.node import ALL_IN_ONE, COMPUTE, CONTROL, IPMI, NAME, REDFISH, SECRETS, STACK, VIRSH, Node


def position(calls, words):
    """Where the first call stands that begins with these words."""
    return next(i for i, call in enumerate(calls) if call.startswith(words))


@pytest.mark.parametrize(
    ("services", "role"),
    [(CONTROL, "nova-ha"), (ALL_IN_ONE, "nova-ha"), (COMPUTE, "nova-ha-compute"), ("key,mysql", None)],
)
def test_a_node_s_role_follows_from_its_services(tmp_path, services, role):
    done = Node(tmp_path, services).run("stack", "pre-install")
    assert "define_plugin nova-ha" in done.calls
    installed = [call for call in done.calls if call.startswith("install_package")]
    assert bool(installed) == (role is not None)
    if role:
        assert ("pacemaker-remote" in installed[0]) == (role == "nova-ha-compute")
        # Debian's packages conflict.
        assert (" pacemaker " in installed[0]) == (role == "nova-ha")


def test_the_phases_of_a_control_node_do_their_part_in_order(tmp_path):
    pre, install, post, extra, last = Node(tmp_path, ALL_IN_ONE).stack()
    assert not [call for call in pre.calls if not call.startswith(("install_package", "define_plugin", "uname"))]
    assert any(call.endswith("/tools/install") for call in install.calls)
    assert "create_service_user nova-ha admin" in post.calls
    assert "iniset /etc/nova/nova.conf DEFAULT resume_guests_state_on_host_boot True" in post.calls
    order = [
        "systemctl enable --now pcsd",
        "pcs host auth controller",
        "pcs cluster setup nova-ha-devstack controller addr=192.0.2.10 --enable",
        "pcs cluster start",
        "systemctl disable devstack@n-cpu.service",
        "systemctl stop devstack@n-cpu.service",
        "pcs cluster cib-push",
        "nova-ha status",
    ]
    places = [position(extra.calls, words) for words in order]
    assert places == sorted(places)
    assert "nova-ha plan controller" in last.calls


def test_the_phases_of_a_compute_host_do_their_part_in_order(tmp_path):
    node = Node(tmp_path, COMPUTE)
    pre, install, post, extra, last = node.stack()
    assert any(call.endswith("/tools/install") for call in install.calls)
    # A compute host needs no credentials of the cloud.
    assert not any("create_service_user" in call for call in post.calls)
    assert not (tmp_path / "etc/nova-ha").exists()
    assert "iniset /etc/nova/nova.conf DEFAULT resume_guests_state_on_host_boot True" in post.calls
    assert "systemctl enable --now pcsd" in extra.calls
    # stack.sh waits for nova-compute between these two.
    assert not any("devstack@n-cpu" in call for call in extra.calls)
    unit = "devstack@n-cpu.service"
    assert position(last.calls, f"systemctl disable {unit}") < position(last.calls, f"systemctl stop {unit}")
    assert not any(call.startswith("pcs") for done in (pre, install, post, extra, last) for call in done.calls)
    assert "devstack/add-hosts" in last.output


def test_the_control_node_s_nova_compute_is_run_by_the_cluster_only_where_it_has_one(tmp_path):
    nodes = {services: Node(tmp_path / services, services) for services in (CONTROL, ALL_IN_ONE)}
    for services, node in nodes.items():
        node.run("stack", "extra")
        (rule,) = [line for line in node.cib if ' id="nova-compute-on-hosts"' in line]
        assert ("osprole eq controller" in rule) == (services == ALL_IN_ONE)
        (resource,) = [line for line in node.cib if ' id="nova-compute" ' in line]
        assert "unit=devstack@n-cpu" in resource


def test_a_host_is_fenced_before_anything_runs_on_it(answering):
    done = answering.run("stack", "extra")
    device, level = [line for line in answering.cib if "power-localhost" in line]
    assert device.startswith('<primitive id="power-localhost" fence_ipmilan')
    for words in ("ip=192.0.2.121", "username=admin", "lanplus=1", "pcmk_host_list=localhost"):
        assert words in device
    assert level == '<fencing-level target="localhost" devices="power-localhost,fence-nova"/>'
    changes = [call.partition(" -f ")[2].partition(" ")[2] for call in done.calls if call.startswith("pcs -f")]
    # nova-compute is started where the host has its role.
    assert changes[-1] == "node attribute localhost osprole=compute"
    assert any(change.startswith("stonith level add 1 localhost") for change in changes)


@pytest.mark.parametrize(
    ("variables", "entry", "agent", "expected"),
    [
        (IPMI, "c1=192.0.2.1:6230", "fence_ipmilan", "ip=192.0.2.1 ipport=6230 lanplus=1 cipher=3 pcmk_host_list=c1"),
        (VIRSH, "c1", "fence_virsh", "ip=192.0.2.1 ssh=1 pcmk_host_map=c1:c1"),
        (VIRSH, "c1=vm7", "fence_virsh", "pcmk_host_map=c1:vm7"),
        (REDFISH, "c1=192.0.2.1:8000/redfish/v1/Systems/ab", "fence_redfish",
         "ip=192.0.2.1 ipport=8000 systems_uri=/redfish/v1/Systems/ab pcmk_host_list=c1"),
        ({**REDFISH, "NOVA_HA_FENCING_OPTIONS": "ssl_insecure=1 power_timeout=30"}, "c1=192.0.2.1", "fence_redfish",
         "ssl_insecure=1 power_timeout=30"),
    ],
)  # fmt: skip
def test_a_host_s_fence_agent_has_its_parameters(answering, variables, entry, agent, expected):
    answering.variables.update(variables, NOVA_HA_HOSTS=entry)
    answering.run("stack", "extra")
    (device,) = [line for line in answering.cib if ' id="power-c1"' in line]
    assert f" {agent} " in device
    assert set(expected.split()) <= set(device.strip("<>").split())
    if agent != "fence_redfish":
        assert "systems_uri" not in device


def test_a_private_key_takes_the_place_of_the_password(answering, tmp_path):
    (tmp_path / "key").touch()
    answering.variables.update(VIRSH, NOVA_HA_FENCING_KEY=str(tmp_path / "key"), NOVA_HA_HOSTS="c1")
    del answering.variables["NOVA_HA_FENCING_PASSWORD"]
    answering.run("stack", "extra")
    (device,) = [line for line in answering.cib if ' id="power-c1"' in line]
    assert f"identity_file={tmp_path}/key" in device
    assert "password" not in device


def test_no_password_is_on_a_command_line_in_the_trace_or_said(answering, tmp_path):
    done = [*answering.stack(), answering.run("unstack"), answering.run("clean")]
    (tmp_path / "compute").mkdir()
    done += Node(tmp_path / "compute/1", COMPUTE).stack()
    assert all(each.calls for each in done)
    for each in done:
        for secret in SECRETS.values():
            assert secret not in "\n".join([each.output, each.trace, *each.calls])


def test_the_passwords_are_where_they_belong(answering, tmp_path):
    stdin = []
    for phase in STACK:
        answering.run("stack", phase)
        stdin.append((tmp_path / "stdin").read_text())
    # As the value of an attribute in XML,
    (device,) = [line for line in answering.cib if ' id="power-localhost"' in line]
    assert "password=fence&quot;&amp;&lt;secret&gt;\\ " in device
    # in the engine's file, which only root can read,
    conf = tmp_path / "etc/nova-ha/nova-ha.conf"
    assert "\npassword = ser$$vice&<secret>\n" in conf.read_text()
    assert conf.stat().st_mode & 0o777 == 0o600
    # and at the standard input of what sets or asks for it.
    secret = SECRETS["SERVICE_PASSWORD"]
    # (hacluster, this node, the compute host)
    assert stdin == ["", "", "", f"hacluster:{secret}\n{secret}\n{secret}\n", ""]


def test_the_file_of_the_engine_has_what_keystone_needs(tmp_path):
    node = Node(tmp_path, CONTROL)
    bundle = tmp_path / "ca-bundle.pem"
    for content in (None, "certificate"):
        if content:
            bundle.write_text(content)
        node.variables["SSL_BUNDLE_FILE"] = str(bundle)
        node.run("stack", "post-config")
        text = (tmp_path / "etc/nova-ha/nova-ha.conf").read_text()
        assert (f"cafile = {bundle}\n" in text) == bool(content)
        assert "auth_url = http://192.0.2.10/identity\nusername = nova-ha\n" in text


def test_to_stack_twice_changes_nothing_the_second_time(answering):
    answering.run("stack", "extra")
    before = sorted(answering.cib)
    done = answering.run("stack", "extra")
    assert not any(call.startswith(("pcs cluster setup", "pcs cluster node add-remote")) for call in done.calls)
    # The device's parameters are set anew, since the variables may have changed.
    assert [line.partition(" username=")[0] for line in sorted(answering.cib)] == [
        line.partition(" username=")[0] for line in before
    ]


def test_a_nova_compute_that_the_cluster_runs_is_not_stopped(tmp_path):
    node = Node(tmp_path, COMPUTE)
    node.told["crm_resource --resource nova-compute --locate"] = (0, f"resource nova-compute is running on: {NAME}")
    done = node.run("stack", "test-config")
    assert any(call.startswith("systemctl disable devstack@n-cpu") for call in done.calls)
    assert not any(call.startswith("systemctl stop") for call in done.calls)


@pytest.mark.parametrize(
    ("flag", "code"), [(None, 0), ((0, "no"), 0), ((0, "yes"), 1), ((0, "control-1@17"), 1), ((102, ""), 1)]
)
def test_devstack_does_not_start_nova_compute_on_a_host_that_is_being_recovered(tmp_path, flag, code):
    node = Node(tmp_path, COMPUTE)
    if flag is not None:
        node.told["systemctl is-active --quiet pacemaker_remote"] = (0, "")
        node.told["crm_attribute"] = flag
    done = node.run("stack", "post-config")
    assert done.returncode == code
    assert len(done.errors) == code


def test_a_host_that_does_not_answer_yet_is_left_for_later(tmp_path):
    node = Node(tmp_path, CONTROL, **{**IPMI, "NOVA_HA_HOSTS": "nowhere.invalid=192.0.2.121"})
    done = node.run("stack", "extra")
    assert done.returncode == 0
    assert "does not get in: nowhere.invalid. Once they have stacked" in done.output
    assert not any("add-remote" in call for call in done.calls)
    # The cluster starts the engine only where there is a device.
    assert any(' id="fence-nova"' in line for line in node.cib)


def test_a_host_that_refuses_the_password_has_not_stacked_yet(answering):
    answering.told["pcs host auth localhost"] = (1, "Username and/or password is incorrect")
    done = answering.run("stack", "extra")
    assert done.returncode == 0
    assert "does not get in: localhost. Once they have stacked, with the same password of hacluster" in done.output
    assert not any("add-remote" in call for call in done.calls)


@pytest.mark.parametrize(
    ("services", "variables", "said"),
    [
        (ALL_IN_ONE, {}, "NO INSTANCE IS PROTECTED: no host can be fenced (NOVA_HA_FENCING=none), and there is no other"
         " host to evacuate to (NOVA_HA_HOSTS is empty)."),
        (CONTROL, {"NOVA_HA_HOSTS": "c1 c2"}, "PROTECTED: no host can be fenced (NOVA_HA_FENCING=none). nova-ha plan"),
        (CONTROL, {**VIRSH, "NOVA_HA_HOSTS": "c1 c2=vm"}, "are protected, once they are added: c1 c2."),
        (ALL_IN_ONE, {**VIRSH, "NOVA_HA_HOSTS": "c1"}, "c1. Those on controller, the control node, are not."),
    ],
)  # fmt: skip
def test_one_line_says_what_is_not_protected(tmp_path, services, variables, said):
    done = Node(tmp_path, services, **variables).run("stack", "test-config")
    (line,) = done.output.splitlines()
    assert said in line


def test_nobody_is_fenced_by_unstack_and_clean_takes_the_rest(answering, tmp_path):
    answering.run("stack", "post-config")
    answering.run("stack", "extra")
    unstack = answering.run("unstack")
    first = [call for call in unstack.calls if call.startswith("pcs")][0]
    assert first == "pcs property set stonith-enabled=false"
    disabled = position(unstack.calls, "pcs resource disable nova-compute")
    assert disabled < position(unstack.calls, "pcs cluster node remove-remote localhost")
    assert position(unstack.calls, "pcs cluster stop") == max(
        i for i, call in enumerate(unstack.calls) if call.startswith("pcs")
    )
    assert not answering.cib
    # The plugin's cluster is there still, and goes with clean.
    assert (tmp_path / "etc/corosync/corosync.conf").exists()
    clean = answering.run("clean")
    assert not (tmp_path / "etc/corosync/corosync.conf").exists()
    assert not (tmp_path / "etc/nova-ha").exists()
    assert any(call.endswith("/tools/install --uninstall") for call in clean.calls)
    for mode in ("unstack", "clean"):
        assert answering.run(mode).returncode == 0


def test_a_compute_host_leaves_in_good_order(tmp_path):
    node = Node(tmp_path, COMPUTE)
    conf = tmp_path / "etc/corosync/corosync.conf"
    conf.parent.mkdir(parents=True)
    (tmp_path / "cib").write_text("")
    for is_member in (True, False):
        if is_member:
            conf.write_text("")
        unstack = node.run("unstack")
        stopped = position(unstack.calls, "systemctl disable --now pacemaker_remote")
        assert stopped < position(unstack.calls, "systemctl stop devstack@n-cpu")
        stop = f"crm_resource --resource {NAME} --meta --set-parameter target-role"
        asked = [i for i, call in enumerate(unstack.calls) if call.startswith(stop)]
        assert bool(asked) == is_member
        assert all(at < stopped for at in asked)
    # The cluster stays, whatever it is asked.
    conf.write_text("")
    node.variables["NOVA_HA_TIMEOUT"] = "1"
    node.told["crm_resource"] = (0, "")
    done = node.run("unstack")
    assert done.returncode == 1
    assert "unstack the control node first" in done.errors[0]
    assert not any("pacemaker_remote" in call for call in done.calls)


def test_a_host_that_has_left_is_added_anew(answering):
    answering.run("stack", "extra")
    answering.told["cibadmin --query --xpath //primitive[@id='localhost']//nvpair[@name='target-role'"] = (0, "")
    done = answering.run("stack", "extra")
    removed = position(done.calls, "pcs cluster node remove-remote localhost")
    assert removed < position(done.calls, "pcs cluster node add-remote localhost")
    assert len([line for line in answering.cib if "power-localhost" in line]) == 2


def test_what_another_cluster_has_is_left_alone(tmp_path):
    node = Node(tmp_path, CONTROL)
    conf = tmp_path / "etc/corosync/corosync.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("totem {\n\tcluster_name: production\n}\n")
    (tmp_path / "cib").write_text("")
    done = node.run("stack", "extra")
    (error,) = done.errors
    assert "'production'" in error and done.returncode == 1
    for mode in ("unstack", "clean"):
        assert not any(call.startswith("pcs cluster") for call in node.run(mode).calls)
    # But for the sample that Debian's package comes with.
    conf.write_text("totem {\n\tcluster_name: debian\n}\n")
    done = node.run("stack", "extra")
    assert position(done.calls, "pcs cluster destroy") < position(done.calls, "pcs cluster setup")


def test_modules_that_the_system_s_python_lacks_are_named(tmp_path):
    node = Node(tmp_path, CONTROL, DEVSTACK_VENV="/opt/stack/data/venv")
    node.told["sudo /usr/bin/python3 -I"] = (1, "")
    done = node.run("stack", "install")
    (error,) = done.errors
    assert done.returncode == 1
    for words in ("/usr/bin/python3 -I", "distribution's packages", "/opt/stack/data/venv"):
        assert words in error


@pytest.mark.parametrize(
    ("told", "phase", "said"),
    [
        ({"nova-ha status": (1, "")}, "extra", "the recovery engine was not ready within 1 s"),
        # It runs, and does not reach Keystone.
        ({"nova-ha status": (4, "")}, "extra", "the recovery engine was not ready within 1 s"),
        ({"nova-ha plan": (1, "")}, "test-config", "nova-ha plan controller failed"),
    ],
)
def test_what_does_not_come_up_ends_stack_sh(tmp_path, told, phase, said):
    node = Node(tmp_path, ALL_IN_ONE, NOVA_HA_TIMEOUT="1")
    node.told.update(told)
    done = node.run("stack", phase)
    assert done.returncode == 1
    assert said in done.errors[0]


@pytest.mark.parametrize("resource", ["power-localhost", "nova-compute"])
def test_a_host_whose_fencing_or_nova_compute_does_not_start_ends_stack_sh(answering, resource):
    waiting = f"timeout 5 sh -c until sudo crm_resource --resource {resource} "
    answering.told = {waiting: (124, ""), **answering.told}
    done = answering.run("stack", "extra")
    assert done.returncode == 1
    (error,) = done.errors
    assert error.startswith(f"nova-ha: {resource} did not start on ")
    assert "pcs status --full" in done.calls


def test_packages_of_red_hat_s_family_come_from_the_repository_of_pacemaker(tmp_path):
    done = Node(tmp_path, CONTROL, DISTRO="rhel9").run("stack", "pre-install")
    enabled = position(done.calls, "dnf config-manager --set-enabled highavailability")
    assert enabled < position(done.calls, "install_package corosync pacemaker")

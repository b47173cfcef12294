#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the plugin does on one node, without its cluster: packages, files, nova-compute's unit.

# DevStack's unit of nova-compute.
NOVA_HA_UNIT=devstack@n-cpu.service

# The control node's packages beyond those of files/, which control nodes and compute hosts share: on Debian, pacemaker
# and pacemaker-remote conflict. xsltproc makes the manual page of fence_compute.
function nova_ha_control_packages {
    if is_ubuntu; then
        echo "corosync pacemaker pacemaker-cli-utils pcs fence-agents xsltproc" \
            "python3-keystoneauth1 python3-novaclient python3-oslo.config"
    else
        echo "corosync pacemaker pcs resource-agents fence-agents-virsh fence-agents-ipmilan fence-agents-redfish" \
            "python3-keystoneauth1 python3-novaclient python3-oslo-config"
    fi
}

function nova_ha_compute_packages {
    if is_ubuntu; then
        echo "pacemaker-remote pacemaker-cli-utils pcs"
    else
        echo "pacemaker-remote pacemaker-cli pcs resource-agents"
    fi
}

# nova_ha_install_packages PACKAGES - install what a role needs
function nova_ha_install_packages {
    if is_fedora; then
        # There Pacemaker is in a repository of its own, which is off at first.
        sudo dnf config-manager --set-enabled highavailability
    fi
    # In one command, or pcs would have apt install pacemaker where pacemaker-remote is to be.
    # shellcheck disable=SC2086 # a list of words
    install_package $1
}

# Install the agents and nova_ha. Pacemaker runs them with the system's Python, isolated (-I): it finds what the
# distribution's packages have, and neither DevStack's virtual environment nor what pip has installed.
function nova_ha_install {
    sudo "$NOVA_HA_DIR/tools/install"
    if is_service_enabled nova-ha && ! sudo /usr/bin/python3 -I -c 'import keystoneauth1, novaclient, oslo_config'; then
        die $LINENO "nova-ha: a module that the recovery engine needs is missing in /usr/bin/python3 -I, named above:" \
            "install the distribution's packages of keystoneauth1, novaclient and oslo.config;" \
            "what pip or DevStack's virtual environment ($DEVSTACK_VENV) has does not count"
    fi
}

# Remove what nova_ha_install and the agents have left, but for packages.
function nova_ha_uninstall {
    sudo "$NOVA_HA_DIR/tools/install" --uninstall
    sudo rm -rf /etc/nova-ha /var/log/nova-ha /run/nova-ha
    # As the package had made it: without a password.
    sudo usermod --password '!' hacluster
}

# Have nova-compute start again the instances of a host that rebooted unnoticed.
function nova_ha_configure_nova {
    if is_service_enabled n-cpu; then
        iniset "$NOVA_CONF" DEFAULT resume_guests_state_on_host_boot True
    fi
}

# Give the engine a user of its own and its credentials, in a file that only root can read.
function nova_ha_configure_engine {
    local xtrace
    create_service_user nova-ha admin
    xtrace=$(set +o | grep xtrace)
    set +o xtrace
    # A $ in a value is written $$.
    sudo sh -c 'umask 077; mkdir -p /etc/nova-ha; cat >/etc/nova-ha/nova-ha.conf' <<CONF
# Written by DevStack. What is to be otherwise, set in local.conf, [[post-config|/etc/nova-ha/nova-ha.conf]].
[nova]
auth_type = password
auth_url = $KEYSTONE_SERVICE_URI
username = nova-ha
password = ${SERVICE_PASSWORD//$/\$\$}
project_name = $SERVICE_PROJECT_NAME
user_domain_name = $SERVICE_DOMAIN_NAME
project_domain_name = $SERVICE_DOMAIN_NAME
region_name = $REGION_NAME
$([[ ! -f $SSL_BUNDLE_FILE ]] || echo "cafile = $SSL_BUNDLE_FILE")
CONF
    $xtrace
}

# Whether the cluster runs nova-compute on this node, or is about to.
function nova_ha_is_taken_over {
    sudo crm_resource --resource nova-compute --locate 2>/dev/null | grep -qw -- "$(nova_ha_this_node)"
}

# Have nothing but the cluster start nova-compute: not DevStack, and not systemd at boot, where its host may be being
# recovered. What the cluster runs already goes on.
function nova_ha_take_over_compute {
    sudo systemctl disable "$NOVA_HA_UNIT"
    if ! nova_ha_is_taken_over; then
        sudo systemctl stop "$NOVA_HA_UNIT"
    fi
}

# End stack.sh before it starts nova-compute on a host whose instances are being evacuated.
function nova_ha_refuse_flagged_host {
    local flag
    # One that is in no cluster is not being recovered.
    systemctl is-active --quiet pacemaker_remote || return 0
    flag=$(sudo crm_attribute --query --quiet --default no --lifetime forever \
        --node "$(nova_ha_this_node)" --name evacuate) ||
        die $LINENO "nova-ha: the cluster does not answer, so that nothing is known of a recovery of this host:" \
            "start the cluster on the control node, or unstack this host first"
    if [[ $flag != no ]]; then
        die $LINENO "nova-ha: this host is being recovered (flag $flag):" \
            "wait until nova-ha status on the control node does not name it any more"
    fi
}

# Have the control node's pcs come in, by the password of hacluster.
function nova_ha_prepare_to_join {
    local xtrace
    xtrace=$(set +o | grep xtrace)
    set +o xtrace
    sudo chpasswd <<<"hacluster:$(nova_ha_cluster_password)"
    $xtrace
    sudo systemctl enable --now pcsd
}

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compute hosts: how they become remote nodes of the control node's cluster, are fenced, and leave it.

# nova_ha_lets_in HOST - whether a host has stacked: its pcsd listens, and hacluster has its password
function nova_ha_lets_in {
    timeout 5 bash -c "exec 3<>/dev/tcp/$1/2224" 2>/dev/null && nova_ha_authenticate "$1"
}

# Make remote nodes of the hosts of NOVA_HA_HOSTS. Those that have not stacked yet are left out, and their names put
# into NOVA_HA_LEFT_OUT.
function nova_ha_add_hosts {
    local entry host
    NOVA_HA_LEFT_OUT=
    for entry in $NOVA_HA_HOSTS; do
        host=$(nova_ha_name "$entry")
        if nova_ha_is_configured "$host" || nova_ha_lets_in "$host"; then
            nova_ha_add_host "$entry"
        else
            NOVA_HA_LEFT_OUT+=" $host"
        fi
    done
    [[ -z $NOVA_HA_LEFT_OUT ]] ||
        nova_ha_say "not added yet, since this node's pcs does not get in:$NOVA_HA_LEFT_OUT. Once they have stacked," \
            "with the same password of hacluster, on this node, in DevStack's directory: $NOVA_HA_DIR/devstack/add-hosts"
}

# nova_ha_add_host ENTRY - make a host a remote node that is fenced, and have its nova-compute started
function nova_ha_add_host {
    local host is_new=
    host=$(nova_ha_name "$1")
    if nova_ha_has_left "$host"; then
        nova_ha_remove_host "$host"
    fi
    if ! nova_ha_is_configured "$host"; then
        is_new=1
        # nova-compute does not start there before its fencing is configured: it needs the host's role.
        sudo pcs cluster node add-remote "$host" reconnect_interval=60s op start timeout=15s \
            monitor interval=5s timeout=15s --wait="$NOVA_HA_TIMEOUT"
    fi
    nova_ha_change nova_ha_edit_host "$1"
    if [[ $NOVA_HA_FENCING != none ]]; then
        # It starts where the fence agent gets an answer about the host's power.
        nova_ha_await_on "power-$host" "$(nova_ha_this_node)"
    fi
    # One that was there may be being recovered.
    [[ -z $is_new ]] || nova_ha_await_on nova-compute "$host"
}

# nova_ha_edit_host ENTRY - a host's fencing, and last its role, with which nova-compute may start there
function nova_ha_edit_host {
    local host device parameters
    host=$(nova_ha_name "$1")
    device=power-$host
    if [[ $NOVA_HA_FENCING != none ]]; then
        mapfile -t parameters < <(nova_ha_fence_parameters "$1")
        if nova_ha_has "$device"; then
            nova_ha_pcs stonith update "$device" "${parameters[@]}"
        else
            nova_ha_pcs stonith create "$device" "$(nova_ha_fence_agent)" "${parameters[@]}" \
                op monitor interval=60s meta failure-timeout=120s
            nova_ha_pcs stonith level add 1 "$host" "$device" fence-nova
        fi
    fi
    nova_ha_pcs node attribute "$host" osprole=compute
}

function nova_ha_fence_agent {
    case "$NOVA_HA_FENCING" in
        virsh) echo fence_virsh ;;
        ipmi) echo fence_ipmilan ;;
        redfish) echo fence_redfish ;;
    esac
}

# nova_ha_fence_parameters ENTRY - the parameters of a host's fence agent, a line each
function nova_ha_fence_parameters {
    local host target address path=
    host=$(nova_ha_name "$1")
    target=$(nova_ha_target "$1")
    address=${target%%/*}
    echo "username=$NOVA_HA_FENCING_USER"
    if [[ $NOVA_HA_FENCING == virsh ]]; then
        printf '%s\n' "ip=$NOVA_HA_FENCING_ADDRESS" ssh=1 "pcmk_host_map=$host:${target:-$host}"
    else
        [[ $target != */* ]] || path=/${target#*/}
        printf '%s\n' "ip=${address%:*}" "pcmk_host_list=$host"
        [[ $address != *:* ]] || echo "ipport=${address##*:}"
        [[ -z $path ]] || echo "systems_uri=$path"
        # Without the cipher each call waits 10 s.
        [[ $NOVA_HA_FENCING != ipmi ]] || printf '%s\n' lanplus=1 cipher=3
    fi
    if [[ $NOVA_HA_FENCING == virsh && -n $NOVA_HA_FENCING_KEY ]]; then
        echo "identity_file=$NOVA_HA_FENCING_KEY"
    else
        echo "password=@NOVA_HA_FENCING_PASSWORD@"
    fi
    # shellcheck disable=SC2086 # a list of words
    [[ -z $NOVA_HA_FENCING_OPTIONS ]] || printf '%s\n' $NOVA_HA_FENCING_OPTIONS
}

# nova_ha_has_left HOST - whether a host has left the cluster that still has it in its configuration
function nova_ha_has_left {
    sudo cibadmin --query --xpath "//primitive[@id='$1']//nvpair[@name='target-role' and @value='Stopped']" \
        >/dev/null 2>&1
}

# Take all hosts out of the cluster.
function nova_ha_remove_hosts {
    local host
    for host in $(nova_ha_members); do
        nova_ha_remove_host "$host"
    done
}

# nova_ha_remove_host HOST - take a host out of the cluster, and its fencing with it
function nova_ha_remove_host {
    # Or the way to it would be tried again while it is removed.
    sudo pcs resource disable "$1" --wait="$NOVA_HA_TIMEOUT" || true
    sudo pcs cluster node remove-remote "$1" --skip-offline
    nova_ha_change nova_ha_edit_host_away "$1"
}

# The names of the cluster's remote nodes.
function nova_ha_members {
    sudo cibadmin --query --xpath "//primitive[@type='remote']" 2>/dev/null |
        sed -n 's/.*<primitive [^>]*\bid="\([^"]*\)".*/\1/p'
}

# nova_ha_edit_host_away HOST - remove a host's fencing
function nova_ha_edit_host_away {
    if grep -q "<fencing-level[^>]* target=\"$1\"" "$NOVA_HA_DRAFT"; then
        nova_ha_pcs stonith level clear target "$1"
    fi
    if nova_ha_has "power-$1"; then
        nova_ha_pcs stonith delete "power-$1"
    fi
}

# On a compute host: leave the cluster in good order, so that it is not fenced; what the cluster runs here is stopped.
function nova_ha_leave_cluster {
    if nova_ha_cluster_runs; then
        # Merely to stop pacemaker_remote has the host fenced (seen with Pacemaker 2.1.5).
        sudo crm_resource --resource "$(nova_ha_this_node)" --meta --set-parameter target-role --parameter-value Stopped
        timeout "$NOVA_HA_TIMEOUT" sh -c "while sudo $NOVA_HA_ASK_CLUSTER >/dev/null 2>&1; do sleep 1; done" ||
            die $LINENO "nova-ha: the cluster did not let go of this host within $NOVA_HA_TIMEOUT s (NOVA_HA_TIMEOUT):" \
                "unstack the control node first"
    fi
    sudo systemctl disable --now pacemaker_remote
    # DevStack stops only what is enabled.
    sudo systemctl stop "$NOVA_HA_UNIT"
}

# On a compute host: forget the key of the cluster.
function nova_ha_forget_cluster {
    sudo rm -f /etc/pacemaker/authkey
}

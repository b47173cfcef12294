#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The plugin's variables: what they have to be, and what is read from them.

# The name by which Nova and the cluster know this node.
function nova_ha_this_node {
    uname -n
}

# nova_ha_say TEXT... - tell whoever runs DevStack; only stack.sh has a summary
function nova_ha_say {
    if declare -F echo_summary >/dev/null; then
        echo_summary "nova-ha: $*"
    else
        echo "nova-ha: $*"
    fi
}

# nova_ha_name ENTRY - the host of an entry of NOVA_HA_HOSTS
function nova_ha_name {
    echo "${1%%=*}"
}

# nova_ha_target ENTRY - what the fence agent knows the host by; nothing where the entry does not say
function nova_ha_target {
    [[ $1 != *=* ]] || echo "${1#*=}"
}

# The names of all hosts of NOVA_HA_HOSTS.
function nova_ha_names {
    local entry names=()
    for entry in $NOVA_HA_HOSTS; do
        names+=("$(nova_ha_name "$entry")")
    done
    echo "${names[*]}"
}

# The password of the user hacluster. Call it only where nothing is traced.
function nova_ha_cluster_password {
    printf '%s\n' "${NOVA_HA_CLUSTER_PASSWORD:-$SERVICE_PASSWORD}"
}

# nova_ha_refuse VARIABLE EXPECTED - end stack.sh with one line about a variable's value
function nova_ha_refuse {
    die "${BASH_LINENO[0]}" "nova-ha: $1: invalid value '${!1}': expected $2"
}

# nova_ha_require VARIABLE WHAT - refuse a variable without a value
function nova_ha_require {
    [[ -n ${!1} ]] || nova_ha_refuse "$1" "$2, since NOVA_HA_FENCING=$NOVA_HA_FENCING"
}

# End stack.sh if any variable has a value with which it could not end well.
function nova_ha_check_values {
    [[ $NOVA_HA_TIMEOUT =~ ^[1-9][0-9]{0,4}$ ]] ||
        nova_ha_refuse NOVA_HA_TIMEOUT "seconds as a whole number, 1 to 99999"
    if is_service_enabled n-cpu; then
        [[ $VIRT_DRIVER != fake ]] ||
            nova_ha_refuse VIRT_DRIVER "a driver with one nova-compute a host, such as libvirt"
        [[ $USER_UNITS != True ]] ||
            nova_ha_refuse USER_UNITS "False: the cluster starts units of the system, not of a user"
    fi
    local xtrace
    xtrace=$(set +o | grep xtrace)
    set +o xtrace
    [[ -n $(nova_ha_cluster_password) ]] ||
        die $LINENO "nova-ha: NOVA_HA_CLUSTER_PASSWORD: no value: expected a password, the same on all nodes;" \
            "without it SERVICE_PASSWORD is taken, which has no value either"
    $xtrace
    if is_service_enabled nova-ha; then
        nova_ha_check_fencing
        # shellcheck disable=SC2086 # a list of words
        nova_ha_check_hosts $NOVA_HA_HOSTS
    fi
}

# The part of nova_ha_check_values about the fence agent.
function nova_ha_check_fencing {
    local option xtrace
    case "$NOVA_HA_FENCING" in
        none) return ;;
        virsh) nova_ha_require NOVA_HA_FENCING_ADDRESS "the hypervisor's address" ;;
        ipmi | redfish) ;;
        *) nova_ha_refuse NOVA_HA_FENCING "virsh, ipmi, redfish or none" ;;
    esac
    nova_ha_require NOVA_HA_FENCING_USER "the user that the fence agent logs in as"
    for option in $NOVA_HA_FENCING_OPTIONS; do
        [[ $option =~ ^[a-z_]+=. ]] || nova_ha_refuse NOVA_HA_FENCING_OPTIONS "name=value, separated by blanks"
        # It would stand on a command line.
        [[ ! $option =~ ^(password|passwd)= ]] || die $LINENO \
            "nova-ha: NOVA_HA_FENCING_OPTIONS: a password is in it: set NOVA_HA_FENCING_PASSWORD in its place"
    done
    if [[ $NOVA_HA_FENCING == virsh && -n $NOVA_HA_FENCING_KEY ]]; then
        sudo test -r "$NOVA_HA_FENCING_KEY" ||
            nova_ha_refuse NOVA_HA_FENCING_KEY "a file with a private key on this node"
        return
    fi
    xtrace=$(set +o | grep xtrace)
    set +o xtrace
    [[ -n $NOVA_HA_FENCING_PASSWORD ]] ||
        die $LINENO "nova-ha: NOVA_HA_FENCING_PASSWORD: no value: expected the fence agent's password," \
            "since NOVA_HA_FENCING=$NOVA_HA_FENCING"
    $xtrace
}

# nova_ha_check_hosts ENTRY... - refuse entries of NOVA_HA_HOSTS that do not tell one host from another
function nova_ha_check_hosts {
    local entry host target form what node
    node=$(nova_ha_this_node)
    local -A hosts=() targets=()
    case "$NOVA_HA_FENCING" in
        ipmi) form='^[^/ ]+$' what="HOST=ADDRESS[:PORT] of its BMC" ;;
        redfish) form='^[^/ ]+(/.*)?$' what="HOST=ADDRESS[:PORT][/SYSTEMS_URI] of its BMC" ;;
        *) form='' what="HOST or HOST=DOMAIN" ;;
    esac
    for entry in "$@"; do
        host=$(nova_ha_name "$entry")
        target=$(nova_ha_target "$entry")
        [[ $host =~ ^[A-Za-z0-9][A-Za-z0-9.-]*$ && $target =~ $form ]] ||
            die $LINENO "nova-ha: NOVA_HA_HOSTS: invalid entry '$entry': expected $what"
        [[ ${host,,} != "${node,,}" ]] ||
            die $LINENO "nova-ha: NOVA_HA_HOSTS: invalid entry '$entry': expected other hosts than the control node," \
                "whose death ends the recovery engine, too"
        [[ -z ${hosts[${host,,}]} ]] ||
            die $LINENO "nova-ha: NOVA_HA_HOSTS: invalid entry '$entry': expected each host once"
        # Or one of them would lose its power in the other's place.
        [[ -z ${targets[${target:-$host}]} ]] ||
            die $LINENO "nova-ha: NOVA_HA_HOSTS: invalid entry '$entry': expected another target than that of" \
                "${targets[${target:-$host}]}"
        hosts[${host,,}]=$host
        targets[${target:-$host}]=$host
    done
}

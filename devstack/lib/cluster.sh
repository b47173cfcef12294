#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The cluster of one on the control node, and what of nova-ha is in its configuration.

# Every cluster of this name is the plugin's, and no other is.
NOVA_HA_CLUSTER=nova-ha-devstack
NOVA_HA_COROSYNC_CONF=/etc/corosync/corosync.conf

# The name of the cluster that this node is in; nothing without one.
function nova_ha_cluster_name {
    sudo sed -n 's/^[[:space:]]*cluster_name:[[:space:]]*//p' "$NOVA_HA_COROSYNC_CONF" 2>/dev/null || true
}

# nova_ha_is_configured ID - whether the cluster has a resource
function nova_ha_is_configured {
    sudo cibadmin --query --xpath "//primitive[@id='$1']" >/dev/null 2>&1
}

# What succeeds while this node is in a cluster that answers.
NOVA_HA_ASK_CLUSTER="cibadmin --query --scope crm_config"

function nova_ha_cluster_runs {
    # shellcheck disable=SC2086 # a list of words
    sudo $NOVA_HA_ASK_CLUSTER >/dev/null 2>&1
}

# Make the cluster, unless it is there, and start it.
function nova_ha_form_cluster {
    local name node
    node=$(nova_ha_this_node)
    nova_ha_prepare_to_join
    name=$(nova_ha_cluster_name)
    case "$name" in
        "$NOVA_HA_CLUSTER" | "") ;;
        debian)
            # The sample that Debian's package starts with, on an address that reaches nobody.
            sudo pcs cluster destroy
            name=
            ;;
        *)
            die $LINENO "nova-ha: this node is in a cluster that is not DevStack's ($NOVA_HA_COROSYNC_CONF: '$name'):" \
                "use another node; or, if nobody needs that cluster, destroy it (pcs cluster destroy)"
            ;;
    esac
    if [[ -z $name ]]; then
        nova_ha_authenticate "$node" "addr=$HOST_IP"
        sudo pcs cluster setup "$NOVA_HA_CLUSTER" "$node" "addr=$HOST_IP" --enable
    fi
    sudo pcs cluster start --wait="$NOVA_HA_TIMEOUT"
}

# nova_ha_authenticate HOST [addr=ADDRESS] - let this node's pcs into another's
function nova_ha_authenticate {
    local xtrace code=0
    xtrace=$(set +o | grep xtrace)
    set +o xtrace
    sudo pcs host auth "$@" -u hacluster <<<"$(nova_ha_cluster_password)" || code=$?
    $xtrace
    return $code
}

# nova_ha_change FUNCTION ARGUMENT... - change the cluster's configuration as a whole: the function edits a copy by
# nova_ha_pcs. In the place of a password it writes @NOVA_HA_FENCING_PASSWORD@, so that no command line has it.
function nova_ha_change {
    local directory NOVA_HA_DRAFT
    directory=$(mktemp --directory)
    NOVA_HA_DRAFT=$directory/new
    (
        set -o errexit
        trap 'rm -r "$directory"' EXIT
        sudo pcs cluster cib "$directory/old"
        cp "$directory/old" "$NOVA_HA_DRAFT"
        "$@"
        set +o xtrace
        text=$(<"$NOVA_HA_DRAFT")
        text=${text//@NOVA_HA_FENCING_PASSWORD@/"$(nova_ha_as_xml "${NOVA_HA_FENCING_PASSWORD:-}")"}
        printf '%s\n' "$text" >"$NOVA_HA_DRAFT"
        sudo pcs cluster cib-push "$NOVA_HA_DRAFT" "diff-against=$directory/old"
    )
}

# nova_ha_as_xml TEXT - a text as the value of an XML attribute
function nova_ha_as_xml {
    local text=$1
    text=${text//&/"&amp;"}
    text=${text//</"&lt;"}
    text=${text//>/"&gt;"}
    text=${text//\"/"&quot;"}
    printf '%s' "$text"
}

# nova_ha_pcs ARGUMENT... - change the copy
function nova_ha_pcs {
    sudo pcs -f "$NOVA_HA_DRAFT" "$@"
}

# nova_ha_has ID - whether the copy has an element of this id
function nova_ha_has {
    grep -q " id=\"$1\"" "$NOVA_HA_DRAFT"
}

# Put all that does not depend on the hosts into the cluster's configuration.
function nova_ha_configure_cluster {
    nova_ha_change nova_ha_edit_cluster
}

function nova_ha_edit_cluster {
    local fenced=true roles="osprole eq compute"
    [[ $NOVA_HA_FENCING != none ]] || fenced=false
    # The node's own nova-compute is watched, too.
    ! is_service_enabled n-cpu || roles+=" or osprole eq controller"
    nova_ha_pcs property set "stonith-enabled=$fenced" concurrent-fencing=true
    nova_ha_pcs resource defaults update resource-stickiness=1
    nova_ha_pcs node attribute "$(nova_ha_this_node)" osprole=controller
    # Before any host is there: the cluster starts nothing without a fencing device.
    if [[ $fenced == true ]] && ! nova_ha_has fence-nova; then
        nova_ha_pcs stonith create fence-nova fence_compute record_only=1 op monitor interval=60s \
            meta failure-timeout=120s
    fi
    if ! nova_ha_has nova-evacuate; then
        # The credentials are in its file.
        nova_ha_pcs resource create nova-evacuate ocf:openstack:NovaEvacuate op monitor interval=10s \
            meta failure-timeout=120s
    fi
    if ! nova_ha_has nova-compute; then
        nova_ha_pcs resource create nova-compute ocf:openstack:NovaCompute "unit=${NOVA_HA_UNIT%.service}" \
            op monitor interval=10s meta failure-timeout=120s clone interleave=true
        nova_ha_pcs constraint location nova-compute-clone rule constraint-id=nova-compute-not-flagged \
            score=-INFINITY defined evacuate and evacuate ne no
    fi
    nova_ha_pcs_rule nova-evacuate-on-control nova-evacuate "osprole eq controller"
    nova_ha_pcs_rule nova-compute-on-hosts nova-compute-clone "$roles"
}

# nova_ha_pcs_rule ID RESOURCE EXPRESSION - have a resource run where an expression is true, and nowhere else
function nova_ha_pcs_rule {
    if nova_ha_has "$1"; then
        nova_ha_pcs constraint remove "$1"
    fi
    # shellcheck disable=SC2086 # pcs wants each word of the expression by itself
    nova_ha_pcs constraint location "$2" rule "constraint-id=$1" resource-discovery=exclusive score=0 $3
}

# nova_ha_await CONDITION - wait until a command succeeds; if it does not in time, show the cluster, and fail
function nova_ha_await {
    if ! timeout "$NOVA_HA_TIMEOUT" sh -c "until $1; do sleep 1; done"; then
        sudo pcs status --full || true
        return 1
    fi
}

# nova_ha_await_on RESOURCE NODE - wait until a resource runs on a node
function nova_ha_await_on {
    nova_ha_await "sudo crm_resource --resource $1 --locate 2>/dev/null | grep -qw -- $2" ||
        die $LINENO "nova-ha: $1 did not start on $2 within $NOVA_HA_TIMEOUT s (NOVA_HA_TIMEOUT):" \
            "see the reason in pcs status above"
}

# Wait until the engine runs, and reaches Nova.
function nova_ha_await_engine {
    # All is well (0), or hosts are being recovered (3).
    if ! nova_ha_await 'sudo nova-ha status >/dev/null 2>&1; case $? in 0 | 3) true ;; *) false ;; esac'; then
        sudo nova-ha status || true
        die $LINENO "nova-ha: the recovery engine was not ready within $NOVA_HA_TIMEOUT s (NOVA_HA_TIMEOUT):" \
            "see what nova-ha status says above"
    fi
}

# Show what would be done with each instance if its host were lost now.
function nova_ha_plan {
    local host hosts
    hosts=$(nova_ha_members)
    ! is_service_enabled n-cpu || hosts+=" $(nova_ha_this_node)"
    for host in $hosts; do
        sudo nova-ha plan "$host" || die $LINENO "nova-ha: nova-ha plan $host failed: see its message above"
    done
}

# One line about what this DevStack does not protect, and why.
function nova_ha_say_what_is_not_protected {
    local lacks=() except=
    [[ $NOVA_HA_FENCING != none ]] || lacks+=("no host can be fenced (NOVA_HA_FENCING=none)")
    [[ -n $NOVA_HA_HOSTS ]] || lacks+=("there is no other host to evacuate to (NOVA_HA_HOSTS is empty)")
    if ((${#lacks[@]})); then
        nova_ha_say "NO INSTANCE IS PROTECTED: ${lacks[0]}${lacks[1]:+, and ${lacks[1]}}." \
            "nova-ha plan HOST shows what would be done"
    else
        ! is_service_enabled n-cpu || except=" Those on $(nova_ha_this_node), the control node, are not."
        nova_ha_say "the instances on these hosts are protected, once they are added: $(nova_ha_names).$except"
    fi
}

# Take what is the plugin's out of the cluster, and stop it. From the first step on no host is fenced.
function nova_ha_stop_cluster {
    local flags resource
    if [[ $(nova_ha_cluster_name) != "$NOVA_HA_CLUSTER" ]] || ! nova_ha_cluster_runs; then
        return 0
    fi
    sudo pcs property set stonith-enabled=false
    flags=$(sudo cibadmin --query --xpath "//nvpair[@name='evacuate' and @value!='no']" 2>/dev/null || true)
    [[ -z $flags ]] || nova_ha_say "a host was being recovered: what was left to do is forgotten"
    for resource in nova-evacuate nova-compute; do
        if nova_ha_is_configured "$resource"; then
            sudo pcs resource disable "$resource" --wait="$NOVA_HA_TIMEOUT" ||
                nova_ha_say "$resource did not stop within $NOVA_HA_TIMEOUT s (NOVA_HA_TIMEOUT): see pcs status"
        fi
    done
    nova_ha_remove_hosts
    nova_ha_change nova_ha_edit_away
    sudo pcs cluster stop --force
}

function nova_ha_edit_away {
    local resource
    for resource in nova-evacuate nova-compute; do
        if nova_ha_has "$resource"; then
            nova_ha_pcs resource delete "$resource"
        fi
    done
    if nova_ha_has fence-nova; then
        nova_ha_pcs stonith delete fence-nova
    fi
    nova_ha_pcs node attribute "$(nova_ha_this_node)" osprole=
}

# Leave nothing of the cluster; one that is not the plugin's stays.
function nova_ha_destroy_cluster {
    if [[ $(nova_ha_cluster_name) == "$NOVA_HA_CLUSTER" ]]; then
        sudo pcs cluster destroy
    fi
    # What pcs remembers of the hosts, with its right to come in.
    local host
    for host in "$(nova_ha_this_node)" $(nova_ha_names); do
        if sudo grep -qs "\"$host\"" /var/lib/pcsd/known-hosts; then
            sudo pcs host deauth "$host"
        fi
    done
}

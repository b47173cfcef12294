#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# DevStack plugin nova-ha: high availability for instances, by Pacemaker. DevStack sources it in each of its phases:
#
#   plugin.sh stack {pre-install|install|post-config|extra|test-config}
#   plugin.sh unstack
#   plugin.sh clean
#
# A node is a control node (service nova-ha), with a cluster of one and the recovery engine, or a compute host (service
# nova-ha-compute), a remote node of that cluster once the control node has added it (add-hosts).

# shellcheck source=devstack/lib/values.sh
source "$NOVA_HA_DIR/devstack/lib/values.sh"
# shellcheck source=devstack/lib/node.sh
source "$NOVA_HA_DIR/devstack/lib/node.sh"
# shellcheck source=devstack/lib/cluster.sh
source "$NOVA_HA_DIR/devstack/lib/cluster.sh"
# shellcheck source=devstack/lib/hosts.sh
source "$NOVA_HA_DIR/devstack/lib/hosts.sh"

# nova_ha_control MODE PHASE - what is done on the control node
function nova_ha_control {
    case "$1 $2" in
        "stack pre-install")
            nova_ha_check_values
            nova_ha_install_packages "$(nova_ha_control_packages)"
            ;;
        "stack install")
            nova_ha_install
            ;;
        "stack post-config")
            nova_ha_configure_engine
            nova_ha_configure_nova
            ;;
        "stack extra")
            nova_ha_form_cluster
            if is_service_enabled n-cpu; then
                nova_ha_take_over_compute
            fi
            nova_ha_configure_cluster
            nova_ha_add_hosts
            nova_ha_await_engine
            if is_service_enabled n-cpu; then
                nova_ha_await_on nova-compute "$(nova_ha_this_node)"
            fi
            ;;
        "stack test-config")
            nova_ha_plan
            nova_ha_say_what_is_not_protected
            ;;
        "unstack ")
            nova_ha_stop_cluster
            ;;
        "clean ")
            nova_ha_destroy_cluster
            nova_ha_uninstall
            ;;
    esac
}

# nova_ha_compute MODE PHASE - what is done on a compute host
function nova_ha_compute {
    case "$1 $2" in
        "stack pre-install")
            nova_ha_check_values
            nova_ha_install_packages "$(nova_ha_compute_packages)"
            ;;
        "stack install")
            nova_ha_install
            ;;
        "stack post-config")
            nova_ha_refuse_flagged_host
            nova_ha_configure_nova
            ;;
        "stack extra")
            nova_ha_prepare_to_join
            ;;
        "stack test-config")
            # Not before: in between, stack.sh waits until nova-compute is up.
            nova_ha_take_over_compute
            nova_ha_say "nova-compute is the cluster's now. It starts once the control node has added this host:" \
                "there, in DevStack's directory, $NOVA_HA_DIR/devstack/add-hosts"
            ;;
        "unstack ")
            nova_ha_leave_cluster
            ;;
        "clean ")
            nova_ha_forget_cluster
            nova_ha_uninstall
            ;;
    esac
}

if is_service_enabled nova-ha; then
    nova_ha_control "$1" "$2"
elif is_service_enabled nova-ha-compute; then
    nova_ha_compute "$1" "$2"
fi

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# An alert agent of Pacemaker's: after each fencing the recovery engine looks at the flags at once, also where it cannot
# see the cluster's configuration on disk. For each control node; Pacemaker runs it as hacluster:
#
#     pcs alert create id=nova-ha path=/usr/share/pacemaker/alerts/alert_nova_ha.sh

# A cluster with thousands of resources has many events, of which this is told all: no more than this for the others.
[ "$CRM_alert_kind" = fencing ] || exit 0

# The engine looks at the time of this file alone (nova_ha/cluster/pacemaker.py).
file=${CRM_alert_recipient:-/run/crm/nova-ha-fencing}
[ -d "${file%/*}" ] || exit 0
exec touch "$file"

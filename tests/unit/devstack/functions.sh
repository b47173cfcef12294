#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the plugin has from DevStack, as far as it calls it; what they do is written to the file of the programs' calls.

function called {
    echo "$*" >>"$FAKE_ROOT/calls"
}
function is_service_enabled {
    local service
    for service in "$@"; do
        [[ ,$ENABLED_SERVICES, != *,$service,* ]] || return 0
    done
    return 1
}
function enable_service { ENABLED_SERVICES+=,$1; }
function define_plugin { called define_plugin "$@"; }
function is_ubuntu { [[ $DISTRO != rhel* ]]; }
function is_fedora { [[ $DISTRO == rhel* ]]; }
function install_package { called install_package "$@"; }
function iniset { called iniset "$@"; }
function create_service_user { called create_service_user "$@"; }
function die {
    shift
    echo "[ERROR] $*" >&2
    exit 1
}
if [[ $MODE == stack ]]; then
    # Only stack.sh has them.
    set -o errexit
    function echo_summary { echo "SUMMARY $*"; }
fi

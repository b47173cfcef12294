# SPDX-License-Identifier: Apache-2.0
"""Instances of this host that fail while it lives, as libvirt tells it; knows no cloud and changes nothing."""

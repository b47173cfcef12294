# SPDX-License-Identifier: Apache-2.0
"""nova-compute on this host; knows no cloud."""

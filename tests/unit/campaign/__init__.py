# SPDX-License-Identifier: Apache-2.0
"""Unit tests of the fault campaign: what it can be sure of without a lab."""

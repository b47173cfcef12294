# SPDX-License-Identifier: Apache-2.0
"""Unit tests of the lab itself: its audits and pure parts."""

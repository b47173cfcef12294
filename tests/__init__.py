# SPDX-License-Identifier: Apache-2.0
"""Tests: unit (decisions, parsing, metadata), functional (on the lab), and the lab itself."""

# SPDX-License-Identifier: Apache-2.0
"""Tests: unit (decisions, parsing, metadata), workbench (pcs and crm), functional (on the lab), and the lab itself."""

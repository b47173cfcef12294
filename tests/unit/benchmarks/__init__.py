# SPDX-License-Identifier: Apache-2.0
"""Unit tests of the benchmarks' pure parts: no lab, no clock."""

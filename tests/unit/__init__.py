# SPDX-License-Identifier: Apache-2.0
"""Unit tests: nothing outside the process but small stand-ins at the edges."""

# SPDX-License-Identifier: Apache-2.0
"""The doctor: pure checks over facts that were gathered at the edges."""

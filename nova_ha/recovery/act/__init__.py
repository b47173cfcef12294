# SPDX-License-Identifier: Apache-2.0
"""How what was decided is done, and what is learned from that."""

# SPDX-License-Identifier: Apache-2.0
"""What to do next: pure functions from a snapshot and a memory to actions."""

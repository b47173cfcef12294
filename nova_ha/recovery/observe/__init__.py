# SPDX-License-Identifier: Apache-2.0
"""How the world is read."""

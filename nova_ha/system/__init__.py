# SPDX-License-Identifier: Apache-2.0
"""How nova-ha runs other programs; knows nothing of what they are for."""

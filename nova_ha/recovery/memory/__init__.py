# SPDX-License-Identifier: Apache-2.0
"""What the engine has seen and asked for: pure."""

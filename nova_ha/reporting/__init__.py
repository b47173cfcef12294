# SPDX-License-Identifier: Apache-2.0
"""What the engine tells of itself."""

# SPDX-License-Identifier: Apache-2.0
"""The engine: observe, decide, act."""

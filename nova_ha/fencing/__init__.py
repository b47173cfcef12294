# SPDX-License-Identifier: Apache-2.0
"""fence_compute: what it proves before it flags a host."""

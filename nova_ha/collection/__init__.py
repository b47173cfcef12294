# SPDX-License-Identifier: Apache-2.0
"""What support needs, in one archive, without passwords."""

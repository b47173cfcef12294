# SPDX-License-Identifier: Apache-2.0
"""Files in /run that monitors read: they import nothing of nova_ha, and little else."""

# SPDX-License-Identifier: Apache-2.0
"""What each code means to an operator: one text for ``nova-ha explain`` and for the pages of the documentation."""

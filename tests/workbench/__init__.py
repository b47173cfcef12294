# SPDX-License-Identifier: Apache-2.0
"""What needs the tools of a control node and no cluster: the agents with pcs and crm, and what the pages print."""

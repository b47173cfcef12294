# SPDX-License-Identifier: Apache-2.0
"""The labs that the stories are told on: each story's marker names one."""

# How many compute hosts a lab has, by its marker; the first one is lab 0.
COMPUTES = {"lab_a": 8, "lab_b": 3, "lab_c": 3}

# Set to 1, it tells a session that its lab has just come up from this tree: ``up`` would look at each part again.
IS_UP = "NOVA_HA_LAB_IS_UP"

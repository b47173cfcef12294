# SPDX-License-Identifier: Apache-2.0
"""Carries actions out: one module an action, by its label (see ``registry``)."""

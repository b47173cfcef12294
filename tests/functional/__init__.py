# SPDX-License-Identifier: Apache-2.0
"""Functional tests: the agents on the lab, told as stories; after each one the audits must hold.

``conftest`` brings the lab up and heals it between the tests, ``steps`` has the words that the stories are told with;
where several hosts die at once, ``wave`` has.
"""

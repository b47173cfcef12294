# SPDX-License-Identifier: Apache-2.0
"""Verdicts on a run of the campaign."""

import dataclasses

from tests.campaign.verdict import Verdict

GOOD = Verdict((), 0, 0, False, 20.0, 12, (), ())
BAD = dataclasses.replace(GOOD, findings=("lost",), lost=2, doubled=1, late=True, recovery=None)

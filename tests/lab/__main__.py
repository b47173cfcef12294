# SPDX-License-Identifier: Apache-2.0
"""``python3 -m tests.lab``: what ``./lab`` hands on to."""

import sys

from tests.lab.cli import main

sys.exit(main())

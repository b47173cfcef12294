# SPDX-License-Identifier: Apache-2.0
"""The lab's passwords: made when first asked for, kept in one file that only root can read."""

import fcntl
import json
import os
import secrets

from tests.lab import settings


def redact(text):
    """The text without any of the lab's passwords."""
    known = json.loads(settings.SECRETS_FILE.read_text()) if settings.SECRETS_FILE.exists() else {}
    for secret in known.values():
        text = text.replace(secret, "******")
    return text


def password(name):
    """The password called ``name``, the same for as long as the lab lives. Letters and digits only.

    Safe to ask for from several threads and processes at once: the file is locked while it is looked at.
    """
    settings.RUN.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(settings.SECRETS_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        known = json.loads(file.read() or "{}")
        if name not in known:
            # IPMI 2.0 takes at most 20 bytes; 16 hexadecimal digits are 64 bits.
            known[name] = secrets.token_hex(8)
            file.seek(0)
            file.truncate()
            json.dump(known, file)
        return known[name]

# SPDX-License-Identifier: Apache-2.0
"""Gives messages to an operator's own programs: JSON on standard input, exit code 0 when it is taken."""

from __future__ import annotations

import json
import os
import re
import stat

from nova_ha.notifications.notification import Message
from nova_ha.notifications.receiver import NotTaken
from nova_ha.system import programs

# Seconds that a program may take; then it is killed with all that it has started.
TIMEOUT = 30.0

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

# As run-parts has it: no backup of an editor's, and nothing that a package manager has put aside.
_NAME = re.compile("[A-Za-z0-9_-]+([.](sh|py|pl))?")


class Command:
    """One program. See ``receiver.Receiver``."""

    most = 100

    def __init__(self, path: str) -> None:
        name = os.path.basename(path)
        self.id = f"command-{name}"
        self.name = f"command {name}"
        self._path = path

    def send(self, message: Message) -> None:
        """See ``receiver.Receiver.send``."""
        told = json.dumps(message.as_dict()).encode()
        try:
            code, _out, err = programs.run([self._path], TIMEOUT, _ENVIRONMENT, told, apart=True)
        except (OSError, programs.NotInTime) as error:
            raise NotTaken(str(error)) from error
        if code != 0:
            lines = err.strip().splitlines()
            raise NotTaken(f"exit code {code}{': ' + lines[-1][:200] if lines else ''}")


def found(directory: str) -> tuple[list[Command], list[str]]:
    """The programs in a directory; and what is wrong with others there, one line each."""
    commands, problems = [], []
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        return [], [f"{directory}: {error.strerror}"]
    for name in filter(_NAME.fullmatch, names):
        path = f"{directory}/{name}"
        try:
            about = os.stat(path)
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
            continue
        if not stat.S_ISREG(about.st_mode) or not about.st_mode & 0o111:
            continue
        if about.st_uid != 0 or about.st_mode & 0o022:
            problems.append(f"{path}: not run as root while others may change it: chown root, chmod go-w")
        else:
            commands.append(Command(path))
    return commands, problems

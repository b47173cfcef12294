# SPDX-License-Identifier: Apache-2.0
"""The lab's one door to other programs, and the failure that it reports."""

import subprocess


class LabError(Exception):
    """Something the lab needs did not happen; the text says what, and where to look."""


def run(*command, timeout=120, stdin=None, check=True, env=None, shown=None):
    """Run a program to its end and return its ``CompletedProcess`` (text, output captured).

    :param timeout: seconds after which the program is killed
    :param stdin: text to feed it
    :param check: raise on a non-zero exit code
    :param shown: the words by which an error names the command, if not by its own
    :raises LabError: it failed (with ``check``), ran too long, or is not installed
    """
    command = [str(word) for word in command]
    brief = _brief(map(str, shown or command))
    try:
        done = subprocess.run(
            command, timeout=timeout, input=stdin, env=env, capture_output=True, text=True, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{brief}: not finished after {timeout} s") from error
    except FileNotFoundError as error:
        raise LabError(f"{command[0]}: not installed (./lab installs what it needs; run it as root)") from error
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-1500:]
        raise LabError(f"{brief}: exit code {done.returncode}: {said}")
    return done


def _brief(command):
    text = " ".join(command)
    return text if len(text) <= 160 else text[:157] + "..."

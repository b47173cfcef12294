# SPDX-License-Identifier: Apache-2.0
"""POSIX extended regular expressions, matched by the C library: the one that Pacemaker's programs match them by.

Python's ``re`` is another language: it knows ``\\d`` and ``(?:...)``, and does not know ``[[:digit:]]``.
"""

from __future__ import annotations

import ctypes
import os

# The same in glibc and in musl.
_REG_EXTENDED, _REG_NOSUB = 1, 8

# Octets of a regex_t, with room to spare: glibc and musl take 64.
_REGEX_T = 1024

_LONGEST_REASON = 256

_libc = ctypes.CDLL(None)
_libc.regcomp.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
_libc.regexec.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int]
_libc.regerror.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
_libc.regerror.restype = ctypes.c_size_t
_libc.regfree.argtypes = [ctypes.c_void_p]
_libc.regfree.restype = None


class InvalidPattern(ValueError):
    """A text is no POSIX extended regular expression; the error's text is the C library's reason."""


def is_match(pattern: str, text: str) -> bool:
    """Whether an extended regular expression matches anywhere in a text, as ``grep -E`` does.

    :raises InvalidPattern: it is none
    """
    # Of an integer type, so that it is aligned for whatever a regex_t holds.
    regex = (ctypes.c_uint64 * (_REGEX_T // 8))()
    code = _libc.regcomp(regex, os.fsencode(pattern), _REG_EXTENDED | _REG_NOSUB)
    if code != 0:
        reason = ctypes.create_string_buffer(_LONGEST_REASON)
        _libc.regerror(code, regex, reason, _LONGEST_REASON)
        raise InvalidPattern(os.fsdecode(reason.value))
    try:
        code = _libc.regexec(regex, os.fsencode(text), 0, None, 0)
        return bool(code == 0)
    finally:
        _libc.regfree(regex)

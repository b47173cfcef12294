# SPDX-License-Identifier: Apache-2.0
"""What the cloud's answers, and its silence, mean for what was asked.

Every failure is one of three: the cloud is away (``Unreachable``: wait; ``Busy`` where it says so itself), it refuses
(``Refused``: it surely did not happen), or we were told wrongly how to reach it (``Misconfigured``: only an operator
can help).
"""

from __future__ import annotations

import datetime
import email.utils
import socket

import requests
import urllib3
from keystoneauth1 import exceptions as keystone

# What a proxy answers when it does not know what became of the request behind it, or Nova when it broke midway.
_UNCLEAR = frozenset({500, 502, 504})
_GATEWAY_TIMEOUT = 504

# What is answered before anything is done, because there is too much to do. 413 is one only if it says for how long.
_BUSY = frozenset({429, 503})


class CloudError(Exception):
    """The cloud did not do what was asked; the text says why, in one line and without secrets."""

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split()))


class Unreachable(CloudError):
    """No usable answer.

    :ivar sent: whether the request may have reached Nova, so that it may still be carried out
    :ivar hung: whether it was given up because no answer came in time: Nova may be at it still
    """

    def __init__(self, text: str, sent: bool = True, hung: bool = False) -> None:
        super().__init__(text)
        self.sent = sent
        self.hung = hung


class WrongAddress(Unreachable):
    """No usable answer, and if that lasts never one: what answers is not OpenStack, or nobody goes by that name."""


class Busy(Unreachable):
    """The cloud has too much to do, and has not begun with what was asked.

    :ivar retry_after: seconds after which it wants to be asked again, None if it does not say
    """

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text, sent=False)
        self.retry_after = retry_after


class Refused(CloudError):
    """An answer that says no: the request has had no effect.

    :ivar status: the HTTP status
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Misconfigured(CloudError):
    """Credentials, address or region are wrong, or the user may not do what is needed."""


class CredentialsRefused(Misconfigured):
    """Keystone, or a service, refuses the credentials."""


class NotOffered(Misconfigured):
    """The catalog does not have a service, in this region and by this interface."""


class TooOld(Misconfigured):
    """Nova speaks no microversion that will do."""


class RightMissing(Misconfigured):
    """The user lacks the role that what was asked for needs."""


def failure(error: keystone.ClientException) -> CloudError:
    """The one of our errors that one of keystoneauth's amounts to."""
    if isinstance(error, keystone.DiscoveryFailure):
        # Raised for a wrong address as for a Keystone that is away.
        reason = error.__context__
        if isinstance(reason, keystone.HttpError) and reason.http_status < 500:
            return Misconfigured(str(error))
        if not isinstance(reason, (keystone.HttpError, keystone.ConnectionError)):
            return WrongAddress(str(error), sent=False)
        return _not_connected(error, sent=False)
    if isinstance(error, keystone.SSLError):
        return Misconfigured(f"{_innermost(error)} (cafile or insecure in [nova], or the parameter insecure)")
    if isinstance(error, keystone.HttpError):
        return _of_status(error)
    if isinstance(error, keystone.ConnectionError):
        return _not_connected(error, not _never_sent(error), isinstance(error, keystone.ConnectTimeout))
    if isinstance(error, keystone.InvalidResponse):
        return WrongAddress(f"what answered is not OpenStack: {error}")
    return Misconfigured(str(error))


def _of_status(error: keystone.HttpError) -> CloudError:
    """What an answer with an HTTP status of 400 and above means."""
    text = f"{_message(error)} (HTTP {error.http_status}, request {error.request_id or 'unknown'})"
    if error.http_status == 401:
        return CredentialsRefused(f"the credentials are refused: {text}")
    retry_after = _retry_after(error.response)
    if error.http_status in _BUSY or (error.http_status == 413 and retry_after is not None):
        return Busy(text, retry_after)
    if error.http_status in _UNCLEAR:
        return Unreachable(text, hung=error.http_status == _GATEWAY_TIMEOUT)
    return Refused(text, error.http_status)


def _message(error: keystone.HttpError) -> str:
    """The service's own words, which Nova puts into ``{"conflictingRequest": {"message": ..., "code": 409}}``."""
    try:
        parts = error.response.json().values()
        said = [part["message"] for part in parts if isinstance(part, dict) and "message" in part]
    except (ValueError, AttributeError):
        said = []
    return str(said[0]) if said else type(error).message


def _retry_after(response: requests.Response) -> float | None:
    """Seconds from the header Retry-After, which gives them or a date; None if it is not there or says neither."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
        return max(0.0, (date - datetime.datetime.now(datetime.timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return None


def _not_connected(error: Exception, sent: bool, hung: bool = False) -> Unreachable:
    cause = _cause(error)
    is_unknown = isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME
    return (WrongAddress if is_unknown else Unreachable)(_innermost(error), sent, hung)


def _innermost(error: Exception) -> str:
    """One line for an operator: what was tried, and the system's own word on why it failed."""
    tried = str(error).partition(": HTTP")[0]
    cause = _cause(error)
    why = str(cause.strerror if isinstance(cause, OSError) and cause.strerror else cause)
    return tried if tried.endswith(why) else f"{tried}: {why}"


def _cause(error: BaseException) -> BaseException:
    """The error with which it began."""
    while cause := error.__cause__ or error.__context__:
        if isinstance(cause, TypeError):
            break  # urllib3 1 first reads an answer in a way that only Python 2 has
        error = cause
    return error


def _never_sent(error: BaseException) -> bool:
    """Whether the connection was not even made, so that the request cannot have been carried out."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(cause.args[0], "reason", None) if cause is not None and cause.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)

# SPDX-License-Identifier: Apache-2.0
"""Sends messages by HTTP POST. The address is a secret: whoever has a chat's webhook may write there."""

from __future__ import annotations

import json
import ssl
import urllib.parse

import requests

from nova_ha.notifications.formats import FORMATS
from nova_ha.notifications.notification import Message
from nova_ha.notifications.receiver import NotTaken, Refused

# Seconds that it may take to connect, and to answer.
CONNECT_TIMEOUT, TIMEOUT = 10.0, 30.0

# Statuses by which a receiver says that this message will not do, whenever it is sent.
_NEVER = frozenset({400, 413, 415, 422})

# Seconds for which a receiver is heeded that wants to be left alone, at most.
_LONGEST_RETRY_AFTER = 3600.0


class Webhook:
    """One address. See ``receiver.Receiver``.

    :param form: one of FORMATS
    :param url: where; not told to anybody
    :param cafile: certificates that are trusted, None for the system's
    :raises ValueError: the address will not do; the text does not have it
    """

    most = 100

    def __init__(self, id: str, form: str, url: str, cafile: str | None = None) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            host, _port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("expected an address such as https://HOST/PATH") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("expected an address such as https://HOST/PATH")
        self.id = id
        self.name = f"{form} webhook at {host}"
        self._format = FORMATS[form]
        self._url = url
        self._verify = cafile or True

    def send(self, message: Message) -> None:
        """See ``receiver.Receiver.send``."""
        body = json.dumps(self._format(message)).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "nova-ha"}
        try:
            with requests.Session() as session:
                # Neither a proxy of the environment's nor passwords of ~/.netrc.
                session.trust_env = False
                answer = session.post(
                    self._url,
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_TIMEOUT, TIMEOUT),
                    allow_redirects=False,
                    stream=True,
                    verify=self._verify,
                )
                answer.close()
        # A text of theirs has the address.
        except (requests.RequestException, OSError, ValueError) as error:
            raise NotTaken(_why(error)) from None
        _judge(answer)


def _judge(answer: requests.Response) -> None:
    """Whether an answer says that a message is taken; what it says beside its status is not looked at."""
    status = answer.status_code
    if 200 <= status < 300:
        return
    if status in _NEVER:
        raise Refused(f"HTTP {status}")
    wait = answer.headers.get("Retry-After", "").strip()
    retry_after = min(float(wait), _LONGEST_RETRY_AFTER) if wait.isdecimal() else None
    raise NotTaken(f"HTTP {status}", retry_after)


def _why(error: BaseException) -> str:
    """What went wrong, in words that the address is not in."""
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT:g} s"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {cause.verify_message} (cafile in [notify])"
        if isinstance(cause, ssl.SSLError):
            return f"TLS fails: {cause.reason}"
        if isinstance(cause, OSError) and cause.errno is not None and cause.strerror and cause.filename is None:
            return cause.strerror
    return f"no connection, or one that broke ({type(error).__name__})"


def _causes(error: BaseException) -> list[BaseException]:
    """The errors with which it began, the first one first."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
    return found[::-1]

# SPDX-License-Identifier: Apache-2.0
"""Sends messages by mail, through a mail server that relays them."""

from __future__ import annotations

import email.message
import email.utils
import hashlib
import smtplib
import ssl
from collections.abc import Sequence
from typing import NamedTuple

from nova_ha.notifications import formats
from nova_ha.notifications.notification import Message
from nova_ha.notifications.receiver import NotTaken

# Seconds that each answer of the server may take.
TIMEOUT = 30.0

PLAIN, STARTTLS, TLS = "none", "starttls", "tls"


class Server(NamedTuple):
    """How mail is given away.

    :param tls: PLAIN, STARTTLS or TLS
    :param user: None: nobody logs in
    :param cafile: certificates that are trusted, None for the system's
    """

    host: str
    port: int
    tls: str = PLAIN
    user: str | None = None
    password: str | None = None
    cafile: str | None = None


class Mail:
    """Some addresses. See ``receiver.Receiver``."""

    id = "mail"
    most = 100

    def __init__(self, to: Sequence[str], sender: str, server: Server) -> None:
        self.name = f"mail by {server.host}"
        self._to = to
        self._sender = sender
        self._server = server

    def send(self, message: Message) -> None:
        """See ``receiver.Receiver.send``; taken is what the server takes for one of the addresses or more."""
        mail = email.message.EmailMessage()
        mail["From"], mail["To"] = self._sender, ", ".join(self._to)
        mail["Subject"] = formats.subject(message)
        mail["Date"] = email.utils.formatdate(localtime=False)
        # The same if the same is sent again, because the first answer was lost.
        ids = "".join(each.id for each in message.notifications)
        mail["Message-ID"] = f"<{hashlib.sha256(ids.encode()).hexdigest()[:32]}@nova-ha>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(formats.text(message))
        try:
            self._give(mail)
        # A text of theirs may have what was sent, and so the password.
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({str(code) for code, _ in error.recipients.values()})
            raise NotTaken(f"the server refuses every address (SMTP {', '.join(codes)})") from None
        except smtplib.SMTPResponseException as error:
            raise NotTaken(f"{type(error).__name__} (SMTP {error.smtp_code})") from None
        except ssl.SSLCertVerificationError as error:
            raise NotTaken(f"its certificate is not accepted: {error.verify_message} (cafile in [notify])") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise NotTaken(f"no mail server, or one that does not answer so: {why}") from None

    def _give(self, mail: email.message.EmailMessage) -> None:
        server = self._server
        context = ssl.create_default_context(cafile=server.cafile) if server.tls != PLAIN else None
        if server.tls == TLS:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT, context=context)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT)
        with smtp:
            if server.tls == STARTTLS:
                smtp.starttls(context=context)
            if server.user is not None:
                smtp.login(server.user, server.password or "")
            smtp.send_message(mail)

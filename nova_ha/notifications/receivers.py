# SPDX-License-Identifier: Apache-2.0
"""Which receivers the section ``[notify]`` of the configuration names."""

from __future__ import annotations

import collections
import os
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from oslo_config import cfg

from nova_ha.cloud.session import Access
from nova_ha.notifications import command
from nova_ha.notifications.conditions import Kind
from nova_ha.notifications.courier import Courier
from nova_ha.notifications.formats import FORMATS
from nova_ha.notifications.mail import PLAIN, Mail, Server
from nova_ha.notifications.masakari import Masakari
from nova_ha.notifications.outbox import Outbox
from nova_ha.notifications.receiver import Receiver
from nova_ha.notifications.spool import Spool
from nova_ha.notifications.webhook import Webhook

# The port of a mail server that is given without one.
_SMTP = 25


class Configured(NamedTuple):
    """What the section amounts to.

    :param receivers: each with the kinds of conditions that it is told of
    :param problems: what is wrong in it, one line each and without secrets; the rest holds all the same
    """

    receivers: list[tuple[Receiver, Collection[str]]]
    problems: list[str]


def configured(conf: cfg.ConfigOpts, connect: Callable[[], Access]) -> Configured:
    """The receivers of a configuration.

    :param connect: gives the way to the cloud's services, where Masakari is to be told
    """
    options, problems = conf.notify, []
    receivers: list[Receiver] = []
    cafile = options.cafile
    if cafile and not os.access(cafile, os.R_OK):
        problems.append(f"[notify] cafile = {cafile}: it cannot be read")
        cafile = None
    for each in _webhooks(options.webhook, cafile):
        if isinstance(each, str):
            problems.append(each)
        else:
            receivers.append(each)
    if options.command_directory:
        commands, wrong = command.found(options.command_directory)
        receivers += commands
        problems += [f"[notify] command_directory: {each}" for each in wrong]
    try:
        receivers += _mail(options, cafile)
    except ValueError as error:
        problems.append(f"[notify] {error}")
    events = [kind.value for kind in Kind if kind.value in options.events]
    told: list[tuple[Receiver, Collection[str]]] = [(each, events) for each in receivers]
    if options.masakari:
        told.append((Masakari(connect, conf.recovery.domain), [Kind.HOST_DOWN.value]))
    if not options.spool_directory.startswith("/"):
        problems.append(f"[notify] spool_directory: invalid value '{options.spool_directory}': expected a path from /")
        told = []
    return Configured(told, problems)


def couriers(found: Configured, resource: str, conf: cfg.ConfigOpts) -> list[Courier]:
    """Who takes notifications to each receiver, with what is left on disk for it.

    :param resource: name of the resource whose engine tells
    """
    made = []
    for receiver, wanted in found.receivers:
        spool = Spool(f"{conf.notify.spool_directory}/{resource}/{receiver.id}")
        outbox = Outbox(receiver.id, receiver.name, wanted, spool)
        made.append(Courier(receiver, outbox, resource, socket.gethostname(), conf.notify.messages_per_minute))
    return made


def _webhooks(lines: Sequence[str], cafile: str | None) -> Iterator[Webhook | str]:
    """The webhook of each line, or what is wrong with it; the line is a secret, so it is told by its number."""
    seen: collections.Counter[str] = collections.Counter()
    for number, line in enumerate(lines, 1):
        form, _, url = line.strip().partition(" ")
        seen[form] += 1
        try:
            if form in FORMATS:
                yield Webhook(f"webhook-{form}-{seen[form]}", form, url.strip(), cafile)
            elif line.strip():
                raise ValueError(f"expected a format and an address: {', '.join(FORMATS)}, then https://HOST/PATH")
        except ValueError as error:
            yield f"[notify] webhook, line {number} of that name: {error}"


def _mail(options: cfg.ConfigOpts.GroupAttr, cafile: str | None) -> list[Mail]:
    if not options.mail_to:
        return []
    host, colon, port = options.mail_server.rpartition(":")
    if not colon:
        host, port = options.mail_server, str(_SMTP)
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"mail_server: invalid value '{options.mail_server}': expected HOST or HOST:PORT")
    if options.mail_user and options.mail_tls == PLAIN:
        raise ValueError("mail_user: needs mail_tls = starttls, or tls: anybody in between could read the password")
    # The name that a name server knows would be asked for here, by the engine's own thread.
    sender = options.mail_from or f"nova-ha@{socket.gethostname()}"
    server = Server(host.strip("[]"), int(port), options.mail_tls, options.mail_user, options.mail_password, cafile)
    return [Mail(options.mail_to, sender, server)]

# SPDX-License-Identifier: Apache-2.0
"""Writes the journal of one compute host's guests from libvirt's events: what the fake driver does for its own.

It runs beside libvirtd, on the host's Python: ``libvirt_journal.py JOURNAL HOST``. libvirt remembers no events, so what
happened while nobody listened is made up for at each start. It ends when libvirtd does, and systemd starts it again.
"""

import json
import pathlib
import sys

import guests
import libvirt

CHANGES = {libvirt.VIR_DOMAIN_EVENT_STARTED: "start", libvirt.VIR_DOMAIN_EVENT_STOPPED: "stop"}
# Seconds between two questions whether a silent libvirtd is there, and how many may go without an answer.
KEEP_ALIVE = (5, 3)


def follow(journal, host):
    """Record each start and stop, until the connection to libvirtd ends.

    :raises libvirt.libvirtError: libvirtd does not answer
    """

    def record(_connection, domain, event, detail, _opaque):
        if event in CHANGES:
            guests.record(journal, CHANGES[event], host, instance=domain.UUIDString(), why=f"libvirt: {detail}")

    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.openReadOnly("qemu:///system")
    connection.setKeepAlive(*KEEP_ALIVE)
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, record, None)
    active = {d.UUIDString() for d in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)}
    for event, instance in missed(journal, active):
        guests.record(journal, event, host, instance=instance, why="libvirt: found so")
    while connection.isAlive():
        libvirt.virEventRunDefaultImpl()


def missed(journal, active):
    """What the journal lacks to say which guests run, as ``(event, instance)``.

    :param active: the instances whose guests run
    """
    file = pathlib.Path(journal)
    lines = map(json.loads, file.read_text().splitlines()) if file.exists() else ()
    last = {line["instance"]: line["event"] for line in lines if line["event"] in CHANGES.values()}
    running = {instance for instance, event in last.items() if event == "start"}
    return [("start", i) for i in sorted(active - running)] + [("stop", i) for i in sorted(running - active)]


if __name__ == "__main__":
    follow(*sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0
"""What really runs where, whatever Nova says, and the rules that were broken."""

RUNNING = "running"
PAUSED = "paused"
STOPPED = "stopped"
DELETED = "deleted"


class Guests:
    """The guests of all hosts, and their copies (definition and disk) there."""

    def __init__(self):
        self.running = {}  # (instance, host) -> RUNNING or PAUSED
        self.copies = set()  # (instance, host)
        self.wanted = {}  # instance -> RUNNING, PAUSED, STOPPED, DELETED; None if its owner wants nothing particular
        self.breaches = []

    def breach(self, what):
        """A safety rule was broken."""
        self.breaches.append(what)

    def hosts(self, instance):
        """Where guests of an instance are."""
        return {host for known, host in self.running if known == instance}

    def start(self, instance, host):
        others = self.hosts(instance) - {host}
        if others:
            self.breach(f"{instance} runs twice: on {host} and {', '.join(sorted(others))}")
        if self.wanted.get(instance) == DELETED:
            self.breach(f"{instance} was deleted by its owner, and is started on {host}")
        self.copies.add((instance, host))
        self.running[instance, host] = RUNNING

    def stop(self, instance, host):
        self.running.pop((instance, host), None)

    def pause(self, instance, host):
        if (instance, host) in self.running:
            self.running[instance, host] = PAUSED

    def destroy(self, instance, host):
        """Guest and disk are gone there."""
        self.stop(instance, host)
        self.copies.discard((instance, host))

    def power_cut(self, host):
        """All guests of a host end; their disks remain."""
        self.running = {guest: how for guest, how in self.running.items() if guest[1] != host}

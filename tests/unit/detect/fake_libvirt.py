# SPDX-License-Identifier: Apache-2.0
"""A libvirt module whose libvirtd has the domains, and sends the events, that a test says."""

NOVA = "http://openstack.org/xmlns/libvirt/nova/1.1"
NO_DOMAIN, NO_METADATA, AGENT_UNRESPONSIVE, AGENT_UNSUPPORTED, SYSTEM_ERROR = 42, 80, 86, 74, 38
RUNNING, IO_ERROR, CRASHED, DESTROYED = (1, 1), (3, 5), (5, 3), (5, 2)


class End(BaseException):
    """The script is at its end."""


class Domain:
    """One domain; ``metadata_of`` is the element that it has, if any."""

    def __init__(self, instance, state=RUNNING, metadata_of=NOVA):
        self.instance = instance
        self.now = state
        self.metadata_of = metadata_of
        self.is_gone = False
        self.questions = 0

    def UUIDString(self):
        return self.instance

    def state(self):
        self._demand()
        return list(self.now)

    def metadata(self, _kind, uri, _flags):
        self._demand()
        self.questions += 1
        if uri != self.metadata_of:
            raise Libvirt.libvirtError("no such metadata", NO_METADATA)
        return "<nova/>"

    def _demand(self):
        if self.is_gone:
            raise Libvirt.libvirtError("Domain not found", NO_DOMAIN)


class Connection:
    def __init__(self, libvirt, read_only):
        self.libvirt = libvirt
        self.read_only = read_only
        self.callbacks = {}
        self.on_close = None
        self.is_closed = False

    def registerCloseCallback(self, callback, opaque):
        self.on_close = lambda: callback(self, 1, opaque)

    def unregisterCloseCallback(self):
        self.on_close = None

    def domainEventRegisterAny(self, _domain, event, callback, opaque):
        self.callbacks[event] = lambda domain, *details: callback(self, domain, *details, opaque)
        return event

    def domainEventDeregisterAny(self, number):
        del self.callbacks[number]

    def getAllDomainStats(self, _stats, _flags):
        self.libvirt.demand()
        return [
            (each, {"state.state": each.now[0], "state.reason": each.now[1]})
            for each in self.libvirt.domains
            if not each.is_gone
        ]

    def listAllDomains(self, _flags):
        self.libvirt.demand()
        return [each for each in self.libvirt.domains if each.now[0] == 1]

    def isAlive(self):
        return not self.libvirt.is_away

    def close(self):
        self.is_closed = True


class Libvirt:
    """The module.

    :param domains: of libvirtd
    :param script: functions that are called with it one after the other, each when events are waited for
    """

    VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_ID_WATCHDOG = 0, 1, 3
    VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE = 6, 18
    VIR_DOMAIN_STATS_STATE, VIR_DOMAIN_METADATA_ELEMENT, VIR_CONNECT_LIST_DOMAINS_RUNNING = 1, 2, 16
    VIR_ERR_NO_DOMAIN, VIR_ERR_NO_DOMAIN_METADATA = NO_DOMAIN, NO_METADATA
    VIR_ERR_AGENT_UNRESPONSIVE = AGENT_UNRESPONSIVE

    class libvirtError(Exception):
        def __init__(self, text, code=SYSTEM_ERROR):
            super().__init__(text)
            self.code = code

        def get_error_code(self):
            return self.code

    def __init__(self, domains, *script):
        self.domains = list(domains)
        self.script = list(script)
        self.connections = []
        self.is_away = False

    @property
    def connection(self):
        return self.connections[-1]

    def demand(self):
        if self.is_away:
            raise self.libvirtError("Failed to connect socket")

    def open(self, _uri, read_only=False):
        self.demand()
        self.connections.append(Connection(self, read_only))
        return self.connection

    def openReadOnly(self, uri):
        return self.open(uri, read_only=True)

    def registerErrorHandler(self, handler, _context):
        pass

    def virEventRegisterDefaultImpl(self):
        pass

    def virEventAddTimeout(self, milliseconds, callback, opaque):
        self.interval = milliseconds / 1000
        self.time_passes = lambda: callback(1, opaque)

    def virEventRunDefaultImpl(self):
        self.next()

    def next(self):
        if not self.script:
            raise End
        self.script.pop(0)(self)

    def event(self, domain, event, detail, now=None):
        """A lifecycle event, and the state that the domain has by then."""
        domain.now = now or domain.now
        self.connection.callbacks[self.VIR_DOMAIN_EVENT_ID_LIFECYCLE](domain, event, detail)
